"""The lake: every event as a row of an open Delta table, and the search over it and over what it does not hold yet.

A projection of the journal: it can be thrown away, and is filled again from there. Rooms: `reader` fills it, `search`
asks it, `schema` is the contract. This door stays light, so that reading the settings does not load the query engine.
"""

from watchkeeper.events.lake.settings import LakeSettings

__all__ = ["LakeSettings"]
