"""Erasing a person's data, and looking for it afterwards: what is under way, what was found where, a signed report.

Rooms: `model` has the nouns, `ground` keeps what is under way over a crash, `scanning` and `looking` look for a name in
every store, `journal` says what became of the logs, `statement` signs. Who erases what
is wired by the app: each store is its owner's.
"""
