"""Calls of this process that wait for a person: at most so many, each for so long, and none looks by itself.

One look at the control state answers all of them (`desk`): five times a second while anybody waits, and at once when a
gateway is told that something was decided. Whoever gives up, or is given up, leaves the request where it is.
"""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Hashable, Iterable

from watchkeeper.gateway.approvals.model import Approval, State

MOST = 256
"""Calls held at once in one process; one more is told to come again."""
MOST_OF_ONE = 32
"""Of one client."""
Future = asyncio.Future[Approval]


class Waits:
    """On one event loop; what is said of threads may be called from any."""

    def __init__(self) -> None:
        self._waiting: dict[str, list[Future]] = {}
        self._by_key: dict[Hashable, tuple[Future, Approval]] = {}
        self._of: Counter[str] = Counter()
        self._expected: dict[Hashable, bool] = {}
        """Calls that wait, or are about to, and whether their client gave them up."""
        self._loop: asyncio.AbstractEventLoop | None = None
        self._closed = False

    def ids(self) -> tuple[str, ...]:
        """The approvals that somebody waits for; from any thread."""
        return tuple(self._waiting)

    async def outcome(self, approval: Approval, seconds: float, key: Hashable) -> Approval:
        """How an approval stands when it is decided, or when the time is up; `key` names the call for `give_up`."""
        if self._expected.get(key):
            return approval
        is_full = len(self._by_key) >= MOST or self._of[approval.principal] >= MOST_OF_ONE
        if self._closed or seconds <= 0 or is_full or approval.state is not State.PENDING:
            return approval
        self._loop = asyncio.get_running_loop()
        future: Future = self._loop.create_future()
        self._waiting.setdefault(approval.id, []).append(future)
        self._by_key[key] = future, approval
        self._of[approval.principal] += 1
        try:
            async with asyncio.timeout(seconds):
                return await future
        except TimeoutError:
            return approval
        finally:
            self._forget(approval, future, key)

    def expect(self, key: Hashable) -> None:
        """A call is about to wait: from now on it can be given up."""
        self._expected[key] = False

    def let_go(self, key: Hashable) -> bool:
        """It waits no more; whether its client gave it up."""
        return self._expected.pop(key, False)

    def give_up(self, key: Hashable) -> bool:
        """Its client does not want the answer any more; whether such a call waited, or was about to."""
        if key not in self._expected:
            return False
        self._expected[key] = True
        self._release(key)
        return True

    def close(self) -> None:
        """Nobody waits any more: whoever does is told how things stand."""
        self._closed = True
        for key in tuple(self._by_key):
            self._release(key)

    def tell(self, approvals: Iterable[Approval]) -> None:
        """How these stand now; from any thread."""
        decided = [approval for approval in approvals if approval.state is not State.PENDING]
        if decided and self._loop is not None and not self._loop.is_closed():
            self._loop.call_soon_threadsafe(self._told, decided)

    def _release(self, key: Hashable) -> None:
        future, approval = self._by_key.get(key, (None, None))
        if future is not None and approval is not None and not future.done():
            future.set_result(approval)

    def _told(self, approvals: list[Approval]) -> None:
        for approval in approvals:
            for future in self._waiting.get(approval.id, ()):
                if not future.done():
                    future.set_result(approval)

    def _forget(self, approval: Approval, future: Future, key: Hashable) -> None:
        waiting = self._waiting[approval.id]
        waiting.remove(future)
        if not waiting:
            del self._waiting[approval.id]
        if self._by_key.get(key, (None,))[0] is future:
            del self._by_key[key]
        self._of[approval.principal] -= 1
        if not self._of[approval.principal]:
            del self._of[approval.principal]
