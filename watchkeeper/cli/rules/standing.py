"""What each rule may do in an estate, for the commands that show it."""

from __future__ import annotations

from pathlib import Path

import msgspec

from watchkeeper.app.administration import Administration
from watchkeeper.app.ranking import own_folder
from watchkeeper.app.settings import Loaded
from watchkeeper.core.errors import NotFound
from watchkeeper.detect.check import check
from watchkeeper.detect.model import Rule
from watchkeeper.detect.proving.standing import Decided, standing


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


def stands_of(loaded: Loaded, rules: tuple[Rule, ...]) -> list[Stands]:
    """Of each rule; where nothing ever ran, nothing was decided."""
    try:
        rows = Administration(loaded.data_dir).call("rules.decided")
    except NotFound:
        rows = []
    decided = {row["rule"]: msgspec.convert(row, Decided) for row in rows}
    own = own_folder(loaded)
    return [_stands(rule, decided.get(rule.id) or Decided(rule.id), own) for rule in rules]


def _stands(rule: Rule, decided: Decided, own: Path | None) -> Stands:
    is_own = bool(own and Path(rule.source).is_relative_to(own))
    found = standing(decided, is_own=is_own, passes=not is_own or not check(rule).wrong)
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
