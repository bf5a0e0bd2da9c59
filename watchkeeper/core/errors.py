"""One error family for the whole product.

Each error says what happened (`reason`), carries a stable `code` for programs, and a `hint`: what to do next.
Only faces (cli, web, the gateway's edges) translate errors into exit codes, pages or JSON-RPC. A foreign
exception that escapes from a public function of ours is a bug.
"""

from __future__ import annotations

from typing import ClassVar


class WatchkeeperError(Exception):
    """Base of every error we raise on purpose."""

    code: ClassVar[str] = "error"
    exit_code: ClassVar[int] = 1

    def __init__(self, reason: str, *, hint: str = "") -> None:
        super().__init__(reason)
        self.reason = reason
        self.hint = hint


class Misconfigured(WatchkeeperError):
    """The settings cannot work; change the settings."""

    code = "misconfigured"
    exit_code = 78


class Invalid(WatchkeeperError):
    """The input is not acceptable; fix the input."""

    code = "invalid"
    exit_code = 65


class NotFound(WatchkeeperError):
    """What was named does not exist."""

    code = "not_found"
    exit_code = 66


class Conflict(WatchkeeperError):
    """Somebody else holds it, or it has changed meanwhile."""

    code = "conflict"
    exit_code = 73


class Denied(WatchkeeperError):
    """A rule said no; `rule` is its id."""

    code = "denied"
    exit_code = 77

    def __init__(self, reason: str, *, rule: str = "", hint: str = "") -> None:
        super().__init__(reason, hint=hint)
        self.rule = rule


class Untrusted(WatchkeeperError):
    """A signature, pin, hash or the journal did not verify."""

    code = "untrusted"
    exit_code = 76


class Unavailable(WatchkeeperError):
    """Something we need does not answer; try again later."""

    code = "unavailable"
    exit_code = 75


class Stalled(Unavailable):
    """Our own state or journal cannot be used now: a full disk, a database that is away. Nothing was done, and the same
    works as soon as that is over; whatever can wait for it should."""
