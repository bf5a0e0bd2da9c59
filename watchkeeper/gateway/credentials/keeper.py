"""Tokens in memory: each asked for once at a time, used until shortly before its end, forgotten when refused.

1. One request for a token is under way per key, however many calls wait for it; a client that leaves does not stop it
   for the others.
2. After a failure the issuer is left alone for a moment: a flood of calls is no flood of token requests.
3. A refused token is replaced once in a while, not at each refusal (a server that says 401 to everything).
4. While the issuer is out of reach a token is used to its very end; after a refusal it is not.
"""

from __future__ import annotations

import asyncio
from collections import OrderedDict
from collections.abc import Callable, Coroutine
from typing import Any, TypeVar

from watchkeeper.core.clock import SECOND, Clock
from watchkeeper.gateway.credentials.model import CredentialFailed, Token, is_outage
from watchkeeper.gateway.upstream import Headers

MAX_TOKENS = 4096
CLOSE_SECONDS = 15.0
PAUSE = SECOND
"""After a failure."""
REPLACE_PAUSE = 10 * SECOND
"""Between two replacements of refused tokens."""

V = TypeVar("V")
Obtain = Callable[[], Coroutine[Any, Any, Token]]


class Keeper:
    """The tokens for one server, by whatever tells its callers apart."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._tokens: OrderedDict[str, Token] = OrderedDict()
        self._under_way: dict[str, asyncio.Task[Token]] = {}
        self._tasks: set[asyncio.Task[Token]] = set()
        self._failed: OrderedDict[str, tuple[int, CredentialFailed]] = OrderedDict()
        self._replaced: OrderedDict[str, int] = OrderedDict()

    async def token(self, key: str, obtain: Obtain) -> Token:
        """The token kept for `key`, or a new one. Raises `CredentialFailed`."""
        now = self._clock.now()
        kept = self._tokens.get(key)
        if kept is not None and now < kept.renew_at:
            return kept
        try:
            return await asyncio.shield(self._task(key, obtain, now))
        except CredentialFailed as error:
            if kept is None or not is_outage(error) or self._clock.now() >= kept.expires_at:
                raise
            return kept

    def _task(self, key: str, obtain: Obtain, now: int) -> asyncio.Task[Token]:
        task = self._under_way.get(key)
        if task is None:
            until, error = self._failed.get(key, (0, None))
            if error is not None and now < until:
                raise error.with_traceback(None)  # each raise would add to it
            task = self._under_way[key] = asyncio.get_running_loop().create_task(obtain())
            self._tasks.add(task)
            task.add_done_callback(lambda done: self._done(key, done))
        return task

    def reject(self, key: str, headers: Headers) -> bool:
        """Forget the token that these headers carried; whether a new one may be asked for now."""
        kept = self._tokens.get(key)
        if kept is None or kept.headers != headers:
            return True  # somebody else was faster
        now = self._clock.now()
        if now < self._replaced.get(key, 0) + REPLACE_PAUSE:
            return False
        _put(self._replaced, key, now)
        del self._tokens[key]
        return True

    def clear(self) -> None:
        """Nothing that was kept counts any more; what is under way is not kept."""
        self._tokens.clear()
        self._failed.clear()
        self._under_way.clear()

    async def close(self) -> None:
        """Let what is under way come to its end: an answer that is not heard may hold the only good token."""
        if self._tasks:
            _, late = await asyncio.wait(self._tasks, timeout=CLOSE_SECONDS)
            for task in late:
                task.cancel()
            await asyncio.gather(*late, return_exceptions=True)

    def _done(self, key: str, task: asyncio.Task[Token]) -> None:
        self._tasks.discard(task)
        error = None if task.cancelled() else task.exception()
        if self._under_way.get(key) is not task:  # cleared meanwhile
            return
        del self._under_way[key]
        if isinstance(error, CredentialFailed):
            _put(self._failed, key, (self._clock.now() + PAUSE, error))
        elif error is None and not task.cancelled():
            _put(self._tokens, key, task.result())
            self._failed.pop(key, None)


def _put(kept: OrderedDict[str, V], key: str, value: V) -> None:
    kept[key] = value
    kept.move_to_end(key)
    while len(kept) > MAX_TOKENS:
        kept.popitem(last=False)
