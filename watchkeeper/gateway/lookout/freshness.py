"""How long ago each server's definitions were looked at, and whether it has said since that they changed. Memory only.

Above: the guard notes listings and notices, the exchange compares a number on each call. What is done about it is
`gateway.listing`'s.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

from watchkeeper.registry.settings import PinSettings

NOTICES = {
    "notifications/tools/list_changed": "tools/call",
    "notifications/prompts/list_changed": "prompts/get",
}
"""A server's notice → the method whose calls wait for another look at what it is about."""
LISTED_BY = {"tools/call": "tools/list", "prompts/get": "prompts/list"}
"""Method of a call → how its definitions are listed."""
_USES = {listing: use for use, listing in LISTED_BY.items()}
RETRY = 30.0
"""Seconds until a look that failed, or was not needed, is tried again."""
NEVER = PinSettings(recheck_seconds=0, recheck_calls=0, canary_seconds=0)
_ENDLESS = 1 << 62
_NANO = 1_000_000_000


class Standing:
    """How one server stands; the exchange reads `due` and counts `calls` itself, for it is asked on each of them."""

    __slots__ = ("_terms", "calls", "due", "last", "listings", "most", "suspect")

    def __init__(self, terms: Callable[[], PinSettings]) -> None:
        self._terms = terms
        self.calls = 0
        """Since its tools were listed last."""
        self.most = terms().recheck_calls or _ENDLESS
        self.due = 0 if terms().recheck_seconds else _ENDLESS
        """`perf_counter_ns` from which a call has its tools listed again."""
        self.listings = 0
        self.suspect = False
        """A definition changed since a canary last looked."""
        self.last: Any = None
        """The last call of a tool since then: as whom, and in which session, it can be looked at again."""

    def listed(self) -> None:
        """All its tools were looked at just now."""
        terms = self._terms()
        self.calls, self.listings = 0, self.listings + 1
        self.most = terms.recheck_calls or _ENDLESS
        seconds = terms.recheck_seconds
        self.due = time.perf_counter_ns() + int(seconds * _NANO) if seconds else _ENDLESS

    def later(self) -> None:
        """A look is under way: the next one is not begun before it has had its time."""
        self.calls = 0
        self.due = time.perf_counter_ns() + int(RETRY * _NANO)


class Freshness:
    """All servers of one process."""

    def __init__(self, terms: Callable[[str], PinSettings] = lambda _: NEVER) -> None:
        self._terms = terms
        self._standings: dict[str, Standing] = {}
        self.news: dict[tuple[str, str], int] = {}
        """(server, method of a call) → how often it said that these changed, unless that was looked at."""

    def of(self, server: str) -> Standing:
        """How a server stands."""
        standing = self._standings.get(server)
        if standing is None:
            standing = self._standings[server] = Standing(lambda: self._terms(server))
        return standing

    def listed(self, server: str, method: str) -> None:
        """The last page of a listing was looked at."""
        if method == "tools/list":
            self.of(server).listed()

    def heard(self, server: str, method: str) -> None:
        """A server's notification."""
        use = NOTICES.get(method)
        if use is not None:
            self.news[server, use] = self.news.get((server, use), 0) + 1

    def looked(self, server: str, listing: str, known: int) -> None:
        """A listing that began when there had been `known` notices was looked at in whole."""
        key = (server, _USES[listing])
        if self.news.get(key, 0) == known:
            self.news.pop(key, None)

    def is_doubtful(self, server: str, method: str) -> bool:
        """Whether such a call must not go through: the server said that something changed, and nobody could look."""
        return (server, method) in self.news and self._terms(server).doubt == "deny"
