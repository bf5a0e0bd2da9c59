"""What the console shows of coverage, read from where it lies."""

from __future__ import annotations

import threading
from collections.abc import Mapping
from pathlib import Path

from watchkeeper.app.lakes import search_in
from watchkeeper.app.platform import Platform
from watchkeeper.app.ranking import own_folder, register_of
from watchkeeper.app.rulebook import detections_of
from watchkeeper.app.settings import Loaded
from watchkeeper.core.clock import SECOND
from watchkeeper.core.content import content_folder
from watchkeeper.core.errors import Misconfigured, Unavailable
from watchkeeper.detect.check import check, check_correlation
from watchkeeper.detect.model import Heading
from watchkeeper.detect.proving.backtest import choose
from watchkeeper.detect.proving.coverage import EXECUTED, executed_in, matrix
from watchkeeper.detect.proving.frameworks import load_frameworks
from watchkeeper.detect.proving.model import Proof
from watchkeeper.detect.proving.standing import Decided, State, standing
from watchkeeper.detect.sigma.rules import Detections
from watchkeeper.web.detection import Coverage

_FRESH = 60 * SECOND
_ATTACKS = 10_000
_TENANT = "default"


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
