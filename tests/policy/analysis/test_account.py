from __future__ import annotations

from pathlib import Path

import pytest

from watchkeeper.policy import Effect, PolicyEngine, Question
from watchkeeper.policy.analysis.account import account

POLICIES = """
@id("all") @reason("r") permit (principal, action, resource);
@id("main") @reason("r") forbid (principal, action == Action::"call_tool", resource == Tool::"git/push")
when { context.arguments has branch && context.arguments.branch == "main" };
@id("secret") @reason("r") forbid (principal, action == Action::"call_tool", resource)
when { context.findings.contains("secret") };
@id("staff") @reason("r") @effect("ask") forbid (principal in Group::"staff", action, resource in Server::"git");
@id("tried") @reason("r") @mode("shadow") forbid (principal, action, resource) unless { context.pin == "held" };
"""
SCHEMA = b'{"type":"object","properties":{"branch":{"type":"string"}}}'
PUSH = Question("ann", server="git", target="push", pin="approved", arguments=b'{"branch":"main"}')


@pytest.fixture
def engine(tmp_path: Path) -> PolicyEngine:
    (tmp_path / "a.cedar").write_text(POLICIES)
    return PolicyEngine.load(tmp_path)


@pytest.mark.behaviour("policy.explain")
def test_who_spoke_who_nearly_did_and_what_would_change_it(engine: PolicyEngine) -> None:
    found = account(engine, PUSH, SCHEMA)
    assert found.verdict is not None
    assert (found.verdict.effect, found.verdict.rules) == (Effect.DENY, ("main",))
    assert {one.policy: (one.state, one.unmet) for one in found.policies} == {
        "all": ("spoke", ()),
        "main": ("spoke", ()),
        "secret": ("nearly", ('context.findings.contains("secret")',)),
        "staff": ("nearly", ('principal in Group::"staff"',)),
        "tried": ("spoke", ()),
    }
    assert {"arguments.branch", "findings"} <= set(found.reads)
    assert found.turns == ("without main: allow",)


@pytest.mark.behaviour("policy.explain")
def test_a_missing_condition_is_said_with_what_it_would_bring(engine: PolicyEngine) -> None:
    other = Question("ann", server="git", target="push", pin="approved", arguments=b'{"branch":"dev"}')
    found = account(engine, other, SCHEMA)
    (main,) = (one for one in found.policies if one.policy == "main")
    assert (main.state, main.unmet) == ("nearly", ('context.arguments.branch == "main"',))
    assert any("main would speak: deny" in turn for turn in found.turns)
    assert any("staff would speak: ask" in turn for turn in found.turns)


@pytest.mark.behaviour("policy.never-guesses")
def test_redacted_arguments_are_never_guessed(engine: PolicyEngine) -> None:
    bare = Question("ann", server="git", target="push", pin="approved")
    found = account(engine, bare, SCHEMA, is_whole=False)
    assert (found.verdict, found.why) == (None, "arguments were redacted")
    (main,) = (one for one in found.policies if one.policy == "main")
    assert (main.state, main.note) == ("unknown", "inconclusive: arguments were redacted")
    stopped = Question("ann", server="git", target="push", pin="approved", findings=("secret",))
    certain = account(engine, stopped, SCHEMA, is_whole=False).verdict
    assert certain is not None
    assert (certain.effect, certain.rules) == (Effect.DENY, ("secret",))


def test_arguments_that_cannot_be_judged_are_said(engine: PolicyEngine) -> None:
    odd = Question("ann", server="git", target="push", pin="approved", arguments=b'{"branch":3}')
    found = account(engine, odd, SCHEMA)
    assert {one.policy for one in found.policies if one.state == "refused"} == {"main"}
    assert found.verdict is not None
    assert found.verdict.rules == ("policy.arguments",)
