"""Attacks run against an estate that is up, whoever started it. What an attack is stands in `exercise.attacks`."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

from watchkeeper.app.administration import Administration
from watchkeeper.app.estate import RunningEstate
from watchkeeper.app.settings import load
from watchkeeper.app.standing import is_well, standing
from watchkeeper.core.errors import Conflict
from watchkeeper.exercise.attacks.catalogue import chosen
from watchkeeper.exercise.attacks.model import Outcome
from watchkeeper.exercise.attacks.running import Range
from watchkeeper.exercise.ports import Cleared
from watchkeeper.exercise.stage import TRAINING


@dataclass(frozen=True)
class Attacked:
    """A run of attacks."""

    outcomes: list[Outcome]
    cleared: Cleared
    """What of it was lifted and closed again, and what an earlier exercise had left."""


def attack(
    data_dir: Path, urls: Mapping[str, str], names: tuple[str, ...], told: Callable[[Outcome], None]
) -> Attacked:
    """Run attacks against this estate; each that could be run is recorded. Raises `NotFound`."""
    ask = Administration(data_dir)

    def note(outcome: Outcome) -> None:
        told(outcome)
        if not outcome.failed:
            ask.call("exercise.attacked", name=outcome.name, seen=outcome.is_detected, fact=outcome.fact())

    course = Range(RunningEstate(data_dir, urls), note)
    outcomes = asyncio.run(course.run(chosen(names)))
    return Attacked(outcomes, course.cleared)


def stage_of(data_dir: Path) -> dict[str, str] | None:
    """Server → address, when an estate runs there that has the exercise's own server; None when none runs.

    Raises `Conflict` for one without it: a server that somebody works with is not attacked.
    """
    rows = standing(data_dir)
    if all(row["state"] == "stopped" for row in rows):
        return None
    urls = {name: url for row in rows for name, url in row["facts"].get("addresses", {}).items()}
    if TRAINING in urls and TRAINING not in load(None, data_dir).settings.servers and is_well(rows):
        return urls
    raise Conflict(
        f"what runs on {data_dir} has no server to exercise with",
        hint="stop it and run this again, or start it with `watchkeeper up --demo`",
    )
