"""What is revoked, and whether a token is. No I/O.

1. A token is named by what its issuer signed, never by its whole text: a signature can be rewritten into another one
   that verifies (ECDSA: r, -s), and the token must not come back by that.
2. Of a principal everything is refused that can have been issued by a moment. A token that does not say when it was
   issued can have been; so can one issued within the clocks' leeway after that moment.
"""

from __future__ import annotations

from collections.abc import Iterable
from enum import StrEnum

import msgspec

from watchkeeper.core.errors import Invalid
from watchkeeper.gateway.caller import AGENT, NAME, TokenMark

_LONGEST = 512
_HEX = frozenset("0123456789abcdef")


class What(StrEnum):
    """What an entry names."""

    TOKEN = "token"  # noqa: S105 — a word, and no secret
    """One token, by the SHA-256 (hex) of what its issuer signed."""
    ID = "jti"
    """One token, as ISSUER/JTI; the issuer by its name in the settings."""
    PRINCIPAL = "principal"
    """Everything of `agent:ISSUER/SUBJECT` that was issued by a moment."""


class Wanted(msgspec.Struct, frozen=True):
    """What somebody wants refused."""

    what: What
    name: str
    expires_at: int = 0
    """When no such token is good any more, and the entry can be forgotten; 0 when nobody knows. Microseconds."""
    before: int = 0
    """Of a principal: issued by this moment; 0 for the moment at which it is revoked."""


class Revocation(msgspec.Struct, frozen=True, kw_only=True):
    """An entry of the list."""

    id: str
    what: What
    name: str
    before: int
    expires_at: int
    reason: str
    revoked_by: str
    revoked_at: int
    incident: str = ""
    lifted_by: str = ""
    lifted_at: int = 0

    @property
    def target(self) -> str:
        """As events have it."""
        return self.name if self.what is What.PRINCIPAL else f"token:{self.name[:16] if self._is_digest else self.name}"

    @property
    def issuer(self) -> str:
        """Of what authorization server, by its name in the settings; empty where a fingerprint does not say."""
        return "" if self._is_digest else self.name.removeprefix(AGENT).partition("/")[0].rpartition(":")[2]

    @property
    def _is_digest(self) -> bool:
        return self.what is What.TOKEN


class Barred:
    """The list as it is at one moment. It never changes: a change is another one."""

    __slots__ = ("_before", "_tokens")

    def __init__(self, entries: Iterable[Revocation] = ()) -> None:
        self._tokens: set[str] = set()
        self._before: dict[str, int] = {}
        for entry in entries:
            if entry.what is What.PRINCIPAL:
                self._before[entry.name] = max(entry.before, self._before.get(entry.name, 0))
            else:
                self._tokens.add(f"{entry.what}:{entry.name}")

    def __bool__(self) -> bool:
        return bool(self._tokens or self._before)

    def bars(self, principal: str, mark: TokenMark) -> bool:
        """Whether this token of this principal is refused."""
        if self.bars_signed(mark.fingerprint):
            return True
        if mark.id and f"{What.ID}:{mark.issuer}/{mark.id}" in self._tokens:
            return True
        return self.bars_issued(principal, mark.issued)

    def bars_signed(self, fingerprint: str) -> bool:
        """Whether a token is refused by its fingerprint alone, whatever else can be said of it."""
        return f"{What.TOKEN}:{fingerprint}" in self._tokens

    def bars_issued(self, principal: str, moment: int) -> bool:
        """Whether what this principal was issued at a moment, or before, is refused."""
        return moment <= self._before.get(principal, -1)


NOTHING = Barred()


def checked(wanted: Wanted) -> Wanted:
    """The same in one spelling. Raises `Invalid` for what names nothing of an authorization server."""
    name = wanted.name
    if not 0 < len(name) <= _LONGEST or not name.isprintable():
        raise Invalid("this names no token and no principal", hint="1 to 512 visible characters")
    if wanted.what is What.TOKEN and (len(name) != 64 or not _HEX.issuperset(name)):
        raise Invalid("this is no token's fingerprint", hint="the SHA-256 of what its issuer signed, 64 hex digits")
    issuer, slash, rest = name.removeprefix(AGENT).partition("/")
    if wanted.what is not What.TOKEN:
        if not (slash and rest) or not NAME.fullmatch(issuer.rpartition(":")[2]):
            raise Invalid(
                f"{name!a} names nothing of an authorization server",
                hint="write ISSUER/SUBJECT or ISSUER/JTI, the issuer as in [issuers.NAME]; a client of ours is ended "
                "by `watchkeeper clients revoke`",
            )
        name = AGENT * (wanted.what is What.PRINCIPAL) + name.removeprefix(AGENT)
    if min(wanted.before, wanted.expires_at) < 0:
        raise Invalid("a moment lies before 1970", hint="microseconds since the epoch")
    return msgspec.structs.replace(wanted, name=name)
