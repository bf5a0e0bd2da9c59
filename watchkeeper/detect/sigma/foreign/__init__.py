"""Events of others, for rules of others: their shapes made flat, and the log sources they are of.

`shapes` makes one record of what collectors write, `origins` says of which log sources it can be, `files` reads what
people have of it, `enriching` adds what rules of ours want to know of records whose names nobody knows. Our own events
come here too, as they are exported.
"""
