"""What a search is good for beside a list of events: counts, following, conversations, files.

Stands on `lake` (the engine and the journal behind it as one) and `query` (what is asked for); knows no face.
Rooms: `asking` makes a filter of what somebody typed, `counting` counts in the engine, `following` follows the journal,
`gathering` and `conversation` tell a session, `export` and `formats` write files.
"""

from watchkeeper.events.search.asking import Asked, ask

__all__ = ["Asked", "ask"]
