"""Keeping the lake: what is deleted when, what is damaged, and what a new table takes from an old one.

Each module works on an open `LakeTable` under its caller's lock; `reader` decides when.
"""
