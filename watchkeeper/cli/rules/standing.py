"""What each rule may do in an estate, for the commands that show it."""

from __future__ import annotations

from pathlib import Path

import msgspec

from watchkeeper.app.administration import Administration
from watchkeeper.app.ranking import own_folder
from watchkeeper.app.settings import Loaded
from watchkeeper.cli.rules.given import headings_of, outcomes_of
from watchkeeper.core.errors import NotFound
from watchkeeper.detect.model import Heading
from watchkeeper.detect.proving.standing import Decided, standing
from watchkeeper.detect.sigma.rules import Detections


class Stands(msgspec.Struct, frozen=True):
    """One rule's."""

    name: str
    rule: str
    state: str
    why: str
    is_own: bool
    simulated_at: int
    days: int
    wakes: int
    is_current: bool
    """Whether it was simulated as it is now."""


def stands_of(loaded: Loaded, detections: Detections) -> list[Stands]:
    """Of each rule; where nothing ever ran, nothing was decided."""
    try:
        rows = Administration(loaded.data_dir).call("rules.decided")
    except NotFound:
        rows = []
    decided = {row["rule"]: msgspec.convert(row, Decided) for row in rows}
    own = own_folder(loaded)
    failing = {name for name, outcome in outcomes_of(detections).items() if outcome.wrong}
    return [
        _stands(rule, decided.get(rule.id) or Decided(rule.id), own, passes=rule.id not in failing)
        for rule in headings_of(detections)
    ]


def _stands(rule: Heading, decided: Decided, own: Path | None, *, passes: bool) -> Stands:
    is_own = bool(own and Path(rule.source).is_relative_to(own))
    found = standing(decided, is_own=is_own, passes=passes)
    return Stands(
        name=rule.name,
        rule=rule.id,
        state=found.state.value,
        why=found.why,
        is_own=is_own,
        simulated_at=decided.simulated_at,
        days=decided.days,
        wakes=decided.wakes,
        is_current=decided.simulated == rule.version,
    )
