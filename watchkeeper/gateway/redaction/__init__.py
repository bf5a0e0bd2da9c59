"""Carrying out the verdict *modify*: secrets and personal data leave a message as typed placeholders, and come back
only on the way to a server that may see them.

`placeholders` is how one is written, `vault` keeps the values, `text` changes a message's JSON exactly, `fitness` looks
whether what is left still is what the tool promised, and `redaction` is what the guard asks.
"""
