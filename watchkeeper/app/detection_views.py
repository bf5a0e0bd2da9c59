"""What the console shows of hunts and of coverage, read from where it lies."""

from __future__ import annotations

import threading
from collections.abc import Mapping, Sequence
from pathlib import Path

from watchkeeper.app.hunting import book_of
from watchkeeper.app.lakes import lake_in, search_in
from watchkeeper.app.platform import Platform
from watchkeeper.app.ranking import own_folder, register_of
from watchkeeper.app.rulebook import detections_of
from watchkeeper.app.settings import Loaded
from watchkeeper.core.clock import SECOND
from watchkeeper.core.content import content_folder
from watchkeeper.core.errors import Misconfigured, Unavailable
from watchkeeper.detect.check import check, check_correlation
from watchkeeper.detect.hunts.loading import find
from watchkeeper.detect.hunts.own import known_hunts
from watchkeeper.detect.hunts.own import own_folder as own_hunts
from watchkeeper.detect.hunts.parameters import from_words, values
from watchkeeper.detect.hunts.standing.model import Run
from watchkeeper.detect.model import Heading
from watchkeeper.detect.proving.backtest import choose
from watchkeeper.detect.proving.coverage import EXECUTED, executed_in, matrix
from watchkeeper.detect.proving.frameworks import load_frameworks
from watchkeeper.detect.proving.model import Proof
from watchkeeper.detect.proving.standing import Decided, State, standing
from watchkeeper.detect.sigma.rules import Detections
from watchkeeper.events.lake.sql.model import Answer, Limits, Range
from watchkeeper.events.query.language import parse_time
from watchkeeper.web.detection import Coverage, HuntRow

_LIMITS = Limits(rows=200, seconds=20.0, memory=1024**3)
_FRESH = 60 * SECOND
_ATTACKS = 10_000
_TENANT = "default"


class HuntsView:
    """One query at a time: a page that is loaded again and again must not fill the machine."""

    def __init__(self, platform: Platform) -> None:
        self._on = platform
        self._book = book_of(platform)
        self._turn = threading.Lock()

    def list(self) -> Sequence[HuntRow]:
        schedules = {one.hunt: one for one in self._book.schedules() if one.tenant == _TENANT}
        last: dict[str, Run] = {}
        for run in self._book.runs(limit=200):
            last.setdefault(run.hunt, run)
        return [
            HuntRow(hunt, self._is_own(hunt.source), schedules.get(name), last.get(name))
            for name, hunt in known_hunts(self._on.data_dir).items()
        ]

    def show(self, name: str) -> HuntRow:
        find(known_hunts(self._on.data_dir), name)
        return next(row for row in self.list() if row.hunt.name == name)

    def runs(self, name: str) -> Sequence[Run]:
        return self._book.runs(name)

    def run(self, name: str, said: Mapping[str, str], since: str) -> Answer:
        hunt = find(known_hunts(self._on.data_dir), name)
        words = [
            f"{key}={part}"
            for key, value in said.items()
            if value
            for part in (value.split("\n") if hunt.parameters[key].type == "texts" else [value])
            if part.strip()
        ]
        span = since or hunt.range
        now = self._on.clock.now()
        lake = lake_in(self._on.data_dir, _TENANT)
        asked = Range(None if span == "all" else parse_time(span, now), None)
        prepared = lake.prepare(hunt.sql, asked, dict(values(hunt, from_words(hunt, words))))
        if not self._turn.acquire(timeout=5):
            raise Unavailable("another hunt is being run", hint="ask again in a moment")
        try:
            return lake.run(prepared, _LIMITS)
        finally:
            self._turn.release()

    def _is_own(self, source: str) -> bool:
        return Path(source).is_relative_to(own_hunts(self._on.data_dir))


class CoverageView:
    """Runs every rule's tests, so it remembers what came of it for a minute."""

    def __init__(self, loaded: Loaded, platform: Platform) -> None:
        self._loaded = loaded
        self._on = platform
        self._turn = threading.Lock()
        self._known: Coverage | None = None
        self._at = 0

    def coverage(self) -> Coverage:
        with self._turn:
            now = self._on.clock.now()
            if self._known is None or now - self._at > _FRESH:
                try:
                    self._known = self._counted()
                except Misconfigured as error:
                    raise Unavailable(error.reason, hint=error.hint) from error
                self._at = now
            return self._known

    def _counted(self) -> Coverage:
        detections = detections_of(self._loaded)
        found = search_in(self._on.data_dir).events(kind=EXECUTED, unbounded=True, limit=_ATTACKS, tenant=_TENANT)
        attacks = executed_in(found)
        proofs = proofs_of(detections, register_of(self._on).all(), own_folder(self._loaded))
        frameworks = load_frameworks(content_folder("frameworks"))
        return Coverage([matrix(one, proofs, attacks) for one in frameworks], attacks)


def proofs_of(detections: Detections, decided: Mapping[str, Decided], own: Path | None) -> list[Proof]:
    """Of every rule and correlation that raises alerts: whether its tests pass, and whether it is enabled."""
    wrong = {rule.id for rule in detections.rules if check(rule).wrong}
    wrong |= {one.heading.id for one in detections.correlations if check_correlation(one, detections).wrong}

    def is_enabled(one: Heading) -> bool:
        is_own = bool(own and Path(one.source).is_relative_to(own))
        known = decided.get(one.id) or Decided(one.id)
        return standing(known, is_own=is_own, passes=one.id not in wrong).state is State.ENABLED

    return [Proof(one.name, one.tags, one.id not in wrong, is_enabled(one)) for one in choose(detections).headings]
