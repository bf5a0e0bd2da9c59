"""What an edit newly allows: two sets of policies as formulas, and a solver that looks for a question between them.

Needs z3 (the extra `analysis`), so nothing else imports this package at its top. A finding counts only once the engine
itself, through Cedar, gave both answers; where it does not, or where a policy says what has no formula here, the
answer is *inconclusive*, never *no change*.
"""
