"""One authorization server's public keys: learnt from its metadata, kept in memory, asked for again.

1. Metadata counts only if it names the issuer that was asked for (one server answering for another; RFC 8414 §3.3).
2. An unknown key's name makes us ask again, but not more often than the settings say (a flood of forged tokens).
3. A key that is no longer published is no longer used: whoever verified with it is told to forget.
4. While the server does not answer, what it said last holds, up to a bound.

Many may wait for one answer; only one question is under way.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable
from typing import Any, Protocol
from urllib.parse import urlsplit

import msgspec
from jwt import PyJWK

from watchkeeper.core.clock import SECOND, Clock
from watchkeeper.core.errors import Denied, Unavailable, WatchkeeperError
from watchkeeper.core.fetch.model import Fetched
from watchkeeper.gateway.oauth.algorithms import key_for
from watchkeeper.gateway.oauth.settings import IssuerSettings

_MOST = 100
"""Keys of one server that are looked at."""
_LONGEST_KID = 256
_log = logging.getLogger(__name__)


class Fetches(Protocol):
    """`core.fetch.client.Fetcher`, as far as keys need it."""

    async def get(self, url: str) -> Fetched:
        """The document at a URL. Raises `FetchRefused`, `FetchFailed`."""
        ...


class Keys:
    """The keys of one issuer. On one event loop."""

    def __init__(
        self, name: str, issuer: IssuerSettings, fetcher: Fetches, clock: Clock, forget: Callable[[str], None]
    ) -> None:
        self.name = name
        self.issuer = issuer
        self._fetcher = fetcher
        self._clock = clock
        self._forget = forget
        self._published: dict[str, dict[str, Any]] = {}
        self._usable: dict[tuple[str, str], PyJWK | None] = {}
        self._known_at = 0
        self._asked_at = 0
        self._asking: asyncio.Task[None] | None = None

    # memory only

    def find(self, kid: str, algorithm: str) -> PyJWK | None:
        """The key of that name for that algorithm. A token that names none is taken to mean the only key there is."""
        if not self._published or self._age() > self.issuer.keys_max_seconds:
            return None
        if not kid:
            if len(self._published) != 1:
                return None
            kid = next(iter(self._published))
        at = (kid, algorithm)
        if at not in self._usable and kid in self._published:
            self._usable[at] = key_for(self._published[kid], algorithm)
        return self._usable.get(at)

    @property
    def is_silent(self) -> bool:
        """Whether nothing usable was ever heard, or not for too long."""
        return not self._published or self._age() > self.issuer.keys_max_seconds

    @property
    def is_stale(self) -> bool:
        """Whether it is time to ask again."""
        return self._age() > self.issuer.keys_seconds

    @property
    def may_ask(self) -> bool:
        """Whether asking is allowed now, or is under way."""
        waited = (self._clock.now() - self._asked_at) / SECOND
        return self._asking is not None or not self._asked_at or waited >= self.issuer.retry_seconds

    # asking

    async def ask(self) -> None:
        """Return once the server has been asked, by us or by whoever asked first. Never raises for what it said."""
        self.ask_in_background()
        if self._asking is not None:
            await asyncio.shield(self._asking)

    def ask_in_background(self) -> None:
        """Begin asking if that is allowed; what is known holds meanwhile."""
        if self._asking is None and self.may_ask:
            self._asked_at = self._clock.now()
            self._asking = asyncio.get_running_loop().create_task(self._ask())
            self._asking.add_done_callback(self._asked)

    async def close(self) -> None:
        """Stop asking."""
        if self._asking is not None:
            self._asking.cancel()
            await asyncio.gather(self._asking, return_exceptions=True)

    def _asked(self, _: object) -> None:
        self._asking = None

    async def _ask(self) -> None:
        try:
            url = self.issuer.jwks_url or await self._jwks_url()
            published = _read_keys(await self._document(url))
        except WatchkeeperError as error:
            _log.warning("the keys of issuer %s could not be learnt: %s", self.name, error.reason)
            return
        dropped = _dropped(self._published, published)
        self._published, self._usable = published, {}
        self._known_at = self._clock.now()
        if dropped:
            self._forget(self.name)

    async def _jwks_url(self) -> str:
        """From its metadata, as OAuth or else as OpenID writes it."""
        failure: WatchkeeperError = Unavailable("it has no metadata")
        for url in _metadata_urls(self.issuer.url):
            try:
                document = await self._document(url)
            except WatchkeeperError as error:
                failure = error
                continue
            if document.get("issuer") != self.issuer.url:
                raise Denied("its metadata speaks of another issuer")
            jwks = document.get("jwks_uri")
            if not isinstance(jwks, str):
                raise Denied("its metadata names no keys")
            return jwks
        raise failure

    async def _document(self, url: str) -> dict[str, Any]:
        got = await self._fetcher.get(url)
        if got.status != 200:
            raise Unavailable(f"it answered with status {got.status}")
        try:
            document = msgspec.json.decode(got.body)
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
            raise Denied("what it answered is no JSON") from error
        if not isinstance(document, dict):
            raise Denied("what it answered is no JSON object")
        return document

    def _age(self) -> float:
        return (self._clock.now() - self._known_at) / SECOND


def _metadata_urls(issuer: str) -> tuple[str, ...]:
    parts = urlsplit(issuer)
    origin, path = f"{parts.scheme}://{parts.netloc}", parts.path.rstrip("/")
    return (
        f"{origin}/.well-known/oauth-authorization-server{path}",
        f"{origin}{path}/.well-known/openid-configuration",
    )


def _read_keys(document: dict[str, Any]) -> dict[str, dict[str, Any]]:
    """Name → key. A name that two keys share is nobody's."""
    said = document.get("keys")
    if not isinstance(said, list):
        raise Denied("its key set holds no keys")
    published: dict[str, dict[str, Any]] = {}
    doubled: set[str] = set()
    for jwk in said[:_MOST]:
        kid = jwk.get("kid", "") if isinstance(jwk, dict) else None
        if not isinstance(kid, str) or len(kid) > _LONGEST_KID:
            continue
        if kid in published:
            doubled.add(kid)
        published[kid] = jwk
    return {kid: jwk for kid, jwk in published.items() if kid not in doubled}


def _dropped(before: dict[str, dict[str, Any]], after: dict[str, dict[str, Any]]) -> bool:
    """Whether a key is gone, or another one under its name."""
    return any(after.get(kid) != jwk for kid, jwk in before.items())
