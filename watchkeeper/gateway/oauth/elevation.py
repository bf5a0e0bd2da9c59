"""Whose token was seen, and who came back with more scopes than before: each is a fact in the journal.

An elevation is no offence; a person who looks for one must find it.
"""

from __future__ import annotations

from collections import OrderedDict
from typing import Protocol

from watchkeeper.core.clock import Clock
from watchkeeper.core.errors import Unavailable
from watchkeeper.events.model import Event, new_event
from watchkeeper.gateway.caller import Caller

_MOST = 10_000
_SHOWN = 64
"""Scopes written into one event."""


class Takes(Protocol):
    """The journal."""

    def append(self, event: Event) -> int: ...


class Elevations:
    """What each principal's client was last seen with on each server. Bounded."""

    def __init__(self, journal: Takes, clock: Clock) -> None:
        self._journal = journal
        self._clock = clock
        self._seen: OrderedDict[tuple[str, str, str], tuple[bytes, frozenset[str]]] = OrderedDict()

    def saw(self, server: str, caller: Caller, digest: bytes) -> None:
        """A token was verified; the same one again is no news."""
        key = (server, caller.principal, caller.client)
        scopes = caller.scopes or frozenset()
        before = self._seen.get(key)
        if before is not None and before[0] == digest:
            return
        self._seen[key] = (digest, scopes)
        self._seen.move_to_end(key)
        if len(self._seen) > _MOST:
            self._seen.popitem(last=False)
        body: dict[str, object] = {
            "client": caller.client,
            "credential": caller.credential,
            "scopes": sorted(scopes)[:_SHOWN],
        }
        self._note("gateway.caller.verified", server, caller, body)
        gained = scopes - before[1] if before is not None else frozenset()
        if gained:
            self._note("gateway.scope.elevated", server, caller, body | {"gained": sorted(gained)[:_SHOWN]})

    def _note(self, kind: str, server: str, caller: Caller, body: dict[str, object]) -> None:
        event = new_event(
            self._clock.now(), kind, tenant=caller.tenant, actor=caller.principal, server=server,
            outcome="success", body=body,
        )  # fmt: skip
        try:
            self._journal.append(event)
        except Unavailable:
            return  # the gateway refuses calls by itself while the journal fails
