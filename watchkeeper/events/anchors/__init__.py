"""Anchors: signed checkpoints of the journal's logs, copied to places that root on this host does not rule.

`place` says what such a place can do, `folder`, `bucket` and `webhook` are the kinds there are, `comparing` tells what
the copies say of a log, `keeper` copies and compares as time goes by.
"""
