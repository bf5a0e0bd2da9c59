"""Tokens in memory: each asked for once at a time, used until shortly before its end, forgotten when refused.

1. One request for a token is under way per key, however many calls wait for it; a client that leaves does not stop it
   for the others.
2. After a failure the issuer is left alone for a moment: a flood of calls is no flood of token requests.
3. A refused token is replaced once in a while, not at each refusal (a server that says 401 to everything).
"""

from __future__ import annotations

import asyncio
from collections import OrderedDict
from collections.abc import Awaitable, Callable
from typing import TypeVar

from watchkeeper.core.clock import SECOND, Clock
from watchkeeper.gateway.credentials.model import CredentialFailed, Token
from watchkeeper.gateway.upstream import Headers

MAX_TOKENS = 4096
PAUSE = SECOND
"""After a failure, and between two replacements of refused tokens."""

V = TypeVar("V")
Obtain = Callable[[], Awaitable[Token]]


class Keeper:
    """The tokens for one server, by whatever tells its callers apart."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._tokens: OrderedDict[str, Token] = OrderedDict()
        self._under_way: dict[str, asyncio.Task[Token]] = {}
        self._failed: OrderedDict[str, tuple[int, CredentialFailed]] = OrderedDict()
        self._replaced: OrderedDict[str, int] = OrderedDict()

    async def token(self, key: str, obtain: Obtain) -> Token:
        """The token kept for `key`, or a new one. Raises `CredentialFailed`."""
        now = self._clock.now()
        kept = self._tokens.get(key)
        if kept is not None and now < kept.renew_at:
            return kept
        task = self._under_way.get(key)
        if task is None:
            until, error = self._failed.get(key, (0, None))
            if error is not None and now < until:
                raise error
            task = asyncio.get_running_loop().create_task(self._obtain(key, obtain))
            task.add_done_callback(_heard)
            self._under_way[key] = task
        return await asyncio.shield(task)

    def reject(self, key: str, headers: Headers) -> bool:
        """Forget the token that these headers carried; whether a new one may be asked for now."""
        kept = self._tokens.get(key)
        if kept is None or kept.headers != headers:
            return True  # somebody else was faster
        now = self._clock.now()
        if now < self._replaced.get(key, 0) + PAUSE:
            return False
        _put(self._replaced, key, now)
        del self._tokens[key]
        return True

    def forget(self, key: str) -> None:
        """Whatever was kept for it does not count any more."""
        self._tokens.pop(key, None)
        self._failed.pop(key, None)

    async def close(self) -> None:
        """Leave nothing under way."""
        tasks = list(self._under_way.values())
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    async def _obtain(self, key: str, obtain: Obtain) -> Token:
        try:
            token = await obtain()
        except CredentialFailed as error:
            _put(self._failed, key, (self._clock.now() + PAUSE, error))
            raise
        finally:
            del self._under_way[key]
        _put(self._tokens, key, token)
        self._failed.pop(key, None)
        return token


def _put(kept: OrderedDict[str, V], key: str, value: V) -> None:
    kept[key] = value
    kept.move_to_end(key)
    while len(kept) > MAX_TOKENS:
        kept.popitem(last=False)


def _heard(task: asyncio.Task[Token]) -> None:
    """Whoever waits gets the error; when nobody does any more, it is not worth a warning."""
    if not task.cancelled():
        task.exception()
