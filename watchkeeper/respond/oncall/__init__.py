"""On call: who is, who is paged for an incident, who has taken it on, and what is handed over at the end of a shift.

Rooms: `rotation` knows whose turn it is, `book` what was escalated and acknowledged, `paging` who is called next,
`delivery` brings pages out, `handover` tells the next shift. Incidents are heard of by their events; nothing here
changes one.
"""

from watchkeeper.respond.oncall.settings import OncallSettings

__all__ = ["OncallSettings"]
