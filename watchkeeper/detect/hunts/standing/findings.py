"""A row that deserves attention as a fact, and as an alert. Pure, so that the same finding has the same ids."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from watchkeeper.core.ids import derived_id
from watchkeeper.detect.alerts.raising import alert_of
from watchkeeper.detect.hunts.model import Hunt
from watchkeeper.detect.model import Detection, Heading
from watchkeeper.events import Event, Position, Severity
from watchkeeper.events.model import VERSION

FOUND = "detect.hunt.found"
_CELLS, _CELL, _NOTE = 40, 500, 4000


def heading_of(hunt: Hunt, level: str) -> Heading:
    """What an alert says about the hunt that raised it."""
    tags = tuple(f"safe-mcp.{name[5:].lower()}" if name.startswith("SAFE-") else _tag(name) for name in hunt.techniques)
    return Heading(
        id=f"hunt:{hunt.name}",
        name=f"hunt_{hunt.name}",
        title=hunt.title,
        level=Severity[level.upper()],
        tags=tags,
        response=hunt.why.strip().partition("\n")[0][:300],
        version=derived_id("hunt", hunt.sql)[:16],
        source=hunt.source,
    )


def found_event(
    hunt: Hunt, row: Mapping[str, Any], digest: str, *, by: str, tenant: str, now: int, note: str = ""
) -> Event:
    """The fact that a row was found; it is about whom and what the row names."""
    return Event(
        v=VERSION,
        id=derived_id("hunt found", tenant, hunt.name, digest, now),
        time=now,
        kind=FOUND,
        tenant=tenant,
        actor=_text(row, "actor"),
        server=_text(row, "server"),
        target=_text(row, "target") or _text(row, "tool"),
        outcome="success",
        labels=("exercise",) if "exercise" in (row.get("labels") or ()) else (),
        body={"hunt": hunt.name, "title": hunt.title, "by": by, "digest": digest, "row": _bounded(row), **_said(note)},
    )


def alert_for_found(hunt: Hunt, found: Event, position: Position, level: str, now: int) -> Event:
    """The alert of a fact that a row was found."""
    by = heading_of(hunt, level)
    detection = Detection(
        by=by,
        event=found,
        position=position,
        group="/".join((found.server, found.target)) if found.server or found.target else found.actor or hunt.name,
        key=(found.id,),
        severity=by.level,
        found={"row": found.body["row"], **_said(found.body.get("note", ""))},
    )
    return alert_of(detection, now)


def _said(note: str) -> dict[str, str]:
    return {"note": note[:_NOTE]} if note.strip() else {}


def _text(row: Mapping[str, Any], name: str) -> str:
    value = row.get(name)
    return value[:_CELL] if isinstance(value, str) else ""


def _bounded(row: Mapping[str, Any]) -> dict[str, Any]:
    """What of a row is kept in a fact: the row itself is found again by its hunt."""
    return {
        str(name): value if isinstance(value, int | float | bool) or value is None else str(value)[:_CELL]
        for name, value in list(row.items())[:_CELLS]
    }


def _tag(technique: str) -> str:
    return f"atlas.{technique.lower()}" if technique.startswith("AML.") else f"attack.{technique.lower()}"
