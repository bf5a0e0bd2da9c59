from __future__ import annotations

import gc
import json
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import cedarpy
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from watchkeeper.core.content import content_folder
from watchkeeper.core.errors import Misconfigured
from watchkeeper.policy import FAILED, Effect, PolicyEngine, Question, Verdict, engine
from watchkeeper.policy.asking import Bench

Make = Callable[..., PolicyEngine]
Forbid = Callable[..., str]
AMOUNT = {"type": "object", "properties": {"amount": {"type": "integer"}}, "required": ["amount"]}
BIG = "context.arguments.amount > 1000"


def call(arguments: Any = None, **members: Any) -> Question:
    raw = arguments if isinstance(arguments, bytes) else b"" if arguments is None else json.dumps(arguments).encode()
    return Question(**{"principal": "laptop", "server": "bank", "target": "pay", "arguments": raw} | members)


def schema(tree: Any = AMOUNT) -> bytes:
    return json.dumps(tree).encode()


def test_a_verdict_names_the_rules_that_spoke_and_their_reasons(make: Make, forbid: Forbid) -> None:
    policies = make(forbid("b", 'context.pin == "held"'), forbid("a", 'context.pin == "held"'))
    assert policies.decide(call(pin="held")) == Verdict(Effect.DENY, ("a", "b"), "No b. No a.")
    assert policies.decide(call(pin="approved")) == Verdict(Effect.ALLOW, ("allow",), "Fine.")


@pytest.mark.behaviour("policy.default-deny")
def test_what_nothing_permits_is_denied(make: Make, forbid: Forbid) -> None:
    verdict = make(forbid("a", "false"), allow=False).decide(call())
    assert (verdict.effect, verdict.rules) == (Effect.DENY, ())


def test_an_action_that_is_not_in_the_schema_is_denied(make: Make) -> None:
    assert make().decide(call(action="dance")).effect is Effect.DENY


def test_groups_servers_and_names_can_be_asked_for(make: Make) -> None:
    policies = make(
        '@id("ops") @reason("r") permit (principal in Group::"ops", action, resource in Server::"bank");',
        '@id("me") @reason("r") permit (principal, action, resource is Tool) when { resource.name == "see" && '
        'principal.name == "me" && resource.server == "bank" };',
        allow=False,
    )
    assert policies.decide(call(groups=("dev", "ops"))).rules == ("ops",)
    assert policies.decide(call(groups=("dev",))).effect is Effect.DENY
    assert policies.decide(call(groups=("ops",), server="shop")).effect is Effect.DENY
    assert policies.decide(call(principal="me", target="see")).rules == ("me",)


# The four traps of Cedar behind a gateway: each is shown to be real, then to be shut.

BASE = {
    "principal": {"type": "Agent", "id": "a"},
    "action": {"type": "Action", "id": "call_tool"},
    "resource": {"type": "Tool", "id": "t"},
}
TEXT = "permit (principal, action, resource); forbid (principal, action, resource) when { context.amount > 1000 };"


@pytest.mark.behaviour("policy.error-denies")
def test_trap_1_cedar_skips_an_erring_forbid() -> None:
    for context in ({"amount": "2000"}, {}):
        answer = cedarpy.is_authorized(BASE | {"context": context}, TEXT, [])
        assert answer.allowed
        assert answer.diagnostics.errors


@pytest.mark.behaviour("policy.error-denies")
def test_trap_1_an_erring_policy_denies(make: Make, forbid: Forbid) -> None:
    # An overflow is an error that no schema can foresee.
    policies = make(forbid("big", "context.arguments.amount * 9223372036854775807 > 1"))
    assert policies.decide(call({"amount": 1}), schema()).rules == ("big",)
    assert policies.decide(call({"amount": 3}), schema()) == FAILED
    assert FAILED.effect is Effect.DENY


@pytest.mark.behaviour("policy.arguments-fit-schema")
@pytest.mark.parametrize("arguments", [{"amount": "2000"}, {}, None, [], "x", b"{", b'{"amount":NaN}', b"[" * 9999])
def test_trap_1_arguments_that_do_not_fit_the_tools_schema_are_denied(
    make: Make, forbid: Forbid, arguments: Any
) -> None:
    verdict = make(forbid("big", BIG)).decide(call(arguments), schema())
    assert (verdict.effect, verdict.rules) == (Effect.DENY, ("policy.arguments",))


@pytest.mark.behaviour("policy.reason-without-arguments")
def test_the_reason_helps_the_model_and_repeats_nothing(make: Make, forbid: Forbid) -> None:
    verdict = make(forbid("big", BIG)).decide(call({"amount": "s3cret"}), schema())
    assert "properties/amount/type" in verdict.reason
    assert "s3cret" not in verdict.reason


@pytest.mark.behaviour("policy.error-denies")
def test_trap_1_a_policy_that_does_not_fit_the_tool_denies(make: Make, forbid: Forbid) -> None:
    policies = make(forbid("big", BIG))
    text = {"type": "object", "properties": {"amount": {"type": "string"}}, "required": ["amount"]}
    verdict = policies.decide(call({"amount": "1"}), schema(text))
    assert (verdict.effect, verdict.rules) == (Effect.DENY, ("policy.error",))
    assert "big" in verdict.reason


def test_trap_2_cedar_makes_no_decision_on_floats_nulls_and_huge_integers() -> None:
    for amount in (1.5, None, 2**64):
        answer = cedarpy.is_authorized(BASE | {"context": {"amount": amount}}, TEXT, [])
        assert answer.decision is cedarpy.Decision.NoDecision


@pytest.mark.behaviour("policy.unrepresentable-denies")
@pytest.mark.parametrize("amount", [b"9223372036854775808", b"-9223372036854775809", b"1e30", b"1" * 5000])
def test_trap_2_a_number_beyond_64_bits_is_denied(make: Make, forbid: Forbid, amount: bytes) -> None:
    verdict = make(forbid("big", BIG)).decide(call(b'{"amount":%s}' % amount), schema())
    assert (verdict.effect, verdict.rules) == (Effect.DENY, ("policy.arguments",))


@pytest.mark.behaviour("policy.unrepresentable-denies")
@pytest.mark.parametrize(
    ("amount", "rules"),
    [
        ("1", ("allow",)),
        ("99.5", ("allow",)),
        ("100.0001", ("big",)),
        ("1e3", ("big",)),
        ("1.00001", ("policy.arguments",)),
        ("1e18", ("policy.arguments",)),
        ("0.1000000000000000055511151231257827", ("policy.arguments",)),
    ],
)
def test_trap_2_a_number_is_a_decimal_or_denied(
    make: Make, forbid: Forbid, amount: str, rules: tuple[str, ...]
) -> None:
    number = {"type": "object", "properties": {"amount": {"type": "number"}}, "required": ["amount"]}
    policies = make(forbid("big", 'context.arguments.amount.greaterThan(decimal("100.0"))'))
    assert policies.decide(call(b'{"amount":%s}' % amount.encode()), schema(number)).rules == rules


def test_trap_2_a_null_is_an_absent_member(make: Make, forbid: Forbid) -> None:
    tree = {"type": "object", "properties": {"force": {"anyOf": [{"type": "boolean"}, {"type": "null"}]}}}
    policies = make(forbid("forced", "context.arguments has force && context.arguments.force"))
    assert policies.decide(call({"force": None}), schema(tree)).rules == ("allow",)
    assert policies.decide(call({"force": True}), schema(tree)).rules == ("forced",)


def test_trap_3_cedar_reads_an_entity_out_of_arguments() -> None:
    text = 'permit (principal, action, resource) when { context.owner == Agent::"root" };'
    context = {"owner": {"__entity": {"type": "Agent", "id": "root"}}}
    assert cedarpy.is_authorized(BASE | {"context": context}, text, []).allowed


@pytest.mark.behaviour("policy.entity-escape")
@pytest.mark.parametrize(
    "arguments",
    [
        {"amount": {"__entity": {"type": "Agent", "id": "root"}}},
        {"amount": 1, "note": {"__extn": {"fn": "decimal", "arg": "1.0"}}},
        {"amount": 1, "a": [{"b": [{"__entity": 1}]}]},
        b'{"amount":1,"\\u005f_entity":{"type":"Agent","id":"root"}}',
        {"amount": 1, "note": {"__expr": "1"}},
    ],
)
def test_trap_3_cedars_own_member_names_are_refused_at_any_depth(make: Make, forbid: Forbid, arguments: Any) -> None:
    verdict = make(forbid("big", BIG)).decide(call(arguments), schema())
    assert (verdict.effect, verdict.rules) == (Effect.DENY, ("policy.arguments",))


@pytest.mark.behaviour("policy.no-partial-evaluation")
def test_trap_4_partial_evaluation_is_never_asked(make: Make, forbid: Forbid, monkeypatch: pytest.MonkeyPatch) -> None:
    def never(*_: Any, **__: Any) -> None:
        raise AssertionError("partial evaluation")

    monkeypatch.setattr(cedarpy, "is_authorized_partial", never)
    policies = make(forbid("big", BIG))
    assert policies.decide(call({"amount": 1}), schema()).rules == ("allow",)
    for source in Path(engine.__file__).parent.glob("*.py"):
        assert "is_authorized_partial" not in source.read_text()


@pytest.mark.behaviour("policy.undeclared-argument")
@pytest.mark.parametrize(
    ("properties", "arguments"),
    [
        ({}, {"path": "/etc/passwd"}),
        ({"path": {}}, {"path": "/etc/passwd"}),
        ({"path": {"type": ["string", "array"]}}, {"path": ["/etc/passwd"]}),
        ({"path": {"type": "object"}}, {"path": {"p": "/etc/passwd"}}),
    ],
)
def test_an_argument_that_a_policy_reads_cannot_slip_past_it_undeclared(
    make: Make, forbid: Forbid, properties: Any, arguments: Any
) -> None:
    policies = make(forbid("etc", 'context.arguments has path && context.arguments.path like "/etc/*"'))
    tree = {"type": "object", "properties": properties}
    assert policies.decide(call({"other": 1}), schema(tree)).rules == ("allow",)
    assert policies.decide(call(arguments), schema(tree)).rules == ("policy.arguments",)


def test_more_values_than_the_schema_allows_to_check_in_time_are_denied(make: Make, forbid: Forbid) -> None:
    options = {"anyOf": [{"properties": {f"p{n}": {"type": "integer"}}} for n in range(400)]}
    tree = {"type": "object", "properties": {"amount": {"type": "integer"}, "list": {"items": options}}}
    policies = make(forbid("big", "context.arguments has amount && context.arguments.amount > 1000"))
    assert policies.decide(call({"amount": 1, "list": [{}] * 100}), schema(tree)).rules == ("allow",)
    assert policies.decide(call({"amount": 1, "list": [{}] * 15_000}), schema(tree)).rules == ("policy.arguments",)


def test_arguments_that_no_policy_reads_may_be_anything(make: Make, forbid: Forbid) -> None:
    tree = {"type": "object", "properties": {"amount": {"type": "integer"}, "note": {}}}
    policies = make(forbid("big", "context.arguments has amount && context.arguments.amount > 1000"))
    for note in (1.23456789, None, 2**80, {"deep": [None]}):
        assert policies.decide(call({"amount": 1, "note": note}), schema(tree)).rules == ("allow",)


@pytest.mark.behaviour("policy.arguments-only-when-read")
def test_without_a_policy_that_reads_them_arguments_are_not_looked_at(make: Make, forbid: Forbid) -> None:
    policies = make(
        forbid("elsewhere", BIG, 'principal, action == Action::"call_tool", resource == Tool::"bank/other"')
    )
    assert policies.decide(call(b"not even JSON"), b"nonsense").rules == ("allow",)
    assert policies.decide(call(b"not even JSON", target="other"), b"nonsense").rules == ("policy.schema",)


def test_a_tool_that_was_never_listed_cannot_be_judged_by_its_arguments(make: Make, forbid: Forbid) -> None:
    verdict = make(forbid("big", BIG)).decide(call({"amount": 1}), None)
    assert (verdict.effect, verdict.rules) == (Effect.DENY, ("policy.arguments",))
    assert "List the tools" in verdict.reason


@pytest.mark.behaviour("policy.cache-knows-every-input")
@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    st.lists(
        st.tuples(
            st.sampled_from(["a", "b"]),
            st.sampled_from([(), ("g",)]),
            st.sampled_from(["call_tool", "receive", "list", "dance"]),
            st.sampled_from(["bank", "shop"]),
            st.sampled_from(["pay", ""]),
            st.sampled_from(["held", "none"]),
            st.sampled_from([(), ("secret",)]),
            st.sampled_from([b'{"amount":1}', b'{"amount":2000}', b"{}", b""]),
            st.sampled_from([schema(), None, schema({"type": "object"})]),
        ),
        min_size=2,
        max_size=12,
    )
)
def test_a_cached_verdict_is_that_of_a_fresh_engine(make: Make, forbid: Forbid, asked: list[tuple[Any, ...]]) -> None:
    texts = (
        forbid("big", BIG, 'principal in Group::"g", action == Action::"call_tool", resource in Server::"bank"'),
        forbid("held", 'context.pin == "held" && principal.name == "a"', "principal, action, resource"),
        forbid("secret", 'context.findings.contains("secret")', 'principal, action == Action::"receive", resource'),
    )
    warm = make(*texts)
    for *members, input_schema in asked:
        question = Question(*members)
        assert warm.decide(question, input_schema) == PolicyEngine(warm.policies).decide(question, input_schema)


@pytest.mark.behaviour("policy.cache-knows-every-input")
def test_a_verdict_is_kept_under_what_its_policies_read_and_nothing_else(make: Make, forbid: Forbid) -> None:
    policies = make(
        forbid("late", '!context.times.contains("office_hours")', 'principal, action, resource in Server::"bank"'),
        forbid("mine", 'principal.name == "a"', 'principal, action == Action::"list", resource'),
    )
    for number in range(9):
        verdict = policies.decide(
            call(
                principal=f"a{number}",
                target=f"t{number}",
                pin=f"p{number}",
                findings=(f"f{number}",),
                labels=(f"l{number}",),
                flow=(f"m{number}",),
                counts=(f"c{number}",),
                times=("office_hours",),
                groups=(f"g{number}",),
                arguments={"n": number},
            )
        )
        assert verdict.rules == ("allow",)
    assert policies.cached == 1
    assert policies.decide(call(times=("night",))).rules == ("late",)
    assert policies.cached == 2
    for number in range(9):
        policies.decide(call(principal=f"a{number}", action="list", server="shop"))
    assert policies.cached == 11


def test_the_cache_is_bounded(make: Make, forbid: Forbid, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(engine, "KNOWN", 20)
    policies = make(forbid("held", 'context.pin == "held"'))
    for number in range(60):
        assert policies.decide(call(pin=f"p{number}")).rules == ("allow",)
    assert policies.cached == 20


def test_slices_are_bounded_and_those_forgotten_are_let_go(
    make: Make, forbid: Forbid, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(engine, "SLICES", 5)
    policies = make(
        *(
            forbid(f"p{n}", "true", f'principal, action == Action::"call_tool", resource == Tool::"bank/t{n}"')
            for n in range(20)
        )
    )
    gc.collect()
    before = sum(isinstance(one, Bench) for one in gc.get_objects())
    for _ in range(2):
        for number in range(20):
            assert policies.decide(call(target=f"t{number}")).rules == (f"p{number}",)
    gc.collect()
    assert sum(isinstance(one, Bench) for one in gc.get_objects()) - before == 5


@pytest.mark.parametrize("target", ["t" * 2_000, "t"])
def test_a_verdict_about_a_very_long_name_or_text_is_not_kept(make: Make, forbid: Forbid, target: str) -> None:
    text = {"type": "object", "properties": {"note": {"type": "string"}}}
    policies = make(forbid("x", 'context.arguments has note && context.arguments.note == "x"'))
    for size in (10, 5_000):
        assert policies.decide(call({"note": "y" * size}, target=target), schema(text)).rules == ("allow",)
    assert policies.cached == (1 if target == "t" else 0)


def test_what_nobody_reads_need_not_be_provided(make: Make, forbid: Forbid) -> None:
    policies = make(
        forbid("often", 'context.counts.containsAny(["calls_over_50", "sends_over_5"])'),
        forbid("very", 'context.counts.contains("calls_over_9")', "principal, action, resource"),
        forbid("other", 'context.pin == "held" && principal.name == "pins_over_3"'),
    )
    assert policies.members == {"counts", "pin", "principal", "groups"}
    assert policies.thresholds == {"calls": (9, 50), "sends": (5,)}


@pytest.mark.behaviour("policy.total")
@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    st.tuples(st.text(), st.text(), st.text(), st.text()),
    st.lists(st.text(), max_size=3).map(tuple),
    st.binary(),
    st.none() | st.binary(),
)
def test_every_question_gets_a_verdict(
    make: Make,
    forbid: Forbid,
    words: tuple[str, str, str, str],
    groups: tuple[str, ...],
    raw: bytes,
    input_schema: bytes | None,
) -> None:
    who, server, target, pin = words
    question = Question(who, groups, "call_tool", server, target, pin, groups, raw)
    verdict = make(forbid("big", BIG)).decide(question, input_schema)
    assert verdict.effect is Effect.DENY


@pytest.mark.behaviour("policy.error-denies")
@pytest.mark.parametrize("name", ["principal", "server", "target"])
def test_a_name_that_is_no_text_is_denied(make: Make, name: str) -> None:
    policies = make()
    assert policies.decide(call()).rules == ("allow",)
    assert policies.decide(call(**{name: "\ud800"})) == FAILED


@pytest.mark.behaviour("policy.error-denies")
@pytest.mark.parametrize("name", ["pin", "findings", "labels", "flow", "counts", "times"])
@pytest.mark.parametrize("broken", ["\ud800", 1.5, None, 2**70, {"__entity": {"type": "Agent", "id": "x"}}])
def test_a_context_that_cedar_cannot_hold_is_denied(make: Make, forbid: Forbid, name: str, broken: Any) -> None:
    is_set = name != "pin"
    policies = make(forbid("x", f'context.{name}.contains("x_over_1")' if is_set else 'context.pin == "held"'))
    assert policies.decide(call()).rules == ("allow",)
    verdict = policies.decide(call(**{name: ("a", broken) if is_set else broken}))
    assert verdict.effect is Effect.DENY


@pytest.mark.behaviour("policy.total")
def test_a_failure_of_cedar_itself_is_a_deny(make: Make, monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(*_: Any, **__: Any) -> None:
        raise RuntimeError("broken")

    policies = make()
    monkeypatch.setattr(cedarpy, "is_authorized", broken)
    assert policies.decide(call()) == FAILED


def test_many_threads_get_the_same_answers(make: Make, forbid: Forbid) -> None:
    policies = make(forbid("big", BIG))
    wrong: list[Any] = []

    def ask() -> None:
        for number in range(200):
            amount = 900 + number
            rules = policies.decide(call({"amount": amount}), schema()).rules
            if rules != (("big",) if amount > 1000 else ("allow",)):
                wrong.append((amount, rules))

    threads = [threading.Thread(target=ask) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert wrong == []


def test_without_policies_there_is_no_engine(tmp_path: Path) -> None:
    with pytest.raises(Misconfigured):
        PolicyEngine.load(tmp_path)


def test_users_policies_stand_beside_the_starter_set(tmp_path: Path) -> None:
    from_users = '@id("mine") @reason("No.") forbid (principal, action, resource == Tool::"bank/pay");'
    (tmp_path / "mine.cedar").write_text(from_users)
    policies = PolicyEngine.load([content_folder("policies"), tmp_path])
    assert policies.decide(call()).rules == ("mine",)
    assert policies.decide(call(target="see")).rules == ("starter.allow-known-agents",)
