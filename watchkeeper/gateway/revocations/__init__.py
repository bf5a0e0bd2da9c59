"""Tokens of authorization servers that our doors refuse although they have not expired.

`model` is pure, and what the hot path reads; `book` keeps the list in the control state.
"""
