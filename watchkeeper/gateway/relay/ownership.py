"""Whose a request is. Pure.

A session of the older era lives in the worker that saw it begin: the id that the client gets names that worker, and the
server behind never sees the name. A server that is started rather than reached lives in one worker for all clients, or
every worker would start its own. Everything else belongs to whoever it came to.

The name in an id is a signpost and no proof: the worker it leads to still asks whose the session is.
"""

from __future__ import annotations

import re
import zlib

from watchkeeper.gateway.upstream import Headers

SESSION = b"mcp-session-id"
_TAGGED = re.compile(r"wk([1-9][0-9]?)-(.+)", re.DOTALL)


def tagged(session: str, worker: int) -> str:
    """The id as the client gets it."""
    return f"wk{worker}-{session}"


def untagged(session: str) -> tuple[int, str]:
    """The worker and the server's own id; 0 where the id names none."""
    match = _TAGGED.fullmatch(session)
    return (int(match[1]), match[2]) if match else (0, session)


def home_of(route: str, workers: int) -> int:
    """The worker where the servers of a route are started. It depends on nothing that a reload could change."""
    return zlib.crc32(route.encode()) % workers + 1


def with_session(headers: Headers, change: str) -> Headers:
    """The same headers with another session id."""
    return [(name, change.encode("latin-1") if name.lower() == SESSION else value) for name, value in headers]


def tag_answer(headers: Headers, worker: int) -> Headers:
    """The headers of an answer with the id that the client is to use."""
    for name, value in headers:
        if len(name) == len(SESSION) and name.lower() == SESSION:
            return with_session(headers, tagged(value.decode("latin-1"), worker))
    return headers
