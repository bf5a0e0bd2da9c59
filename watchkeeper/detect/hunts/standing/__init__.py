"""Hunts that are run again and again: when, with what result, what is new in it, and what becomes of that.

`model` has a schedule and a run, `changes` tells two results apart, `findings` makes facts and alerts of new rows,
`book` keeps it all, `keeper` runs what is due, in a thread of the watch.
"""
