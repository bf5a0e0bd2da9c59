"""Definitions of baselines from YAML, strictly: the first flaw is an error with its file."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from pathlib import Path
from typing import Annotated, Any
from uuid import UUID

import msgspec
from msgspec import Meta

from watchkeeper.core.errors import Misconfigured
from watchkeeper.detect.baselines.model import FITS, Baseline, Kind, Learn, Of
from watchkeeper.detect.model import Heading
from watchkeeper.detect.sigma.files.documents import documents_of
from watchkeeper.events import Severity

_SUBJECT = frozenset({"actor", "server", "tool"})


class Usual(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Calls that come again and again."""

    call: dict[str, Any]
    every_minutes: Annotated[float, Meta(gt=0)]
    days: Annotated[float, Meta(gt=0, le=90)]
    hours: tuple[int, int] = (0, 24)
    """Hours of the day in UTC, the second not among them."""
    number: Annotated[int, Meta(ge=1, le=100)] = 1
    """Different ones: `{n}` in a text is 0, 1, …"""


class Trial(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What was usual, and whether what comes then is told."""

    usual: list[Usual]
    then: list[dict[str, Any]]
    """Calls, one a second; `repeat` makes many of one, and `{n}` counts them."""
    told: bool
    hour: Annotated[int, Meta(ge=0, le=23)] = 12
    """Of the day after, in UTC."""


class _Said(msgspec.Struct, forbid_unknown_fields=True):
    id: str
    name: str
    title: str
    description: str
    kind: Kind
    subject: list[str]
    of: Of
    threshold: Annotated[float, Meta(gt=0)]
    level: str
    learn: Learn = Learn()
    least: float = 0.0
    factor: float = 1.0
    tags: tuple[str, ...] = ()
    falsepositives: tuple[str, ...] = ()
    response: str = ""
    tests: list[Trial] = []


def load_baselines(folders: Iterable[Path]) -> tuple[Baseline, ...]:
    """The baselines of the folders, by id. Raises `Misconfigured`."""
    return tuple(baseline for baseline, _ in load_with_trials(folders))


def load_with_trials(folders: Iterable[Path]) -> list[tuple[Baseline, list[Trial]]]:
    """The same with the tests in their files."""
    found: dict[str, tuple[Baseline, list[Trial]]] = {}
    for folder in folders:
        for path in sorted(one for one in folder.rglob("*") if one.suffix in (".yml", ".yaml")):
            try:
                for document in documents_of(path):
                    baseline, trials = _read(document.content, str(path))
                    if baseline.heading.id in found:
                        raise Misconfigured(f"the id {baseline.heading.id} is there twice")
                    found[baseline.heading.id] = (baseline, trials)
            except (Misconfigured, msgspec.ValidationError) as error:
                reason, hint = (error.reason, error.hint) if isinstance(error, Misconfigured) else (str(error), "")
                raise Misconfigured(f"{path}: {reason}", hint=hint or "see docs/concepts/baselines.md") from error
    return [found[id] for id in sorted(found)]


def _read(content: dict[str, Any], source: str) -> tuple[Baseline, list[Trial]]:
    said = msgspec.convert(content, _Said, strict=False)
    _refuse(said)
    decides = [said.kind, said.subject, said.of, said.learn, said.threshold, said.least, said.factor]
    heading = Heading(
        id=said.id,
        name=said.name,
        title=said.title,
        level=Severity[said.level.upper()],
        tags=said.tags,
        falsepositives=said.falsepositives,
        response=said.response.strip(),
        version=hashlib.sha256(msgspec.json.encode(decides)).hexdigest()[:16],
        source=source,
    )
    return Baseline(
        heading=heading, kind=said.kind, subject=tuple(said.subject), of=said.of, learn=said.learn,
        threshold=said.threshold, least=said.least, factor=said.factor,
    ), said.tests  # fmt: skip


def _refuse(said: _Said) -> None:
    try:
        UUID(said.id)
    except ValueError as error:
        raise Misconfigured("the id is no UUID") from error
    if not said.subject or not set(said.subject) <= _SUBJECT or len(set(said.subject)) < len(said.subject):
        raise Misconfigured(f"subject may hold {', '.join(sorted(_SUBJECT))}")
    if said.of not in FITS[said.kind]:
        raise Misconfigured(f"{said.kind} is not of {said.of}", hint=f"one of {', '.join(sorted(FITS[said.kind]))}")
    if said.level.upper() not in Severity.__members__:
        raise Misconfigured(f"there is no level {said.level}")
    if said.learn.observations < 1 or said.learn.days < 0 or said.learn.half_life_days <= 0:
        raise Misconfigured("learn holds a number that is too small")
