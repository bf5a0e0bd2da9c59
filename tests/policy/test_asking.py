"""Soft effects and shadow mode: what they make of a verdict, and what they must not."""

from __future__ import annotations

import itertools
from collections.abc import Callable

import pytest

from watchkeeper.policy import FAILED, Effect, Obligation, PolicyEngine, Question, Verdict

Make = Callable[..., PolicyEngine]
ASK = '@effect("ask")'
MODIFY = '@effect("modify") @classes("secret")'
SHADOW = '@mode("shadow")'
ASKED = Obligation("ask", Effect.ASK, role="responder", quorum=1, expires=900)
MODIFIED = Obligation("modify", Effect.MODIFY, transform="redact", classes=("secret",))


def no(name: str, notes: str = "", condition: str = "true") -> str:
    return (
        f'@id("{name}") @reason("No {name}.") {notes} '
        f'forbid (principal, action == Action::"call_tool", resource) when {{ {condition} }};'
    )


def yes(name: str, notes: str = "", condition: str = "true") -> str:
    return no(name, notes, condition).replace("forbid", "permit").replace("No ", "Yes ")


def call(**members: object) -> Question:
    return Question(**{"principal": "laptop", "server": "bank", "target": "pay"} | members)  # type: ignore[arg-type]


@pytest.mark.behaviour("policy.soft-effects")
def test_a_soft_no_becomes_a_question_or_a_change_with_what_it_demands(make: Make) -> None:
    asked = make(no("ask", ASK)).decide(call())
    assert asked == Verdict(Effect.ASK, ("ask",), "No ask.", obligations=(ASKED,))
    changed = make(no("modify", MODIFY)).decide(call())
    assert changed == Verdict(Effect.MODIFY, ("modify",), "No modify.", obligations=(MODIFIED,))


@pytest.mark.behaviour("policy.soft-effects")
@pytest.mark.parametrize("spoken", [names for n in range(5) for names in itertools.combinations("dams", n)])
def test_deny_comes_before_ask_before_modify_before_allow(make: Make, spoken: tuple[str, ...]) -> None:
    texts = {"d": no("deny"), "a": no("ask", ASK), "m": no("modify", MODIFY), "s": no("other", ASK)}
    verdict = make(*(texts[name] for name in spoken)).decide(call())
    effects = [("d", Effect.DENY), ("a", Effect.ASK), ("s", Effect.ASK), ("m", Effect.MODIFY)]
    assert verdict.effect is next((effect for name, effect in effects if name in spoken), Effect.ALLOW)
    soft = () if "d" in spoken else tuple(sorted({"a": "ask", "m": "modify", "s": "other"}[n] for n in spoken))
    assert tuple(obligation.policy for obligation in verdict.obligations) == soft


@pytest.mark.behaviour("policy.soft-effects")
def test_what_nothing_permits_is_denied_not_asked_about(make: Make) -> None:
    policies = make(no("ask", ASK), no("modify", MODIFY), allow=False)
    assert (policies.decide(call()).effect, policies.decide(call()).obligations) == (Effect.DENY, ())


def test_the_new_facts_can_be_asked_for(make: Make) -> None:
    condition = (
        'context.labels.contains("sends") && context.flow.contains("private_read") && '
        'context.counts.contains("calls_over_50") && !context.times.contains("office_hours")'
    )
    policies = make(no("leak", "", condition))
    facts = {"labels": ("sends",), "flow": ("private_read",), "counts": ("calls_over_50",)}
    assert policies.decide(call(**facts)).effect is Effect.DENY
    assert policies.decide(call(**facts, times=("office_hours",))).effect is Effect.ALLOW
    for name in facts:
        assert policies.decide(call(**facts | {name: ()})).effect is Effect.ALLOW


@pytest.mark.behaviour("policy.shadow")
@pytest.mark.parametrize(
    ("policies", "allow", "would", "shadowed"),
    [
        ((no("a", SHADOW),), True, Effect.DENY, ("a",)),
        ((no("ask", SHADOW + ASK),), True, Effect.ASK, ("ask",)),
        ((no("a", SHADOW), no("b", SHADOW + ASK)), True, Effect.DENY, ("a",)),
        ((no("a", SHADOW, 'context.pin == "held"'),), True, None, ()),
        ((no("a"), no("b", SHADOW)), True, None, ()),
        ((no("a"), yes("b", SHADOW)), True, None, ()),
        ((yes("b", SHADOW),), False, Effect.ALLOW, ("b",)),
        ((yes("b", SHADOW), no("ask", ASK)), False, Effect.ASK, ("b",)),
        ((yes("b", SHADOW), no("a", SHADOW)), False, None, ()),
        ((no("ask", ASK), no("again", SHADOW + ASK + '@quorum("2")')), True, Effect.ASK, ("again",)),
    ],
)
def test_a_policy_in_shadow_mode_says_what_it_would_change_and_changes_nothing(
    make: Make, policies: tuple[str, ...], allow: bool, would: Effect | None, shadowed: tuple[str, ...]
) -> None:
    verdict = make(*policies, allow=allow).decide(call())
    without = make(*(text for text in policies if SHADOW not in text), yes("never", "", "false"), allow=allow)
    plain = without.decide(call())
    assert (verdict.effect, verdict.rules, verdict.obligations) == (plain.effect, plain.rules, plain.obligations)
    assert (verdict.would, verdict.shadowed) == (would, shadowed)


@pytest.mark.behaviour("policy.shadow")
@pytest.mark.parametrize("schema", [None, b'{"properties":{"n":{"type":"integer"}},"required":["n"]}'])
def test_a_policy_in_shadow_mode_cannot_deny_by_an_error(make: Make, schema: bytes | None) -> None:
    policies = make(no("a", SHADOW, "context.arguments.n * 9223372036854775807 > 1"))
    verdict = policies.decide(call(arguments=b'{"n":3}'), schema)
    assert (verdict.effect, verdict.would, verdict.shadowed) == (Effect.ALLOW, Effect.DENY, ("a",))


@pytest.mark.behaviour("policy.error-denies")
@pytest.mark.parametrize("notes", ["", ASK, MODIFY])
def test_a_forbid_that_errs_denies_however_soft(make: Make, notes: str) -> None:
    policies = make(no("a", notes, "context.arguments.n * 9223372036854775807 > 1"))
    schema = b'{"properties":{"n":{"type":"integer"}},"required":["n"]}'
    assert policies.decide(call(arguments=b'{"n":3}'), schema) == FAILED
