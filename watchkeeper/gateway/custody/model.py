"""What a gateway says of what is live in it. No I/O."""

from __future__ import annotations

import msgspec


class Asked(msgspec.Struct, frozen=True, kw_only=True):
    """Who wants something ended, and under which key it is ended once."""

    key: str
    by: str
    reason: str
    incident: str = ""
    run: str = ""
    """The playbook's run; empty for a person."""
    asked_by: tuple[str, ...] = ()
    """Who approved it, or asked for it."""


class Live(msgspec.Struct, frozen=True):
    """A session of the older era, or what a principal has open at a server in the modern one."""

    server: str
    principal: str
    era: str
    session: str = ""
    """Digest of its id, as events have it; empty in the modern era."""
    client: str = ""
    """What the client called itself."""
    calls: int = 0
    """Requests under way."""
    streams: int = 0
    """Standing streams that are open."""
    processes: tuple[int, ...] = ()
    """Servers that were started for it."""
    tasks: int = 0
    """Its principal's tasks at this server that this gateway saw being made."""


class Meant(msgspec.Struct, frozen=True, kw_only=True):
    """What an ending is about to end, kept until it is done: a process that is killed meanwhile leaves it to the next.

    It holds ids that open sessions and tasks.
    """

    sessions: tuple[tuple[str, str, str], ...] = ()
    """Server, principal and id."""
    tasks: tuple[tuple[str, str, str, str], ...] = ()
    """Server, id, principal and tool."""
    processes: tuple[tuple[int, str], ...] = ()
    """Servers that were started for it: process id and birth."""
    parties: int = 0
    """Sessions with endpoints."""
    calls: int = 0
    streams: int = 0
    is_unknown: bool = False
    """It cannot be read any more."""


class Ending(msgspec.Struct, frozen=True, kw_only=True):
    """What one gateway ended."""

    place: str = ""
    """Which gateway's part it is: a process's, and that of those after it."""
    sessions: int = 0
    calls: int = 0
    streams: int = 0
    processes: tuple[int, ...] = ()
    cancelled: int = 0
    """Tasks whose server said that they are cancelled."""
    doubts: tuple[str, ...] = ()
    """What a server did not confirm."""


class Rest(msgspec.Struct, frozen=True, kw_only=True):
    """What of a subject is still live in one gateway."""

    sessions: int = 0
    calls: int = 0
    streams: int = 0
    processes: tuple[int, ...] = ()
    """Process groups of servers that still have a process."""
    tasks: int = 0
    """Tasks that are not known to be over."""

    @property
    def is_nothing(self) -> bool:
        return self == Rest()


class Drained(msgspec.Struct, frozen=True, kw_only=True):
    """A server's transport in one gateway, after its sessions ended and what reached it was begun anew."""

    ended: Ending
    place: str = ""
    """As an ending's."""
    was_quiet: bool = False
    """Everything under way ended by itself, within the bound."""


class Served(msgspec.Struct, frozen=True, kw_only=True):
    """Whether a server answers a real greeting, sent past every order."""

    serves: bool
    era: str = ""
    reason: str = ""
    sessions: int = 0
    """Sessions and processes that clients have at it now."""
