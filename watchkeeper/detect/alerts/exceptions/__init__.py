"""Exceptions: what a person decided that nobody need be woken for, by one rule or by all. Each has a reason and an end.

`model` is what one is, `reading` takes what a person wrote, `held` asks at each detection, `book` keeps them, `impact`
says what one would have held back.
"""
