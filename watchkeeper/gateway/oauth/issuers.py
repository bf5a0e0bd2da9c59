"""The authorization servers of the settings, and what they say of a token: yes, no, or ask them first.

`judge` reads memory only. When it cannot tell without asking (no keys yet, or a key's name it does not know), it says
so, and whoever may wait does with `settle`.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping

from watchkeeper.core.clock import Clock
from watchkeeper.core.errors import Unavailable
from watchkeeper.gateway.caller import Caller
from watchkeeper.gateway.oauth.keys import Fetches, Keys
from watchkeeper.gateway.oauth.settings import IssuerSettings
from watchkeeper.gateway.oauth.token import BadToken, check_header, read_unverified, verify


class IssuerSilent(Unavailable):
    """Nobody can say now whether a token is good; that is no word against it."""

    code = "issuer_silent"


class Issuers:
    """Every issuer of the settings."""

    def __init__(self, settings: Mapping[str, IssuerSettings], fetcher: Fetches, clock: Clock) -> None:
        self._clock = clock
        self._listeners: list[Callable[[], None]] = []
        self._keys = {issuer.url: Keys(name, issuer, fetcher, clock, self._forget) for name, issuer in settings.items()}

    @property
    def urls(self) -> tuple[str, ...]:
        """The issuer identifiers, in the order of the settings."""
        return tuple(self._keys)

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
        return self._judge(token, audiences, is_asked=False)

    async def settle(self, token: bytes, audiences: frozenset[str]) -> Caller:
        """The same after asking its issuer. Raises `BadToken`, `IssuerSilent`."""
        keys = self._keys.get(read_unverified(token).issuer)
        if keys is not None:
            await keys.ask()
        caller = self._judge(token, audiences, is_asked=True)
        if caller is None:
            raise IssuerSilent("the issuer has to be asked again")
        return caller

    def _judge(self, token: bytes, audiences: frozenset[str], *, is_asked: bool) -> Caller | None:
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

    def _forget(self, _: str) -> None:
        for listener in self._listeners:
            listener()
