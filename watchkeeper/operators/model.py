"""Who operates, and by what right. No I/O."""

from __future__ import annotations

import re
from enum import StrEnum

import msgspec

from watchkeeper.core.errors import Invalid

OPERATOR = "operator:"
NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._@-]{0,63}")


class Role(StrEnum):
    """What a person is here for."""

    VIEWER = "viewer"
    """Looks."""
    ANALYST = "analyst"
    """Decides what policies leave to an analyst."""
    RESPONDER = "responder"
    """Decides what policies leave to a responder, too."""
    ADMIN = "admin"
    """Decides everything, and says who operates."""
    AUDITOR = "auditor"
    """Looks, also at who may do what, and decides nothing."""


SCOPES = {
    "alerts:read": "see alerts, the rules' precision and the exceptions",
    "alerts:assess": "see them and say what alerts were",
    "alerts:except": "see them and decide which alerts nobody need be woken for",
    "approvals:read": "see what waits for approval",
    "approvals:decide": "see it and decide, as far as the owner's role goes",
    "playbooks:run": "have playbooks run, and end runs",
    "events:read": "search, count and read everything that was recorded",
    "incidents:read": "see incidents and export them",
    "incidents:work": "see them and work on them",
    "incidents:arrange": "see them, work on them, merge, split and import them",
    "oncall:read": "see who is on call and who was paged",
    "oncall:acknowledge": "see it, take incidents on, and accept handovers",
    "oncall:manage": "see it and say who stands in",
    "orders:read": "see what is contained, and who has sessions",
    "orders:give": "see it, give and lift orders, hold and release sessions",
    "sessions:end": "see it, end sessions, and drain servers' transports",
    "integrations:read": "see how integrations stand",
    "integrations:use": "see it, try them out, and have them send again what lies aside",
    "deadman:pause": "pause the dead-man's switch",
    "operators:read": "see who operates",
    "operators:manage": "invite operators, change and revoke them",
}
"""What a token can be good for."""


class Person(msgspec.Struct, frozen=True):
    """An operator on the roster."""

    name: str
    role: str
    invited_by: str
    invited_at: int
    changed_at: int
    revoked_at: int = 0

    @property
    def actor(self) -> str:
        """As journals and approvals name them."""
        return f"operator:{self.name}"


class Token(msgspec.Struct, frozen=True):
    """What is known of a token; never the token."""

    id: str
    operator: str
    scopes: tuple[str, ...]
    issued_by: str
    issued_at: int
    expires_at: int
    used_at: int = 0
    revoked_at: int = 0


class Acting(msgspec.Struct, frozen=True):
    """Somebody who acts, as whoever knows them says."""

    actor: str
    """`operator:NAME`, or `webhook:NAME` for another system that people decide in."""
    role: str
    scopes: tuple[str, ...] | None = None
    """What the credential is good for; None for all that the role may do."""
    via: str = "session"
    """`session`, `token`, `host` or `webhook`."""

    @property
    def name(self) -> str:
        return self.actor.partition(":")[2]


def check_name(name: str) -> None:
    """Raises `Invalid` for what is no name of an operator."""
    if not NAME.fullmatch(name):
        raise Invalid(f"not a name for an operator: {name[:80]!a}", hint="use letters, digits and . _ @ -")


def voice_of(actor: str) -> str:
    """Who speaks, however they are spelt: hosts and identity providers do not agree on capitals."""
    return actor.casefold()


def is_operator(actor: str) -> bool:
    """Whether this is `operator:NAME` with a name that an operator can have.

    One with a blank, an invisible letter or a letter of another script would be a second voice of the same person.
    """
    return actor.startswith(OPERATOR) and NAME.fullmatch(actor.removeprefix(OPERATOR)) is not None


def role_named(text: str) -> Role:
    """Raises `Invalid` for a role that there is not."""
    try:
        return Role(text)
    except ValueError as error:
        raise Invalid(f"there is no role {text[:80]!a}", hint=f"choose one of {', '.join(Role)}") from error
