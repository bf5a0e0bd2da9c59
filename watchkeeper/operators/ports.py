"""Who acts, asked without saying how it is known: an identity provider can later stand behind the same questions."""

from __future__ import annotations

from typing import Protocol

from watchkeeper.events import Event
from watchkeeper.operators.model import Acting
from watchkeeper.policy.persons import May, Permission


class Directory(Protocol):
    """Who operates."""

    def role_of(self, name: str, since: int) -> str:
        """The role now of somebody who has been an operator since then, without a break; else empty.

        What was handed out before somebody was revoked is not good again when they are invited again.
        """
        ...

    def knows(self, name: str) -> bool:
        """Whether there is, or was, an operator of this name."""
        ...


class Credentials(Protocol):
    """Who shows this credential."""

    def who(self, credential: str) -> Acting | None:
        """Whoever it belongs to, with their role as it is now; None when it is (no longer) good."""
        ...


class Rules(Protocol):
    """`policy.persons.PersonRules`."""

    def may(self, asked: May) -> Permission: ...


class Recorder(Protocol):
    """The journal: strictly, an event at a time."""

    def record(self, event: Event) -> object: ...
