"""Asking an authorization server whether its token is still good (RFC 7662); its word is kept for a short time.

Above: `issuers`, which asks only about tokens that were verified. `vouched` reads memory only; whoever may wait asks.

1. Only `active: true` lets a token in. What is no answer is no word: unreachable, slow, not JSON, doubled members,
   `active` missing or no truth value, another status than 200, an answer that speaks of another token.
2. A server that does not answer is left alone for a while, and refused meanwhile at once, so that no call hangs on it;
   then one question tries it.
3. It is asked over the one client for foreign URLs, with our credentials for it, which follow no redirect.
4. Many may wait for one answer; few questions are under way (a flood of tokens).
"""

from __future__ import annotations

import asyncio
import base64
import logging
from collections.abc import Mapping, Sequence
from typing import Any, Protocol
from urllib.parse import quote_plus

import msgspec

from watchkeeper.core.clock import SECOND, Clock
from watchkeeper.core.errors import Unavailable, WatchkeeperError
from watchkeeper.core.fetch.model import Fetched
from watchkeeper.core.secrets import Secret
from watchkeeper.gateway.caller import Caller
from watchkeeper.gateway.oauth.settings import IssuerSettings
from watchkeeper.gateway.oauth.token import BadToken, claims_of
from watchkeeper.protocol.errors import BadMessage
from watchkeeper.protocol.json import read_strictly

FAILURES = 3
"""In a row, after which the server is left alone."""
MOST = 8192
"""Words kept; then the oldest one is forgotten."""
_MOST_ASKING = 32
_SAME = ("iss", "sub", "jti", "client_id", "exp")
_log = logging.getLogger(__name__)


class IssuerSilent(Unavailable):
    """Nobody can say now whether a token is good; that is no word against it."""

    code = "issuer_silent"


class Posts(Protocol):
    """`core.fetch.client.Fetcher`, as far as introspection needs it."""

    async def post_form(
        self, url: str, fields: Mapping[str, str], *, headers: Sequence[tuple[str, str]] = ()
    ) -> Fetched:
        """Send a form; a redirect is refused. Raises `FetchRefused`, `FetchFailed`."""
        ...


class _Word(msgspec.Struct, frozen=True):
    is_active: bool
    until: int


class Introspection:
    """One issuer's. On one event loop."""

    def __init__(self, name: str, issuer: IssuerSettings, secret: Secret, fetcher: Posts, clock: Clock) -> None:
        self._name = name
        self._issuer = issuer
        self._fetcher = fetcher
        self._clock = clock
        pair = f"{quote_plus(issuer.introspect_client)}:{quote_plus(secret.reveal())}"  # RFC 6749 section 2.3.1
        self._headers = (("Authorization", f"Basic {base64.b64encode(pair.encode()).decode()}"),)
        self._words: dict[str, _Word] = {}
        self._asking: dict[str, asyncio.Task[None]] = {}
        self._failures = 0
        self._rests_until = 0

    # memory only

    def vouched(self, caller: Caller, fingerprint: str) -> Caller | None:
        """The caller for as long as the word holds; None when the server has to be asked.

        Raises `BadToken` when it said no, `IssuerSilent` while it is left alone.
        """
        word, now = self._words.get(fingerprint), self._clock.now()
        if word is not None and now < word.until:
            if not word.is_active:
                raise BadToken("its issuer says that the token is not active")
            return msgspec.structs.replace(caller, expires=min(caller.expires, word.until))
        if self._is_resting(fingerprint, now):
            raise IssuerSilent(f"the issuer {self._name} does not say whether its tokens are still good")
        return None

    def _is_resting(self, fingerprint: str, now: int) -> bool:
        if self._failures < FAILURES or fingerprint in self._asking:
            return False
        return now < self._rests_until or bool(self._asking)

    # asking

    async def ask(self, token: bytes, fingerprint: str) -> None:
        """Return once the server has spoken of the token. Raises `IssuerSilent` when it has not."""
        task = self._asking.get(fingerprint)
        if task is None:
            if len(self._asking) >= _MOST_ASKING:
                raise IssuerSilent("too many tokens wait for their issuer's word")
            task = asyncio.get_running_loop().create_task(self._ask(token, fingerprint))
            self._asking[fingerprint] = task
            task.add_done_callback(lambda ended: self._ended(fingerprint, ended))
        await asyncio.shield(task)

    def _ended(self, fingerprint: str, task: asyncio.Task[None]) -> None:
        self._asking.pop(fingerprint, None)
        if not task.cancelled():
            task.exception()  # whoever waited may have gone; what failed is counted and told already

    async def close(self) -> None:
        """Stop asking."""
        tasks = list(self._asking.values())
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    async def _ask(self, token: bytes, fingerprint: str) -> None:
        try:
            is_active = _read(await self._answer(token), claims_of(token))
        except WatchkeeperError as error:
            self._failed(error.reason)
            raise IssuerSilent(
                f"the issuer {self._name} does not say whether the token is still good: {error.reason}"
            ) from error
        self._failures = 0
        if len(self._words) >= MOST:
            del self._words[next(iter(self._words))]
        self._words.pop(fingerprint, None)
        self._words[fingerprint] = _Word(is_active, self._clock.now() + round(self._issuer.introspect_seconds * SECOND))

    async def _answer(self, token: bytes) -> bytes:
        seconds = self._issuer.introspect_timeout_seconds
        fields = {"token": token.decode("ascii"), "token_type_hint": "access_token"}
        try:
            async with asyncio.timeout(seconds):
                got = await self._fetcher.post_form(self._issuer.introspect_url, fields, headers=self._headers)
        except TimeoutError as error:
            raise Unavailable(f"no answer came within {seconds:g} seconds") from error
        if got.status != 200:
            raise Unavailable(f"it answers with status {got.status}")
        return got.body

    def _failed(self, reason: str) -> None:
        self._failures += 1
        if self._failures >= FAILURES:
            self._rests_until = self._clock.now() + round(self._issuer.retry_seconds * SECOND)
        if self._failures in (1, FAILURES):
            _log.warning("issuer %s does not say whether its tokens are good: %s", self._name, reason)


def _read(body: bytes, claims: Mapping[str, Any]) -> bool:
    """Whether the answer says that a token of these claims is active. Raises `Unavailable` when it says neither."""
    try:
        said = read_strictly(body)
    except BadMessage as error:
        raise Unavailable("what it answers is no JSON") from error
    active = said.get("active") if isinstance(said, dict) else None
    if not isinstance(active, bool):
        raise Unavailable("its answer does not say whether the token is active")
    if not active:
        return False
    if any(name in said and name in claims and said[name] != claims[name] for name in _SAME):
        raise Unavailable("its answer speaks of another token")
    return True
