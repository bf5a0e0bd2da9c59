"""The engine held against the oracle, pair by pair."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from tests.policy.oracle.outcome import Outcome, outcome_of
from tests.policy.oracle.pairs import Maker
from tests.policy.oracle.text import text_of
from watchkeeper.policy import Policy, PolicyEngine, Verdict
from watchkeeper.policy.annotations import terms_of
from watchkeeper.policy.reads import reads_of

QUESTIONS = 40
"""Asked of one set."""


@dataclass
class Tally:
    """How it went."""

    pairs: int = 0
    sets: int = 0
    by_effect: Counter[str] = field(default_factory=Counter)
    erred: int = 0
    """Pairs in which a policy in force errs, so that the answer has to be a deny."""
    erred_and_not_denied: int = 0
    shadowed: int = 0
    disagreements: list[str] = field(default_factory=list)


def run(pairs: int, seed: int, folder: Path) -> Tally:
    """Ask until there are so many pairs."""
    tally = Tally()
    for number, (engine, trees, maker) in enumerate(_sets(seed, folder)):
        for question, raw in maker.questions(QUESTIONS):
            if tally.pairs == pairs:
                return tally
            schema = None if raw is None else json.loads(raw)
            verdict, expected = engine.decide(question, raw), outcome_of(trees, question, schema)
            _note(tally, verdict, expected, f"set {number}, {question}")
        tally.sets += 1
    return tally


def engine_of(trees: list[dict[str, Any]]) -> PolicyEngine:
    """An engine over trees that no validation saw."""
    return PolicyEngine([_policy(tree) for tree in trees])


def _sets(seed: int, folder: Path) -> Iterator[tuple[PolicyEngine, list[dict[str, Any]], Maker]]:
    number = 0
    while True:
        maker = Maker(seed * 1_000_003 + number)
        count = maker.chance.choice([1, 2, 4, 8])
        if number % 2:
            trees = maker.raw(count)
            yield engine_of(trees), trees, maker
        else:
            trees = maker.written(count)
            (folder / "set.cedar").write_text("".join(map(text_of, trees)))
            yield PolicyEngine.load(folder), trees, maker
        number += 1


def _note(tally: Tally, verdict: Verdict, expected: Outcome, where: str) -> None:
    tally.pairs += 1
    tally.by_effect[expected.effect] += 1
    if expected.rules == ("policy.error",):
        tally.erred += 1
        tally.erred_and_not_denied += verdict.effect != "deny"
    tally.shadowed += expected.would is not None
    said = Outcome(
        verdict.effect.value,
        verdict.rules,
        tuple(obligation.policy for obligation in verdict.obligations),
        None if verdict.would is None else verdict.would.value,
        verdict.shadowed,
    )
    if said != expected:
        tally.disagreements.append(f"{where}: the engine says {said}, the oracle {expected}")


def _policy(tree: dict[str, Any]) -> Policy:
    notes = tree["annotations"]
    is_forbid = tree["effect"] == "forbid"
    terms = terms_of(notes["id"], is_forbid, notes)
    return Policy(notes["id"], notes["reason"], is_forbid, tree, reads_of(tree), "", 1, terms)
