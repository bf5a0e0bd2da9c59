"""Which requests of the older era's sessions are still open, by their ids.

Two open requests of one sender with one id would have answers that nobody can tell apart (MCP basic/index#requests). A
session is one sender. The modern era has none: there a principal may be several programs that all count from one, each
answer comes on its own request's response, and nothing here goes by a client's ids.
"""

from __future__ import annotations

from collections.abc import Callable

from watchkeeper.gateway.upstream import Outbound

Key = tuple[str, int | str]
"""Session and id; 1 and "1" are two ids."""


class Underway:
    """One route's."""

    def __init__(self) -> None:
        self._open: set[Key] = set()

    def begin(self, key: Key) -> bool:
        """Note a request. False when one with this id is open in this session."""
        if key in self._open:
            return False
        self._open.add(key)
        return True

    def end(self, key: Key) -> None:
        """It is answered, or given up."""
        self._open.discard(key)

    def until_let_go(self, key: Key, out: Outbound) -> Outbound:
        """The answer, whose request ends with it: a whole one has come; a stream's is let go by whoever reads it."""
        if out.events is None:
            self.end(key)
        else:
            out.cancel = self._also(key, out.cancel)
        return out

    def _also(self, key: Key, cancel: Callable[[], None] | None) -> Callable[[], None]:
        def let_go() -> None:
            self.end(key)
            if cancel is not None:
                cancel()

        return let_go
