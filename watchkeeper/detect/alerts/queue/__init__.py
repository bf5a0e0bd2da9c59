"""The alert queue: which alerts wait for a person, whose they are, what became of them, what that says of the rules.

`model` is what it speaks of, `moves` what a person may do, `book` lists and carries out, `follower` fills it from the
journal, `precision` counts. The journal is the truth: the table can be thrown away and is filled again.
"""
