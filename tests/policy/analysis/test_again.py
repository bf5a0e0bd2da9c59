from __future__ import annotations

from pathlib import Path

import pytest

from watchkeeper.policy import Effect, PolicyEngine, Question
from watchkeeper.policy.analysis.again import REDACTED, UNLISTED, Decision, newly, replay

POLICIES = """
@id("all") @reason("r") permit (principal, action, resource);
@id("main") @reason("r") forbid (principal, action == Action::"call_tool", resource == Tool::"git/push")
when { context.arguments has branch && context.arguments.branch == "main" };
@id("ask") @reason("r") @effect("ask") forbid (principal, action, resource == Tool::"mail/send");
"""
SCHEMAS = {"git/push": b'{"type":"object","properties":{"branch":{"type":"string"}}}'}


def decided(
    name: str, server: str, target: str, effect: Effect, raw: bytes = b"", *, is_whole: bool = True
) -> Decision:
    question = Question("ann", server=server, target=target, pin="approved", arguments=raw)
    return Decision(name, 1, "request", question, effect, ("old",), is_whole)


@pytest.mark.behaviour("policy.replay")
def test_the_blast_radius_has_three_answers(tmp_path: Path) -> None:
    (tmp_path / "a.cedar").write_text(POLICIES)
    blast = replay(
        PolicyEngine.load(tmp_path),
        [
            decided("e1", "git", "push", Effect.ALLOW, b'{"branch":"main"}'),
            decided("e2", "git", "push", Effect.ALLOW, b'{"branch":"dev"}'),
            decided("e3", "git", "push", Effect.ALLOW, is_whole=False),
            decided("e4", "mail", "send", Effect.DENY),
            decided("e5", "mail", "read", Effect.DENY),
            Decision("e6", 1, "request", None, Effect.DENY, missing="it was recorded before"),
        ],
        SCHEMAS,
    )
    assert (blast.decided, blast.changed, blast.unchanged, blast.inconclusive) == (6, 3, 1, 2)
    assert blast.changes == {"allow → deny": 1, "deny → ask": 1, "deny → allow": 1}
    assert blast.examples == {"allow → deny": ["e1"], "deny → ask": ["e4"], "deny → allow": ["e5"]}
    assert blast.by_target == {"git/push": 1, "mail/send": 1, "mail/read": 1}
    assert blast.by_principal == {"ann": 3}
    assert blast.by_policy == {"main": 1, "ask": 1, "all": 1, "old": 3}
    assert blast.reasons == {REDACTED: 1, "it was recorded before": 1}
    assert (newly(blast, allowed=True), newly(blast, allowed=False)) == (2, 1)


@pytest.mark.behaviour("policy.never-guesses")
def test_a_tool_of_unknown_definition_is_inconclusive_where_a_policy_reads_arguments(tmp_path: Path) -> None:
    (tmp_path / "a.cedar").write_text(POLICIES)
    blast = replay(PolicyEngine.load(tmp_path), [decided("e1", "git", "push", Effect.ALLOW, b"{}")], {})
    assert blast.reasons == {UNLISTED: 1}
