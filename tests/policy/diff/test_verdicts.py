"""The formulas against Cedar: random policies, random questions, and every effect must be the engine's."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import msgspec
import pytest
import z3
from hypothesis import HealthCheck, assume, given, settings
from hypothesis import strategies as st

from watchkeeper.core.errors import Misconfigured
from watchkeeper.policy import Effect, PolicyEngine, Question
from watchkeeper.policy.diff import symbols
from watchkeeper.policy.diff.settings import misfits, words_of
from watchkeeper.policy.diff.symbols import Fields, Members, Scalar, Symbol
from watchkeeper.policy.diff.verdicts import Answered
from watchkeeper.policy.diff.worlds import Setting, World
from watchkeeper.policy.reads import Reads
from watchkeeper.policy.types import record_of

SCHEMA: dict[str, Any] = {
    "type": "object",
    "properties": {
        "branch": {"type": "string"},
        "n": {"type": "integer"},
        "sum": {"type": "number"},
        "to": {"type": "array", "items": {"type": "string"}},
        "force": {"type": "boolean"},
        "at": {"type": "object", "properties": {"host": {"type": "string"}}},
    },
    "required": ["n"],
}
TEXTS = ("a", "ab", "b*", "", "é", "\\u{41}")
LONGS = (0, 1, -5, 2**62, 2**63 - 1)
text = st.sampled_from(TEXTS)
quoted = text.map(lambda t: json.dumps(t, ensure_ascii=False))
patterns = st.sampled_from(["a*", "*", "*b", "a\\*", "", "a*b*", "é"]).map(lambda p: f'"{p}"')
texts = st.lists(quoted, max_size=3).map(lambda ts: f"[{', '.join(ts)}]")
longs = st.one_of(st.sampled_from(LONGS).map(str), st.just("context.arguments.n"))
FACTS = ("findings", "labels", "flow")
facts = st.sampled_from([f"context.{fact}" for fact in FACTS])
strings = st.one_of(quoted, st.sampled_from(["principal.name", "resource.name", "resource.server", "context.pin"]))


def guarded(name: str, inner: str) -> str:
    return f"(context.arguments has {name} && {inner})"


numbers = st.tuples(longs, st.sampled_from("+-*"), longs).map(" ".join)
atoms = st.one_of(
    st.sampled_from(
        [
            "true",
            "false",
            'principal in Group::"g"',
            'principal in [Group::"g", Group::"h"]',
            'principal == Agent::"a"',
            'resource == Tool::"s/a"',
            'resource in Server::"s"',
            "resource is Tool",
            "resource is Prompt",
            'resource is Tool in Server::"a"',
            'action == Action::"call_tool"',
            'action in Action::"say"',
            "principal has name",
            "context has arguments",
            '["approved", "held"].contains(context.pin)',
            guarded("force", "context.arguments.force"),
            guarded("sum", 'context.arguments.sum.greaterThan(decimal("1.5"))'),
            guarded("sum", 'context.arguments.sum == decimal("2.0")'),
            guarded("at", 'context.arguments.at has host && context.arguments.at.host == "a"'),
            "context.labels == context.flow",
            "context.labels.containsAll(context.flow)",
            "context.findings.contains(resource.name)",
        ]
    ),
    st.tuples(strings, st.sampled_from(["==", "!="]), strings).map(" ".join),
    st.tuples(strings, patterns).map(lambda p: f"{p[0]} like {p[1]}"),
    st.tuples(facts, quoted).map(lambda p: f"{p[0]}.contains({p[1]})"),
    st.tuples(facts, st.sampled_from(["containsAny", "containsAll"]), texts).map(lambda p: f"{p[0]}.{p[1]}({p[2]})"),
    facts.map(lambda fact: f"{fact}.isEmpty()"),
    st.tuples(facts, texts).map(lambda p: f"{p[0]} == {p[1]}"),
    quoted.map(lambda t: guarded("branch", f"context.arguments.branch == {t}")),
    patterns.map(lambda p: guarded("branch", f"context.arguments.branch like {p}")),
    quoted.map(lambda t: guarded("to", f"context.arguments.to.contains({t})")),
    texts.map(lambda t: guarded("to", f"context.arguments.to == {t}")),
    st.tuples(st.one_of(longs, numbers), st.sampled_from(["<", "<=", ">", ">=", "==", "!="]), longs).map(" ".join),
)
conditions = st.recursive(
    atoms,
    lambda inner: st.one_of(
        inner.map(lambda c: f"!({c})"),
        st.tuples(inner, st.sampled_from(["&&", "||"]), inner).map(lambda p: f"({p[0]}) {p[1]} ({p[2]})"),
        st.tuples(inner, inner, inner).map(lambda p: f"if {p[0]} then ({p[1]}) else ({p[2]})"),
    ),
    max_leaves=4,
)
scopes = st.tuples(
    st.sampled_from(["principal", 'principal == Agent::"a"', 'principal in Group::"g"', "principal is Agent"]),
    st.just('action == Action::"call_tool"'),
    st.sampled_from(["resource", 'resource == Tool::"s/a"', 'resource in Server::"s"', "resource is Tool"]),
).map(", ".join)
SOFT = ('@effect("ask") forbid', '@effect("modify") @classes("x") forbid', '@mode("shadow") forbid')
notes = st.sampled_from(["permit", "forbid", "permit", *SOFT])
policies = st.lists(
    st.tuples(notes, scopes, st.sampled_from(["when", "unless"]), conditions), min_size=1, max_size=4
).map(
    lambda made: "\n".join(
        f'@id("p{n}") @reason("r") {note} ({scope}) {kind} {{ {condition} }};'
        for n, (note, scope, kind, condition) in enumerate(made)
    )
)
some = st.lists(text, max_size=3, unique=True).map(sorted).map(tuple)
questions = st.builds(
    Question,
    principal=st.sampled_from(["a", "ab"]),
    groups=st.sampled_from([(), ("g",), ("g", "h")]),
    server=st.sampled_from(["s", "a"]),
    target=st.sampled_from(["a", "ab"]),
    pin=st.sampled_from(["approved", "held", "unknown"]),
    findings=some,
    labels=some,
    flow=some,
)
arguments = st.fixed_dictionaries(
    {"n": st.sampled_from(LONGS)},
    optional={
        "branch": text,
        "sum": st.sampled_from([1.5, 2, 0.25]),
        "to": st.lists(text, max_size=2),
        "force": st.booleans(),
        "at": st.sampled_from([{}, {"host": "a"}, {"host": "b"}]),
    },
)


def bound(symbol: Symbol, value: Any) -> list[Any]:
    """That a symbol has a value."""
    if isinstance(symbol, Scalar):
        return [_scalar(symbol) == _term(symbol.kind, value)]
    if isinstance(symbol, Members):
        kind = next((v.kind for _, v in symbol.cells if isinstance(v, Scalar)), "String")
        wanted = Members(tuple((symbols.TRUE, Scalar(kind, _term(kind, one))) for one in value))
        return [symbols.same(symbol, wanted)]
    assert isinstance(symbol, Fields)
    formulas = []
    for name, (there, inner) in symbol.members.items():
        formulas.append(there == (name in value))
        formulas += bound(inner, value[name]) if name in value else []
    return formulas


def _scalar(symbol: Scalar) -> Any:
    return symbol.term


def _term(kind: str, value: Any) -> Any:
    if kind == "String":
        return symbols.text(value)
    return z3.BoolVal(value) if kind == "Bool" else z3.IntVal(int(value * 10_000) if kind == "decimal" else value)


def asked(world: World, q: Question, given: dict[str, Any]) -> list[Any]:
    agent, resource = world.principal, world.resource
    assert agent.name is not None
    assert resource.name is not None
    formulas = [agent.name[0] == symbols.text(q.principal), z3.Not(world.broken)]
    formulas += [resource.name[0] == symbols.text(q.server), resource.name[1] == symbols.text(q.target)]
    formulas += [z3.Not(odd) for odd in world.odd.values()]
    for group in ("g", "h"):
        inside = world.is_in(agent, symbols.entity("Group", group))
        formulas.append(inside == (group in q.groups))
    context = world.variables["context"]
    assert isinstance(context, Fields)
    for fact in (*FACTS, "counts", "times", "pin"):
        formulas += bound(context.members[fact][1], getattr(q, fact))
    return formulas + bound(world.inputs.record, given)


@pytest.mark.behaviour("policy.diff-oracle")
@settings(max_examples=80, deadline=None, suppress_health_check=list(HealthCheck), derandomize=True)
@given(policies, st.lists(st.tuples(questions, arguments), min_size=3, max_size=3))
def test_every_effect_is_the_one_that_cedar_comes_to(
    tmp_path_factory: pytest.TempPathFactory, source: str, asks: list[tuple[Question, dict[str, Any]]]
) -> None:
    folder = tmp_path_factory.mktemp("set")
    mention = '@id("g") @reason("r") permit (principal in Group::"g", action == Action::"list", resource);'
    other = '@id("h") @reason("r") permit (principal in Group::"h", action == Action::"list", resource);'
    every = " || ".join(f"context.findings.contains({json.dumps(t, ensure_ascii=False)})" for t in TEXTS)
    named = f'@id("t") @reason("r") permit (principal, action == Action::"list", resource) when {{ {every} }};'
    Path(folder, "a.cedar").write_text("\n".join([source, mention, other, named]))
    try:
        engine = PolicyEngine.load(folder)
    except Misconfigured:  # a type error of Cedar's validator: no policy that anybody could load
        assume(False)
    raw = msgspec.json.encode(SCHEMA)
    words = words_of([p for p in engine.policies if not p.terms.is_shadow])
    words = msgspec.structs.replace(
        words, texts=TEXTS, beside=dict.fromkeys(words.beside, TEXTS), others=max(2, words.others)
    )
    setting = Setting("call_tool", "Tool", schema=SCHEMA)
    world = World(setting, words, record_of(SCHEMA, Reads(everything=True)), ())
    answered = Answered(engine.policies, world, misfits(engine.policies, SCHEMA))
    assert not [part.outside for part in answered.parts.values() if part.outside]
    for question, given_arguments in asks:
        q = msgspec.structs.replace(question, arguments=json.dumps(given_arguments).encode())
        expected = engine.decide(q, raw).effect
        solver = z3.Solver()
        solver.add(*world.limits, *asked(world, q, given_arguments))
        assert solver.check() == z3.sat
        for effect in Effect:
            right = answered.effects[effect] if effect is expected else z3.Not(answered.effects[effect])
            assert solver.check(z3.Not(right)) == z3.unsat, (source, q, expected, effect)
