"""The lake: every event as a row of an open Delta table, and the search over it and over what it does not hold yet.

A projection of the journal: it can be thrown away, and is filled again from there.
"""

from watchkeeper.events.lake.filters import Filter, parse_time
from watchkeeper.events.lake.reader import Lag, LakeReader
from watchkeeper.events.lake.schema import COLUMNS, SCHEMA
from watchkeeper.events.lake.search import Found, Search
from watchkeeper.events.lake.settings import LakeSettings

__all__ = ["COLUMNS", "SCHEMA", "Filter", "Found", "Lag", "LakeReader", "LakeSettings", "Search", "parse_time"]
