"""`watchkeeper scan`: what servers show a model, looked at and judged before anybody uses it.

`targets` and `clients` say what is meant, `visiting` looks, `judging` judges, `sarif` words it for code scanners.
"""
