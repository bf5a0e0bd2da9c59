"""A scripted incident as data: what happens, and what its playbook owes. No I/O."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from typing import Any

from watchkeeper.exercise.attacks.scene import Scene
from watchkeeper.exercise.stage import CLIENT, MEMBERS, TRAINING

Act = Callable[[Scene], Awaitable[str]]
"""Does something; what came of it, in a line. Raises `Unseen` when it did not come as it must."""
Call = tuple[str, Mapping[str, str]]
"""A tool and its arguments."""


@dataclass(frozen=True, kw_only=True)
class Scripted:
    """One incident."""

    name: str
    playbook: str = ""
    """Its playbook's id; empty when that is its name, too."""
    title: str
    """One sentence, without its full stop."""
    server: str = TRAINING
    """Where it plays."""
    provoke: Act
    """The attack, through the gateway."""
    alert: str = ""
    """The short name of the rule that must tell of it; empty for any that begins the playbook."""
    state: str
    """Where the incident stands at the end."""
    waits: str = ""
    """Where it stands while people are asked; empty when that is the same."""
    verified: tuple[str, ...] = ()
    """Steps that are in force and proven by a probe."""
    unavailable: tuple[str, ...] = ()
    """Steps that nothing here carries out yet."""
    approvals: tuple[str, ...] = ()
    """Steps that wait for people and go on when enough of them approve."""
    voters: tuple[str, ...] = ()
    """Who approves; empty for one responder."""
    too_late: tuple[str, ...] = ()
    """Of the approvals those that nothing here carries out: they end as unavailable."""
    manual: tuple[str, ...] = ()
    """What a person does and answers."""
    inputs: Mapping[str, str] | None = None
    """A person has it run, with these inputs; `None`: an alert does."""
    tried: tuple[Call, ...] = ()
    """Calls one after the other. The last is refused while the orders are in force, and works again once
    they are taken back."""
    by: str = CLIENT
    """Whose calls these are."""
    echo: str = ""
    """The rule that rightly tells of the call that works again; what it tells is closed, too."""
    during: Callable[[Any], Any] | None = None
    """What is wrong with the platform while the playbook begins: a context manager on the estate."""
    is_undone: bool = False
    """The run is ended while it waits, and takes back what it did; else it goes on to its end."""
    is_alone: bool = False
    """It needs an estate of its own: one whose policies are careless, or one that is harmed."""

    @property
    def book(self) -> str:
        """Its playbook's id."""
        return self.playbook or self.name

    @property
    def is_granted(self) -> bool:
        """Whether its server takes nobody but clients that a person lets act for them."""
        return self.server == MEMBERS
