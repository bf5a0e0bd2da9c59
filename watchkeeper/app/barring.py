"""Tokens of authorization servers that our doors refuse before their end: as operators ask for it, and playbooks.

A revocation is committed, then every gateway is told, so that it holds at once; one that does not hear it finds it
within its poll. What was revoked is tried at every live door.
"""

from __future__ import annotations

import copy
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any, Self

import msgspec

from watchkeeper.core.clock import SECOND
from watchkeeper.core.errors import Invalid, Untrusted
from watchkeeper.core.ids import observed_id
from watchkeeper.gateway.custody.reach import Custodian, Said
from watchkeeper.gateway.custody.tokens import REFRESH, Tries
from watchkeeper.gateway.oauth.token import claimed_expiry, fingerprint, looks_like_jwt
from watchkeeper.gateway.orders import Fence
from watchkeeper.gateway.revocations.model import Revocation, Wanted, What
from watchkeeper.respond.ports import Asking

if TYPE_CHECKING:
    from watchkeeper.app.platform import Platform

Act = Callable[[dict[str, Any]], Any]
_LEEWAY = 300 * SECOND
"""As far as any issuer's clock may be from ours; see `leeway_seconds`."""


def wanted_of(token: str) -> Wanted:
    """What names this very token; it has to be in the form of one. Raises `Invalid`."""
    text = token.encode("utf-8", "replace")
    if not looks_like_jwt(text):
        raise Invalid(
            "this is no token of an authorization server that a door of ours would take",
            hint="one of ours is ended by `watchkeeper clients revoke`; another one where it was issued",
        )
    try:
        expires = claimed_expiry(text)
    except Untrusted as error:
        raise Invalid(error.reason, hint="show the access token as it was issued") from error
    return Wanted(What.TOKEN, fingerprint(text), expires_at=expires + _LEEWAY)


class Barring:
    """The acts, on an open platform. Blocking."""

    def __init__(self, platform: Platform) -> None:
        self._on = platform
        self._book = platform.revocations
        self._gateways = Custodian(platform.database, platform.clock)
        self.acts: Mapping[str, Act] = {
            "revocations.list": self.list,
            "revocations.add": self.add,
            "revocations.lift": self.lift,
        }

    def fenced(self, fence: Fence) -> Self:
        """The same for a process that may lose the right to revoke anything."""
        other = copy.copy(self)
        other._book = self._book.fenced(fence)
        return other

    # what an operator asks

    def list(self, asked: dict[str, Any]) -> list[Revocation]:
        return list(self._book.all() if asked.get("everything") else self._book.in_force())

    def add(self, asked: dict[str, Any]) -> dict[str, Any]:
        """Revoke, and say whether the doors were seen to have taken it over."""
        try:
            wanted = msgspec.convert(asked.get("wanted"), Wanted)
        except msgspec.ValidationError as error:
            raise Invalid(f"nothing that can be revoked: {error}", hint="name a token, a jti or a principal") from error
        by = asked["by"]
        key = asked.get("key") or f"{by}:{observed_id()}"
        entry = self._book.revoke(wanted, by=by, reason=asked["reason"], key=key, incident=asked.get("incident", ""))
        behind = self._behind(entry)
        told: dict[str, Any] = msgspec.to_builtins(entry)
        return told | {"target": entry.target, "is_verified": not behind, "behind": behind}

    def lift(self, asked: dict[str, Any]) -> Revocation:
        """Take such tokens again."""
        entry = self._book.lift(asked["revocation"], by=asked["by"], reason=asked["reason"])
        self._on.orders.tell(REFRESH)
        return entry

    def _behind(self, entry: Revocation) -> dict[str, str]:
        """Gateway → why it may not refuse what is meant; empty when every one does."""
        said, now = self._gateways.refreshed(), self._book.generation
        behind = dict(said.silent)
        for gateway, held in said.answers.items():
            if held.generation < now:
                behind[gateway] = "it has not taken it over"
            elif entry.issuer and held.issuers and entry.issuer not in held.issuers:
                behind[gateway] = f"it takes no tokens of {entry.issuer!a}; see [issuers.NAME]"
        return behind

    # what a playbook asks

    def bar_token(self, token: str, asking: Asking) -> Revocation:
        """Have every door refuse this token. Raises `Invalid` for what no door would take."""
        return self._bar(wanted_of(token), asking)

    def bar_principal(self, principal: str, asking: Asking) -> Revocation:
        """Have every door refuse what a principal of an authorization server was issued until now. Raises `Invalid`."""
        return self._bar(Wanted(What.PRINCIPAL, principal), asking)

    def _bar(self, wanted: Wanted, asking: Asking) -> Revocation:
        entry = self._book.revoke(wanted, by=asking.by, reason=asking.reason, key=asking.key, incident=asking.incident)
        self._on.orders.tell(REFRESH)
        return entry

    def try_token(self, token: str) -> Said[Tries]:
        """How every live door takes it."""
        return self._gateways.tries(token)

    def try_principal(self, principal: str) -> tuple[Revocation | None, Said[Tries]]:
        """The principal's entry, and whether any door takes what it was issued until then."""
        entry = self._book.find(What.PRINCIPAL, principal)
        before = entry.before if entry is not None else self._on.clock.now()
        return entry, self._gateways.takes(principal, before)
