"""Sigma files in, rules as data out: single rules, collections, correlations, filters, placeholders, log sources.

`rules` is the strict reading of our own content and of an operator's folder. What runs a condition is `conditions` and
`matching`; what counts over time is `correlation`.
"""
