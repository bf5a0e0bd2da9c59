"""What other systems are asked to do for an incident, and what comes back; `integrations` carries it. No I/O."""

from __future__ import annotations

from enum import StrEnum
from typing import Any

import msgspec

from watchkeeper.core.errors import Invalid, Unavailable


class Verb(StrEnum):
    """What another system is asked to do."""

    TELL = "tell"
    """Show a text to people."""
    TRIGGER = "trigger"
    """Page somebody; the same `thread` again is the same page."""
    ACKNOWLEDGE = "acknowledge"
    RESOLVE = "resolve"
    CREATE = "create"
    """Open a ticket for `thread`; where there is one already, that is it."""
    UPDATE = "update"
    COMMENT = "comment"
    CLOSE = "close"
    REVERT = "revert"
    """Take the commit `subject` back."""
    REINSTATE = "reinstate"
    """Take a revert of the commit `subject` back."""


class Repeats(StrEnum):
    """What a receiver makes of the same errand twice."""

    KEYED = "keyed"
    """It is given the key, and is asked to take a key once."""
    FOUND = "found"
    """It is looked up there before it is made."""
    TWICE = "twice"
    """It cannot tell: after a crash it may be there twice, and then says of itself that it was sent again."""


class Errand(msgspec.Struct, frozen=True, kw_only=True):
    """One thing for one integration to carry, once."""

    key: str
    """Idempotency key: the same one twice is one errand."""
    integration: str
    verb: Verb
    time: int
    """When it was asked for, microseconds."""
    text: str = ""
    """Hostile: an agent or a server may have written a part of it."""
    title: str = ""
    """Hostile too."""
    incident: str = ""
    """The incident's id; empty for a test."""
    number: str = ""
    """`INC-2026-0001`, for people."""
    severity: int = 0
    labels: tuple[str, ...] = ()
    thread: str = ""
    """What belongs together: the page that is later resolved, the ticket that is later closed."""
    subject: str = ""
    """What the verb acts upon, where that is not the thread: a commit."""
    link: str = ""
    """The incident's page on the console; empty when its address is not known."""


class Receipt(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """What the receiver answered."""

    said: str
    """Bounded, and made visible."""
    reference: str = ""
    """Its own name for it: a queue id, a ticket's id, a commit."""
    verified: bool | None = None
    """Whether it is there. `None` where the protocol gives no way to ask; `False` is no kind of success."""
    detail: dict[str, Any] = {}


class State(StrEnum):
    """Where a delivery stands."""

    DUE = "due"
    SENDING = "sending"
    SENT = "sent"
    UNVERIFIED = "unverified"
    """It was answered as if it were done, and is not there."""
    DEAD = "dead"
    """Refused for good, or tried too often; it lies aside until somebody sends it again."""


class Delivery(msgspec.Struct, frozen=True, kw_only=True):
    """An errand, and how far it has come."""

    errand: Errand
    state: State
    attempts: int = 0
    due_at: int = 0
    ended_at: int = 0
    receipt: Receipt | None = None
    why: str = ""
    """What went wrong last; empty when nothing did."""


class NotTaken(Unavailable):
    """The receiver did not take it now; it may later."""

    code = "not_taken"

    def __init__(self, reason: str, *, after: int = 0, was_answered: bool = True, hint: str = "") -> None:
        super().__init__(reason, hint=hint)
        self.was_answered = was_answered
        """Whether it said so; else it may have taken it all the same."""
        self.after = after
        """Seconds that the receiver asks us to wait; 0 when it said nothing."""


class Rejected(Invalid):
    """The receiver will never take it as it is."""

    code = "rejected"

    def __init__(self, reason: str, *, status: int = 0, hint: str = "") -> None:
        super().__init__(reason, hint=hint)
        self.status = status
        """Over HTTP, how it said no; else 0."""
