"""What others send, as drafts of indicators: STIX 2.1, MISP, CSV, plain lists. `reading` tells them apart.

A format reads whole bytes, bounded by its caller; one bad object is refused and counted, the others are taken.
"""
