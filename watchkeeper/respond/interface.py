"""What an action of a playbook implements; built-in ones and plug-ins enter by the entry points `watchkeeper.actions`.

An action does one thing, typed, under an idempotency key. The engine may call it again with the same key after a
crash: the second call must find the first one's effect instead of doubling it.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable
from dataclasses import dataclass
from enum import StrEnum
from typing import Annotated, Any, ClassVar, Protocol

import msgspec

from watchkeeper.core.clock import Clock
from watchkeeper.core.errors import Unavailable
from watchkeeper.respond.ports import (
    Custody,
    Definitions,
    Errands,
    Evidence,
    Host,
    LegalHolds,
    Notifier,
    Orders,
    RegistryFreezes,
    Rollbacks,
    Rotations,
    Tokens,
)


class Unserved(Unavailable):
    """Nothing here carries out what an action asks for: its port has no room. The step becomes `unavailable`."""

    code = "unserved"


class Reach(StrEnum):
    """What an action leaves behind, and therefore who must agree to it."""

    NONE = "none"
    """It reads or tells; there is nothing to undo."""
    REVERSIBLE = "reversible"
    """It has an `undo`; it may be pre-authorised."""
    IRREVERSIBLE = "irreversible"
    """There is no way back: a person must approve."""


class Names(StrEnum):
    """What a parameter names, of what calls through the gateway have. A dry run counts by it whom an action touches."""

    SERVER = "server"
    TOOL = "tool"
    """By its own name, without its server's; also a prompt, or the address of a resource."""
    PRINCIPAL = "principal"
    """With or without `agent:`."""
    SESSION = "session"
    """Its id, or its digest as events have it."""
    UNSEEN = "unseen"
    """Something narrower that calls do not show: whom the action touches is then not known."""


ServerName = Annotated[str, Names.SERVER]
ToolName = Annotated[str, Names.TOOL]
PrincipalName = Annotated[str, Names.PRINCIPAL]
SessionName = Annotated[str, Names.SESSION]
UnseenName = Annotated[str, Names.UNSEEN]


class Outcome(msgspec.Struct, frozen=True):
    """What an action did."""

    summary: str
    evidence: dict[str, Any] = {}
    """JSON types; kept in the step's event."""


class Proof(msgspec.Struct, frozen=True):
    """Whether an effect is there."""

    verified: bool
    detail: dict[str, Any] = {}


@dataclass(frozen=True)
class Services:
    """What actions act upon. A port that is None has no room here, and its actions raise `Unserved`."""

    definitions: Definitions
    orders: Orders
    notifier: Notifier
    clock: Clock
    custody: Custody | None = None
    evidence: Evidence | None = None
    host: Host | None = None
    tokens: Tokens | None = None
    rollbacks: Rollbacks | None = None
    rotations: Rotations | None = None
    freezes: RegistryFreezes | None = None
    legal_holds: LegalHolds | None = None
    errands: Errands | None = None


@dataclass(frozen=True)
class ActionContext:
    """Under which run and step an action is carried out."""

    services: Services
    key: str
    """`run:step:attempt-group`; the same after a crash."""
    incident: dict[str, Any]
    """`id`, `number`, `title`, `tenant`, `server`, `severity`, `labels`, `principal` of the incident."""
    report: str
    """What the steps before this one came to, one a line."""
    has_time: Callable[[], bool]
    """Whether the step's deadline has not passed."""
    approved_by: tuple[str, ...] = ()
    """The operators who approved this step of this very plan; empty where nobody had to."""
    run: str = ""
    """The run that this is a step of."""
    asked_by: tuple[str, ...] = ()
    """Who or what wanted it: the playbook, the rules or the person that began it, the persons who approved."""

    left: Callable[[], float] = lambda: 0.0
    """Seconds until the step's deadline; 0 once it has passed."""

    def claim(self) -> None:
        """Call it right before an effect. Raises `Unavailable` past the deadline: the step has failed already."""
        if not self.has_time():
            raise Unavailable("the step's deadline passed before it could act", hint="look at what held it up")


class Action(Protocol):
    """One thing a playbook can do."""

    name: ClassVar[str]
    reach: ClassVar[Reach]
    Parameters: ClassVar[type[msgspec.Struct]]
    """The typed members of `with`. What it contains is declared there: `server: ServerName`, `names: list[ToolName]`,
    whatever the member is called. A member that only says where to look, as where a probe asks, is no `ServerName`.
    """
    evidence: ClassVar[frozenset[str]]
    """The members its `Outcome.evidence` always has."""
    touches: ClassVar[str]
    """What it contains, as `blast_radius` counts it (`tools`, `sessions` …); empty where it contains nothing."""

    def run(self, parameters: Any, context: ActionContext) -> Outcome:
        """Do it, once per `context.key`. Raises `WatchkeeperError` when it cannot."""
        ...

    def verify(self, parameters: Any, context: ActionContext) -> Proof | None:
        """Whether the effect is there; `None` where there is nothing to prove."""
        ...

    def undo(self, parameters: Any, context: ActionContext) -> Outcome:
        """Take it back. Called for what is not irreversible, unless there is nothing to undo."""
        ...

    def by_hand(self, parameters: Any) -> str:
        """What a person does instead when the action failed."""
        ...


class NothingToUndo:
    """For actions that read or tell."""

    def verify(self, parameters: Any, context: ActionContext) -> Proof | None:
        return None

    def undo(self, parameters: Any, context: ActionContext) -> Outcome:
        return Outcome("there is nothing to take back")


def takes_back(action: Action) -> bool:
    """Whether its `undo` can be called as one and is its own, rather than the Protocol's or `NothingToUndo`'s."""
    undo = getattr(action, "undo", None)
    if not callable(undo) or getattr(type(action), "undo", None) in (Action.undo, NothingToUndo.undo):
        return False
    try:
        inspect.signature(undo).bind(object(), object())
    except (TypeError, ValueError):
        return False
    return True
