"""Whom a plan would touch: by what each action's own types declare, whatever their members are called."""

from __future__ import annotations

from typing import Annotated, Any, ClassVar

import msgspec
import pytest

from watchkeeper.gateway.holds import session_digest
from watchkeeper.respond.interface import Names, NothingToUndo, PrincipalName, Reach, ServerName
from watchkeeper.respond.planning import Plan, PlannedStep
from watchkeeper.respond.radius import Call, Touched, foresee
from watchkeeper.respond.service import load_actions

CALLS = (
    Call("files", "read", "agent:ann", session_digest("s-1")),
    Call("files", "write", "agent:bob", session_digest("s-2")),
    Call("mail", "send", "agent:ann", session_digest("s-3")),
)


class Isolate(NothingToUndo):
    """Another's action, with members of its own names."""

    name: ClassVar[str] = "isolate_upstream"
    reach: ClassVar[Reach] = Reach.REVERSIBLE
    touches: ClassVar[str] = "servers"
    evidence: ClassVar[frozenset[str]] = frozenset()

    class Parameters(msgspec.Struct, frozen=True):
        upstreams: tuple[ServerName, ...]
        verbs: Annotated[list[str], Names.TOOL] = []
        only_for: PrincipalName | None = None
        server: str = ""
        """Where its own probe asks."""


class Undeclared(Isolate):
    """One that says nothing of what it contains."""

    name: ClassVar[str] = "undeclared"

    class Parameters(msgspec.Struct, frozen=True):
        server: str


ACTIONS: dict[str, Any] = load_actions() | {"isolate_upstream": Isolate(), "undeclared": Undeclared()}


def touched(action: str, **parameters: Any) -> Touched | None:
    step = PlannedStep("s", action, 1, "stop", parameters)
    (foreseen,) = foresee(Plan((step,)), ACTIONS, CALLS)
    return foreseen.touched


@pytest.mark.behaviour("respond.dry-run")
@pytest.mark.parametrize(
    ("action", "parameters", "calls"),
    [
        ("isolate_upstream", {"upstreams": ["files", "mail"]}, 3),
        ("isolate_upstream", {"upstreams": ["files"], "server": "mail"}, 2),
        ("isolate_upstream", {"upstreams": ["files", "mail"], "verbs": ["read", "send"], "only_for": "ann"}, 2),
        ("isolate_upstream", {"upstreams": ["files"], "only_for": "agent:bob"}, 1),
        ("isolate_upstream", {"upstreams": ["other"]}, 0),
        ("hold_tool", {"server": "files", "tool": "read", "reason": "r"}, 1),
        ("quarantine_principal", {"principal": "ann", "server": "files", "reason": "r"}, 2),
        ("quarantine_session", {"principal": "agent:ann", "server": "files", "reason": "r"}, 1),
        ("quarantine_session", {"session": "s-2", "server": "files", "reason": "r"}, 1),
        ("quarantine_session", {"session": session_digest("s-2"), "server": "files", "reason": "r"}, 1),
        ("set_read_only", {"server": "files", "tool": "read", "reason": "r"}, 2),
        ("taint_source", {"server": "files", "source": "write", "reason": "r"}, 1),
        ("revoke_token", {"principal": "ann", "server": "mail", "reason": "r"}, 1),
    ],
)
def test_what_an_action_declares_is_counted_and_where_a_probe_asks_is_not(
    action: str, parameters: dict[str, Any], calls: int
) -> None:
    found = touched(action, **parameters)
    assert found is not None
    assert found.calls == calls


@pytest.mark.behaviour("respond.dry-run")
@pytest.mark.parametrize(
    ("action", "parameters"),
    [
        ("undeclared", {"server": "files"}),
        ("isolate_upstream", {"upstreams": []}),
        ("hold_tool", {"server": "files", "tool": "", "reason": "r"}),
        ("quarantine_session", {"task": "t-1", "server": "files", "reason": "r"}),
        ("rotate_secret", {"secret": "k", "reason": "r"}),
        ("deny_egress", {"host": "evil.example", "reason": "r"}),
    ],
)
def test_whom_an_action_touches_that_does_not_say_is_not_known_and_never_nobody(
    action: str, parameters: dict[str, Any]
) -> None:
    assert touched(action, **parameters) is None
    if "reason" not in parameters:
        assert ACTIONS[action].touches


def test_every_shipped_action_that_contains_what_calls_have_declares_it() -> None:
    seen = {"servers", "tools", "principals", "sessions", "tokens", "transports", "sources", "destinations"}
    silent = {"freeze_registry"}  # a package source: no call goes there
    contains = {name: one for name, one in load_actions().items() if one.touches in seen and name not in silent}
    for name, action in contains.items():
        every = {field.name: "x" for field in msgspec.structs.fields(action.Parameters) if field.name != "task"}
        assert touched(name, **every) is not None, name
