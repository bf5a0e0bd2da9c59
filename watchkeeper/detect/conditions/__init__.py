"""A rule's condition: what it says about one event.

`model` is the condition as data (a tree that can be stored, optimised and printed), `fields` how an event is looked
at, `values` and `compiling` the plain reading of a condition, one closure a leaf: slow, and easy to believe.
"""
