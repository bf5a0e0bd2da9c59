"""A hit as a detection: which indicators hold for this event, how sure they are, how bad it is. Pure.

An indicator holds by the event's time, never by a clock. A source's confidence counts as far as the source is trusted;
of several sources the surest counts, and all are named.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from watchkeeper.core.ids import derived_id
from watchkeeper.detect.intelligence.looking.finding import Hit
from watchkeeper.detect.intelligence.looking.terms import hold, observed
from watchkeeper.detect.intelligence.model import Indicator, Type
from watchkeeper.detect.model import Detection, Heading
from watchkeeper.events import Event, Position, Severity

_WORDS = {
    Type.IP: "address",
    Type.NETWORK: "address",
    Type.DOMAIN: "name of a host",
    Type.URL: "URL",
    Type.EMAIL: "address of mail",
    Type.HASH: "digest of a file",
    Type.PACKAGE: "package",
    Type.DEFINITION: "definition",
    Type.SERVER: "MCP server",
}
_OURS = frozenset({Type.DEFINITION, Type.PACKAGE, Type.SERVER})
"""What an agent is shown or runs, and does not only speak of: a step worse."""
_MOST_NAMED = 5
_LONGEST = 500


def _heading(kind: Type) -> Heading:
    return Heading(
        id=derived_id("intelligence", kind.value),
        name=f"known_bad_{kind.value}",
        title=f"A known bad {_WORDS[kind]} was seen",
        level=Severity.CRITICAL if kind in _OURS else Severity.HIGH,
        tags=("watchkeeper.intelligence",),
        falsepositives=("The value is spoken of, not used: in a report, a rule, a list of indicators",),
        response="Look at who sent or received it and whether the call was let through; then ask the source.",
        version="1",
        source="intelligence",
    )


HEADINGS = {kind: _heading(kind) for kind in Type}


def detections(
    hits: list[Hit], event: Event, position: Position, time: int, *, minimum: int, is_past: bool = False
) -> Iterator[tuple[Detection, Hit]]:
    """What the hits on one event come to. In the past, an indicator also holds before it was known."""
    shown = None
    for hit in hits:
        holding = [
            one for one in hit.indicators if one.weight >= minimum and one.is_valid(time, from_start=not is_past)
        ]
        if any(one.also for one in holding):
            shown = observed(event) if shown is None else shown
            holding = [one for one in holding if hold(one.also, shown)]
        if holding:
            yield _detection(hit, holding, event, position, is_past=is_past), hit


def severity_of(kind: Type, weight: int) -> Severity:
    """By what it is and how sure that is."""
    base = Severity.HIGH if weight >= 80 else Severity.MEDIUM if weight >= 50 else Severity.LOW
    return Severity(min(Severity.CRITICAL, base + (kind in _OURS)))


def _detection(hit: Hit, holding: list[Indicator], event: Event, position: Position, *, is_past: bool) -> Detection:
    best = max(holding, key=lambda one: (one.weight, one.source, one.id))
    kind = best.type
    found: dict[str, Any] = {
        "indicator": {
            "type": kind.value,
            "value": best.value[:_LONGEST],
            "confidence": best.weight,
            "tlp": best.tlp.value,
        },
        "seen": hit.seen[:_LONGEST],
        "sources": sorted({one.source for one in holding})[:_MOST_NAMED],
        "titles": sorted({one.title for one in holding if one.title})[:_MOST_NAMED],
        "where": where(event, hit.word),
    }
    if is_past:
        found["retro"] = True
    return Detection(
        by=HEADINGS[kind],
        event=event,
        position=position,
        group=hit.key[:_LONGEST],
        key=(event.id, hit.key),
        severity=severity_of(kind, best.weight),
        found=found,
    )


def where(event: Event, word: bytes) -> str:
    """The member of the event in which it stands, as a dotted path; empty when that cannot be told."""
    text = word.decode("utf-8", "replace")
    for name in ("server", "target", "claimed", "actor"):
        if text and text in getattr(event, name):
            return name
    return next((f"body.{path}" for path, value in _leaves(event.body, "", 0) if text and text in value), "")


def _leaves(value: Any, path: str, depth: int) -> Iterator[tuple[str, str]]:
    if isinstance(value, str):
        yield path, value
    elif depth < 16 and isinstance(value, dict):
        for name, inner in value.items():
            yield from _leaves(inner, f"{path}.{name}"[-200:] if path else str(name)[:100], depth + 1)
    elif depth < 16 and isinstance(value, list):
        for inner in value:
            yield from _leaves(inner, path, depth + 1)
