"""Sources, their indicators, allow-lists and the index over all of them, as files in the data folder.

`library` is the door. A source's indicators lie sorted in a file of their own, so that taking in is one pass; the index
is derived from them, mapped into memory, shared by processes and replaced whole.
"""
