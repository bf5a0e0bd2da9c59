"""Hunts: questions to the lake that were worth asking once, as data with their tests inside (`content/hunts`).

`loading` reads them, `parameters` types what is said, `trials` runs their tests. The query itself is judged, bound to a
tenant and run by `events.lake.sql`; nothing here touches a row.
"""
