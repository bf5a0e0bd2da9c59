"""Passing on what we stand for: STIX 2.1 objects of confirmed indicators and their sightings, as far as TLP lets them.

`objects` makes them, `pages` answers TAXII's questions about them, `server` speaks TAXII 2.1 over HTTP. What is shared
is what a person confirmed, and nothing that any of its sources marks more strictly.
"""
