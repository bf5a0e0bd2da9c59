"""Weak signs that something is wrong with a record, and their sum: for logs whose names nobody here has seen.

`weighing` adds up, `words` has what one line can say, `comparing` what only several lines together do.
"""
