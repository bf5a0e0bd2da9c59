"""Intelligence: what others know to be bad, kept, looked for in every event, and passed on as far as it may be.

Rooms: `model` and `values` say what an indicator is; `formats` reads what others send (STIX, MISP, CSV, lists),
`patterns` STIX's pattern language; `keeping` holds sources, indicators and allow-lists in the data folder; `looking`
finds observables in events and looks them up. Nothing here acts.
"""
