"""A rule drafted from a hunt's rows, tried and linted. Writes nothing, and enables nothing."""

from __future__ import annotations

import hashlib
import tempfile
from collections.abc import Mapping, Sequence
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

from watchkeeper.core.content import content_folder
from watchkeeper.core.errors import Invalid
from watchkeeper.core.ids import derived_id
from watchkeeper.detect.check import check
from watchkeeper.detect.hunts.behind import beside, events_behind
from watchkeeper.detect.hunts.drafting import draft
from watchkeeper.detect.hunts.model import Hunt
from watchkeeper.detect.hunts.standing.findings import heading_of
from watchkeeper.detect.linting.linting import lint
from watchkeeper.detect.linting.model import Problem
from watchkeeper.detect.proving.frameworks import load_frameworks
from watchkeeper.detect.proving.model import Framework
from watchkeeper.detect.sigma.rules import parse_rule
from watchkeeper.events.lake.search import Search
from watchkeeper.web.detection import Drafted

if TYPE_CHECKING:
    from watchkeeper.events.lake.sql.model import Answer

_TENANT = "default"


def sketched(search: Search, hunt: Hunt, found: Answer, chosen: Sequence[Mapping[str, Any]], level: str) -> Drafted:
    """The same rows give the same draft, so that what is downloaded is what was read. Raises `Invalid`."""
    types = dict(zip(found.columns, found.types, strict=True))
    events = events_behind(search, chosen, types, _TENANT)
    if not events:
        raise Invalid("no event stands behind these rows", hint="choose rows that name an event's id, or who and when")
    near = beside(search, events, [dict(row) for row in found.records()], _TENANT)
    rule_id = derived_id("hunt draft", _TENANT, hunt.name, level, *sorted(event.id for event in events))
    text = draft(heading_of(hunt, level), events, near, rule_id)
    outcome = check(parse_rule(text, "draft"))
    digest = hashlib.sha256(text.encode()).hexdigest()
    return Drafted(f"{hunt.name}_draft.yml", text, digest, outcome.examples, outcome.wrong, _problems(text, hunt.name))


def _problems(text: str, name: str) -> tuple[Problem, ...]:
    with tempfile.TemporaryDirectory(prefix="watchkeeper-draft-") as folder:
        file = Path(folder) / f"{name}_draft.yml"
        file.write_text(text, encoding="utf-8")
        return lint([file], _frameworks()).problems


@cache
def _frameworks() -> tuple[Framework, ...]:
    return tuple(load_frameworks(content_folder("frameworks")))
