"""A question that was decided before, decided again by another set; and how many answers change. No I/O.

What was not kept is not guessed. A policy that reads arguments makes the answer inconclusive where they were redacted,
unless another policy, which reads none, denies whatever they were.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping

import msgspec

from watchkeeper.policy.asking import ask, bench_of
from watchkeeper.policy.engine import PolicyEngine
from watchkeeper.policy.model import Effect, Question, Verdict

REDACTED = "arguments were redacted"
UNLISTED = "the tool's definition is not known here"
EXAMPLES = 5


class Unknown(msgspec.Struct, frozen=True):
    """No answer, and why."""

    reason: str


class Decision(msgspec.Struct, frozen=True):
    """One that was recorded."""

    event: str
    time: int
    part: str
    """Of the exchange: `request`, `answer` or `message`."""
    question: Question | None
    """None where not all of it was kept; `missing` says what."""
    effect: Effect
    """What the policies said, whatever became of it."""
    rules: tuple[str, ...] = ()
    is_whole: bool = True
    """Whether the arguments are in it."""
    missing: str = ""


class Blast(msgspec.Struct):
    """What a set would change of what was decided."""

    decided: int = 0
    unchanged: int = 0
    changed: int = 0
    inconclusive: int = 0
    changes: dict[str, int] = {}
    """Such as `allow → deny`."""
    by_principal: dict[str, int] = {}
    by_target: dict[str, int] = {}
    by_policy: dict[str, int] = {}
    """The policies that speak now and did not, or did and do not now."""
    reasons: dict[str, int] = {}
    """Why answers are inconclusive."""
    examples: dict[str, list[str]] = {}
    """Change → ids of events."""


ORDER = (Effect.DENY, Effect.ASK, Effect.MODIFY, Effect.ALLOW)


def decide_again(
    engine: PolicyEngine, question: Question, schema: bytes | None, *, is_whole: bool = True
) -> Verdict | Unknown:
    """The verdict of a set on a question of which the arguments may be missing."""
    enforced = [policy for policy in engine.covering(question) if not policy.terms.is_shadow]
    if not any(policy.reads for policy in enforced) or (is_whole and schema is not None):
        return engine.decide(question, schema)
    others = [policy for policy in enforced if not policy.reads]
    certain = ask(bench_of(others), question, None).verdict
    if certain.effect is Effect.DENY and certain.rules:
        return certain
    return Unknown(UNLISTED if is_whole else REDACTED)


def replay(engine: PolicyEngine, decisions: Iterable[Decision], schemas: Mapping[str, bytes]) -> Blast:
    """The blast radius."""
    blast = Blast()
    for decision in decisions:
        blast.decided += 1
        if decision.question is None:
            blast.inconclusive += 1
            _count(blast.reasons, decision.missing)
        else:
            _compare(blast, engine, decision, decision.question, schemas)
    return blast


def _compare(
    blast: Blast, engine: PolicyEngine, decision: Decision, question: Question, schemas: Mapping[str, bytes]
) -> None:
    place = f"{question.server}/{question.target}"
    said = decide_again(engine, question, schemas.get(place), is_whole=decision.is_whole)
    if isinstance(said, Unknown):
        blast.inconclusive += 1
        _count(blast.reasons, said.reason)
        return
    if said.effect is decision.effect:
        blast.unchanged += 1
        return
    blast.changed += 1
    kind = f"{decision.effect.value} → {said.effect.value}"
    _count(blast.changes, kind)
    _count(blast.by_principal, question.principal)
    _count(blast.by_target, place if question.target else question.server)
    for policy in set(said.rules) ^ set(decision.rules):
        _count(blast.by_policy, policy)
    examples = blast.examples.setdefault(kind, [])
    if len(examples) < EXAMPLES:
        examples.append(decision.event)


def _count(counts: dict[str, int], name: str) -> None:
    counts[name] = counts.get(name, 0) + 1


def newly(blast: Blast, *, allowed: bool) -> int:
    """How many answers are more lenient, or stricter, than they were."""
    found = 0
    for kind, count in blast.changes.items():
        before, after = (ORDER.index(Effect(word)) for word in kind.split(" → "))
        found += count if (after > before) is allowed else 0
    return found
