"""Finding indicators in events: words of what an event shows, observables in them, and a look-up for each.

Words are split by C code in one pass over the event's bytes, and only those that could be an address, a name or a
digest are looked at closer: linear whatever an agent writes, and faster than RE2, whose matches each cross into Python.
"""
