"""The engine agrees with an evaluator of our own; and the comparison would notice if it did not."""

from __future__ import annotations

import logging
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import cedarpy
import pytest

from tests.policy.oracle import trial
from tests.policy.oracle.cedar import Erred, Request, evaluate, value_of
from tests.policy.oracle.outcome import request_of
from tests.policy.oracle.pairs import ARGUMENTS, CONTEXT, Node, binary, dot, entity, value
from tests.policy.oracle.trial import engine_of, run
from watchkeeper.policy import FAILED, Effect, Question, asking, engine
from watchkeeper.policy.reads import Reads

QUESTION = Question("claude", ("dev",), "call_tool", "git", "log", "held", ("secret",))
REQUEST = request_of(QUESTION, {})


@pytest.fixture(autouse=True)
def quiet() -> Iterator[None]:
    """Thousands of policies err here, and each is logged."""
    logging.disable(logging.CRITICAL)
    yield
    logging.disable(logging.NOTSET)


@pytest.mark.behaviour("policy.agrees-with-an-oracle")
@pytest.mark.parametrize("pairs", [2_000, pytest.param(20_000, marks=pytest.mark.slow)])
def test_the_engine_agrees_with_the_oracle(tmp_path: Path, pairs: int) -> None:
    tally = run(pairs, seed=5, folder=tmp_path)
    assert tally.disagreements == []
    assert (tally.pairs, tally.erred_and_not_denied) == (pairs, 0)
    assert min(tally.by_effect[effect] for effect in Effect) >= 20
    assert min(tally.erred, tally.shadowed) >= 50


# the comparison notices


def forget_facts(monkeypatch: pytest.MonkeyPatch) -> None:
    def reads_of(tree: Any) -> Reads:
        return Reads(members=frozenset({"pin", "findings"}))

    monkeypatch.setattr(trial, "reads_of", reads_of)


def skip_errors(monkeypatch: pytest.MonkeyPatch) -> None:
    def authorize(handle: Any, request: Any, entities: Any) -> tuple[bool, frozenset[str]]:
        answer = cedarpy.is_authorized(request, handle, entities)
        return answer.allowed, frozenset(answer.diagnostics.reasons)

    monkeypatch.setattr(asking, "_authorize", authorize)


def forget_groups(monkeypatch: pytest.MonkeyPatch) -> None:
    class Forgetful(engine.Index):
        def of(self, q: Question) -> tuple[int, ...]:
            return super().of(Question(q.principal, (), q.action, q.server, q.target))

    monkeypatch.setattr(engine, "Index", Forgetful)


def pass_arguments_unread(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(engine.PolicyEngine, "_read", lambda *_: None)


def soften_without_permit(monkeypatch: pytest.MonkeyPatch) -> None:
    whole = asking._handle
    monkeypatch.setattr(asking, "_handle", lambda policies: whole(policies or _PERMIT))


_PERMIT = engine_of(
    [
        {
            "effect": "permit",
            "annotations": {"id": "all", "reason": "r"},
            "conditions": [],
            **{name: {"op": "All"} for name in ("principal", "action", "resource")},
        }
    ]
).policies


@pytest.mark.parametrize(
    "break_it", [forget_facts, skip_errors, forget_groups, pass_arguments_unread, soften_without_permit]
)
def test_a_broken_engine_disagrees_with_the_oracle(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, break_it: Any
) -> None:
    break_it(monkeypatch)
    assert run(2_000, seed=5, folder=tmp_path).disagreements


# every error denies

ERRORS: list[Node] = [
    binary("+", value(2**63 - 1), value(1)),
    binary("*", value(2**62), value(2)),
    {"neg": {"arg": binary("-", value(-(2**63 - 1)), value(1))}},
    dot(CONTEXT, "nothing"),
    dot(ARGUMENTS, "amount"),
    dot({"Var": "principal"}, "age"),
    dot(entity("Agent", "nobody"), "name"),
    binary("<", dot(CONTEXT, "pin"), value(1)),
    binary("<", value("2000"), value(1000)),
    binary("in", value("claude"), entity("Group", "dev")),
    binary("in", {"Var": "principal"}, value("dev")),
    binary("contains", dot(CONTEXT, "pin"), value("held")),
    binary("containsAll", dot(CONTEXT, "flow"), value("held")),
    {"like": {"left": dot(CONTEXT, "flow"), "pattern": ["Wildcard"]}},
    {"is": {"left": dot(CONTEXT, "pin"), "entity_type": "Agent"}},
    {"has": {"left": dot(CONTEXT, "pin"), "attr": "x"}},
    {"isEmpty": {"arg": dot(CONTEXT, "pin")}},
    {"decimal": [value("1.00001")]},
    {"lessThan": [value(1), value(2)]},
    {"!": {"arg": value(1)}},
    value(1),
]
NO_NOTES: Mapping[str, str] = {}
TRUE, FALSE = value(True), value(False)
PLACES: list[Any] = [
    lambda error: error,
    lambda error: binary("&&", TRUE, error),
    lambda error: binary("||", FALSE, error),
    lambda error: binary("&&", error, FALSE),
    lambda error: binary("||", {"!": {"arg": error}}, TRUE),
    lambda error: {"if-then-else": {"if": TRUE, "then": error, "else": FALSE}},
    lambda error: {"if-then-else": {"if": error, "then": TRUE, "else": FALSE}},
]


def policy(name: str, effect: str, conditions: list[Node], notes: Mapping[str, str] = NO_NOTES) -> dict[str, Any]:
    return {
        "effect": effect,
        "annotations": {"id": name, "reason": "r", **notes},
        **{part: {"op": "All"} for part in ("principal", "action", "resource")},
        "conditions": conditions,
    }


@pytest.mark.behaviour("policy.error-denies")
@pytest.mark.parametrize("error", ERRORS, ids=str)
def test_every_error_of_the_language_denies_wherever_it_stands(error: Node) -> None:
    allow, deny = policy("allow", "permit", []), policy("deny", "forbid", [])
    for place in PLACES:
        for kind in ("when", "unless"):
            conditions = [{"kind": kind, "body": place(error)}]
            for effect, notes in (
                ("permit", {}),
                ("forbid", {}),
                ("forbid", {"effect": "ask"}),
                ("forbid", {"effect": "modify", "classes": "secret"}),
            ):
                erring = policy("erring", effect, conditions, notes)
                for others in ([allow], [allow, deny], []):
                    verdict = engine_of([erring, *others]).decide(QUESTION, b'{"properties":{}}')
                    assert verdict.effect is Effect.DENY
                    assert verdict == FAILED or "amount" in str(error)
                shadow = policy("erring", effect, conditions, notes | {"mode": "shadow"})
                verdict = engine_of([shadow, allow]).decide(QUESTION, b'{"properties":{}}')
                assert (verdict.effect, verdict.would, verdict.shadowed) == (Effect.ALLOW, Effect.DENY, ("erring",))


# the oracle knows the language


@pytest.mark.parametrize(
    ("node", "expected"),
    [
        (binary("==", value(1), value(True)), False),
        (binary("==", value("1"), value(1)), False),
        (binary("==", {"Set": [value(1), value(1)]}, {"Set": [value(1)]}), True),
        (binary("&&", FALSE, value(1)), False),
        (binary("||", TRUE, value(1)), True),
        (binary("in", {"Var": "principal"}, entity("Agent", "claude")), True),
        (binary("in", {"Var": "resource"}, {"Set": [entity("Server", "x"), entity("Server", "git")]}), True),
        (binary("in", entity("Agent", "nobody"), entity("Agent", "nobody")), True),
        ({"has": {"left": entity("Agent", "nobody"), "attr": "name"}}, False),
        ({"is": {"left": {"Var": "resource"}, "entity_type": "Tool", "in": entity("Server", "git")}}, True),
        ({"is": {"left": {"Var": "resource"}, "entity_type": "Prompt", "in": value(1)}}, False),
        ({"like": {"left": value("a*b"), "pattern": [{"Literal": "a"}, {"Literal": "*"}, "Wildcard"]}}, True),
        ({"like": {"left": value("aab"), "pattern": ["Wildcard", {"Literal": "ab"}]}}, True),
        ({"like": {"left": value("aba"), "pattern": ["Wildcard", {"Literal": "b"}]}}, False),
        ({"lessThan": [{"decimal": [value("-1.5")]}, {"decimal": [value("-1.49")]}]}, True),
        (binary("containsAll", dot(CONTEXT, "findings"), {"Set": []}), True),
    ],
    ids=str,
)
def test_the_oracle_says_what_the_language_says(node: Node, expected: bool) -> None:
    assert evaluate(node, REQUEST) == value_of(expected)
    tree = policy("p", "permit", [{"kind": "when", "body": node}])
    assert (engine_of([tree]).decide(QUESTION).effect is Effect.ALLOW) is expected


@pytest.mark.parametrize("error", ERRORS, ids=str)
def test_the_oracle_errs_where_the_language_does(error: Node) -> None:
    request: Request = request_of(QUESTION, {})
    if error == value(1):
        assert evaluate(error, request) == ("long", 1)  # a condition that is no truth errs, the expression does not
        return
    with pytest.raises(Erred):
        evaluate(error, request)
