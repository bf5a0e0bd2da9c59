"""An evaluator of our own for Cedar policies, and pairs of policies and questions to hold the engine against it.

`cedar` follows the published semantics of the language, over policies in its JSON form; it knows neither Cedar's
library nor the engine. `outcome` says what a verdict has to be. `text` writes policies as text. `pairs` makes both at
random, `trial` compares. Run `python -m tests.policy.oracle 100000 [--seed N]`.
"""
