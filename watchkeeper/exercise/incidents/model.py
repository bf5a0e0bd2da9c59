"""A scripted incident as data: what happens, and what its playbook owes. No I/O."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from watchkeeper.exercise.attacks.scene import Scene

Act = Callable[[Scene], Awaitable[str]]
"""Does something; what came of it, in a line. Raises `Unseen` when it did not come as it must."""


@dataclass(frozen=True, kw_only=True)
class Scripted:
    """One incident."""

    name: str
    """The playbook's id."""
    title: str
    """One sentence, without its full stop."""
    provoke: Act
    """The attack, through the gateway."""
    state: str
    """Where the incident stands at the end."""
    verified: tuple[str, ...] = ()
    """Steps that are in force and proven by a probe."""
    unavailable: tuple[str, ...] = ()
    """Steps that nothing here carries out yet."""
    approvals: tuple[str, ...] = ()
    """Steps that wait for a person and go on when one approves."""
    manual: tuple[str, ...] = ()
    """What a person does and answers."""
    inputs: Mapping[str, str] | None = None
    """A person has it run, with these inputs; `None`: an alert does."""
    refused: Act | None = None
    """What must not work any more while its orders are in force."""
    during: Callable[[Any], Any] | None = None
    """What is wrong with the platform while the playbook begins: a context manager on the estate."""
    lifted: tuple[str, ...] = field(default=())
    """Kinds of order that must be gone once the run is taken back; empty: it is not taken back."""
