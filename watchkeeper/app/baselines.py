"""Baselines, wired: which there are, how they stand, and what an operator does to them.

An order is a record: the detector does it when it comes by it, so a restart forgets none and a replay repeats it.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

from watchkeeper.core.content import content_folder
from watchkeeper.core.errors import NotFound
from watchkeeper.detect.baselines.engine import Held, described
from watchkeeper.detect.baselines.loading import load_baselines
from watchkeeper.detect.baselines.model import Baseline
from watchkeeper.detect.baselines.stage import FORGOTTEN, FROZEN, THAWED, BaselineStage, held_of, rest_of
from watchkeeper.detect.settings import DetectSettings
from watchkeeper.detect.stream.arrangement import remembered
from watchkeeper.detect.stream.partition import Partition
from watchkeeper.events import Severity, new_event

if TYPE_CHECKING:
    from watchkeeper.app.platform import Platform

_TENANT = "default"


def baselines_of(folder: str) -> tuple[Baseline, ...]:
    """Those that come with the product, and those of a folder of one's own. Raises `Misconfigured`."""
    return load_baselines([content_folder("baselines"), *([Path(folder)] if folder else [])])


def stage_of(settings: DetectSettings, partition: Partition) -> BaselineStage:
    """What looks at every call."""
    baselines = baselines_of(settings.baselines)
    return BaselineStage(baselines, subjects=settings.baseline_subjects, owns=partition.owns)


class Baselining:
    """The acts."""

    def __init__(self, platform: Platform) -> None:
        self._on = platform
        self.acts: dict[str, Callable[[dict[str, Any]], Any]] = {
            "baselines.list": self.all,
            "baselines.show": self.show,
            "baselines.freeze": lambda asked: self._order(FROZEN, asked),
            "baselines.thaw": lambda asked: self._order(THAWED, asked),
            "baselines.forget": lambda asked: self._order(FORGOTTEN, asked),
        }

    def all(self, asked: dict[str, Any]) -> Any:
        """How every subject stands, or those of one baseline; without what is known of each."""
        baselines = _chosen(asked)
        now, frozen = self._on.clock.now(), rest_of(remembered(self._on.database, "baselines", "*")).frozen
        standing = [described(held, now, frozen) | {"known": None} for held in self._held(baselines)]
        order = sorted(standing, key=lambda one: (one["baseline"], list(one["subject"].values())))
        named = [
            {
                "name": one.heading.name,
                "title": one.heading.title,
                "level": one.heading.level.name.lower(),
                "subjects": sum(said["baseline"] == one.heading.name for said in order),
                "frozen": one.heading.id in frozen,
            }
            for one in baselines
        ]
        return {"baselines": named, "subjects": order}

    def show(self, asked: dict[str, Any]) -> Any:
        """How one subject stands, what is known of it, and what would surprise."""
        (baseline,) = _chosen(asked)
        now, frozen = self._on.clock.now(), rest_of(remembered(self._on.database, "baselines", "*")).frozen
        subject = (_TENANT, *asked["subject"])
        for held in self._held((baseline,)):
            if held.subject == subject:
                return described(held, now, frozen) | {"says": held.learner.explain(now)}
        raise NotFound(
            f"{baseline.heading.name} knows nothing of {' '.join(asked['subject'])}",
            hint="`watchkeeper baselines list`",
        )

    def _order(self, kind: str, asked: dict[str, Any]) -> Any:
        (baseline,) = _chosen(asked)
        subject = list(asked["subject"])
        if subject:
            self.show(asked)  # raises when there is none
        heading = baseline.heading
        body = {"baseline": heading.id, "subject": subject, "reason": asked["reason"]}
        event = new_event(
            self._on.clock.now(),
            kind,
            actor=asked["by"],
            target=heading.name,
            outcome="success",
            severity=Severity.LOW,
            body=body,
        )
        self._on.journal.record(event)
        return {"kind": kind, "baseline": heading.name, "subject": subject}

    def _held(self, baselines: tuple[Baseline, ...]) -> list[Held]:
        known = {one.heading.id: one for one in baselines}
        prefix = baselines[0].heading.id if len(baselines) == 1 else ""
        rows = remembered(self._on.database, "baselines", prefix)
        found = (held_of(row, known) for key, row in rows.items() if not key.startswith("*"))
        return [held for held in found if held is not None and held.subject[0] == _TENANT]


def _chosen(asked: dict[str, Any]) -> tuple[Baseline, ...]:
    """The baseline of this name, or all of them. Raises `NotFound`."""
    baselines, name = baselines_of(str(asked.get("folder", ""))), str(asked.get("baseline", ""))
    chosen = tuple(one for one in baselines if not name or name in (one.heading.name, one.heading.id))
    if not chosen:
        raise NotFound(f"there is no baseline {name}", hint="`watchkeeper baselines list` names them")
    return chosen
