"""What an aggregate's rooms hand to each other. No I/O."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import TypeVar

import msgspec

from watchkeeper.core.errors import WatchkeeperError
from watchkeeper.gateway.model import Request, Route
from watchkeeper.gateway.upstream import Outbound
from watchkeeper.protocol.eras import Era
from watchkeeper.protocol.errors import INVALID_PARAMS
from watchkeeper.protocol.message import Message

Serve = Callable[[Request], Awaitable[Outbound]]
"""`Exchange.serve` of a member."""
T = TypeVar("T")

METHOD_NOT_FOUND = -32601
LEFT_OUT = "watchkeeper/leftOut"
"""Key of the `_meta` of a merged answer: which members are not in it, and why."""
SERVER = "watchkeeper/server"
"""Key of a request's `_meta` with which a client may name the member it means."""


class Member(msgspec.Struct, frozen=True, eq=False):
    """One server of an endpoint."""

    name: str
    prefix: str
    """What its names begin with here, the separator included; empty for the one that has none."""
    serve: Serve


class Endpoint(msgspec.Struct, frozen=True, kw_only=True):
    """Several servers on one port of ours."""

    route: Route
    """Its name and where it listens; it leads to no upstream of its own."""
    prefixes: dict[str, str]
    """Server → prefix, in the order of the lists."""
    only: tuple[str, ...] = ()
    hide: tuple[str, ...] = ()
    member_seconds: float = 20.0
    key: bytes = b""
    """Seals cursors and states; the same in every worker. Empty for one of this process's own."""


class LeftOut(msgspec.Struct, frozen=True):
    """A member that an answer says nothing of."""

    server: str
    reason: str
    """In our own words, never the member's."""


class NotServed(WatchkeeperError):
    """The endpoint itself refuses a message: it belongs to no member, or to two."""

    code = "not_served"

    def __init__(self, rule: str, reason: str, *, rpc_code: int = INVALID_PARAMS) -> None:
        super().__init__(reason)
        self.rule = rule
        self.rpc_code = rpc_code


def status_of(rpc_code: int, *, modern: bool) -> int:
    """The HTTP status that an error of ours has: the modern era says some of them in HTTP, too (C6)."""
    return {INVALID_PARAMS: 400, METHOD_NOT_FOUND: 404}.get(rpc_code, 200) if modern else 200


class Turn(msgspec.Struct, frozen=True, eq=False):
    """One message of a client, understood so far."""

    request: Request
    message: Message
    era: Era
    started: int
    """`perf_counter_ns` when it came in."""
    client: str = ""

    @property
    def is_modern(self) -> bool:
        return self.era == "modern"


def notice(left_out: list[LeftOut]) -> bytes:
    """The `_meta` that says who is missing, as raw JSON."""
    return msgspec.json.encode({LEFT_OUT: left_out})
