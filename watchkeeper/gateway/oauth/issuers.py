"""The authorization servers of the settings, and what they say of a token: yes, no, or ask them first.

`judge` reads memory only. When it cannot tell without asking (no keys yet, or a key's name it does not know), it says
so, and whoever may wait does with `settle`. Where an issuer is asked about each token (`introspection`), a token counts
only as long as its word holds.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Protocol

from watchkeeper.core.clock import Clock
from watchkeeper.core.secrets import Secret
from watchkeeper.gateway.caller import Caller
from watchkeeper.gateway.oauth.introspection import Introspection, IssuerSilent, Posts
from watchkeeper.gateway.oauth.keys import Fetches, Keys
from watchkeeper.gateway.oauth.settings import IssuerSettings
from watchkeeper.gateway.oauth.token import BadToken, check_header, fingerprint, read_unverified, verify

__all__ = ["IssuerSilent", "Issuers"]


class Asks(Fetches, Posts, Protocol):
    """`core.fetch.client.Fetcher`, as far as issuers need it."""


class Issuers:
    """Every issuer of the settings."""

    def __init__(
        self,
        settings: Mapping[str, IssuerSettings],
        fetcher: Asks,
        clock: Clock,
        secrets: Mapping[str, Secret] | None = None,
    ) -> None:
        """`secrets` has what we show to each issuer that is asked about its tokens, by the issuer's name."""
        self._clock = clock
        self.secrets = secrets or {}
        self._listeners: list[Callable[[], None]] = []
        self._keys = {issuer.url: Keys(name, issuer, fetcher, clock, self._forget) for name, issuer in settings.items()}
        self._asked = {
            issuer.url: Introspection(name, issuer, self.secrets[name], fetcher, clock)
            for name, issuer in settings.items()
            if issuer.introspect_url
        }

    @property
    def urls(self) -> tuple[str, ...]:
        """The issuer identifiers, in the order of the settings."""
        return tuple(self._keys)

    @property
    def names(self) -> tuple[str, ...]:
        """What the settings call them."""
        return tuple(keys.name for keys in self._keys.values())

    @property
    def scopes(self) -> tuple[str, ...]:
        """What every request needs at one of the issuers, sorted."""
        return tuple(sorted({scope for keys in self._keys.values() for scope in keys.issuer.scopes}))

    def scopes_of(self, principal_issuer: str) -> tuple[str, ...]:
        """What the issuer of that name in the settings asks of every request."""
        return next((keys.issuer.scopes for keys in self._keys.values() if keys.name == principal_issuer), ())

    def on_forget(self, listener: Callable[[], None]) -> None:
        """Have `listener` called when what was verified must be verified again."""
        self._listeners.append(listener)

    def judge(self, token: bytes, audiences: frozenset[str]) -> Caller | None:
        """The caller that a token names; None when its issuer has to be asked first.

        Memory only. Raises `BadToken`, and `IssuerSilent` when the issuer was asked just now and did not answer.
        """
        caller = self._verify(token, audiences, is_asked=False)
        return self._vouched(token, caller) if caller is not None else None

    async def settle(self, token: bytes, audiences: frozenset[str]) -> Caller:
        """The same after asking its issuer. Raises `BadToken`, `IssuerSilent`."""
        unverified = read_unverified(token)
        keys, asked = self._keys.get(unverified.issuer), self._asked.get(unverified.issuer)
        if keys is not None and keys.find(unverified.kid, unverified.algorithm) is None:
            await keys.ask()
        caller = self._verify(token, audiences, is_asked=True)
        if caller is not None and asked is not None and self._vouched(token, caller) is None:
            await asked.ask(token, fingerprint(token))
        vouched = self._vouched(token, caller) if caller is not None else None
        if vouched is None:
            raise IssuerSilent("the issuer has to be asked again")
        return vouched

    def _vouched(self, token: bytes, caller: Caller) -> Caller | None:
        asked = self._asked.get(read_unverified(token).issuer) if self._asked else None
        return caller if asked is None else asked.vouched(caller, fingerprint(token))

    def _verify(self, token: bytes, audiences: frozenset[str], *, is_asked: bool) -> Caller | None:
        unverified = read_unverified(token)
        keys = self._keys.get(unverified.issuer)
        if keys is None:
            raise BadToken("the token's issuer is not accepted here")
        check_header(unverified, keys.issuer)
        key = keys.find(unverified.kid, unverified.algorithm)
        if key is None:
            if keys.may_ask and not is_asked:
                return None
            if keys.is_silent:
                raise IssuerSilent(f"the issuer {keys.name} does not answer, so its tokens cannot be verified")
            raise BadToken("the token is signed with a key that its issuer does not publish")
        if keys.is_stale:
            keys.ask_in_background()
        return verify(unverified, key, keys.issuer, name=keys.name, audiences=audiences, now=self._clock.now())

    async def close(self) -> None:
        """Stop asking anybody."""
        for keys in self._keys.values():
            await keys.close()
        for asked in self._asked.values():
            await asked.close()

    def _forget(self, _: str) -> None:
        for listener in self._listeners:
            listener()
