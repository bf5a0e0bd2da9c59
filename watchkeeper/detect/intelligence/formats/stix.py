"""STIX 2.1: bundles, TAXII envelopes, arrays and single objects. Indicators with STIX patterns are taken."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import msgspec

from watchkeeper.core.clock import from_iso
from watchkeeper.core.errors import Invalid
from watchkeeper.detect.intelligence.formats.markings import MARKINGS, of_references, word
from watchkeeper.detect.intelligence.model import LONGEST_TEXT, Draft, Read, Tlp
from watchkeeper.detect.intelligence.patterns.meaning import meaning

_MOST_TAGS = 20
_LONGEST_ID = 200


class _Indicator(msgspec.Struct):
    """The members that count; a bundle's other members and other objects are passed over."""

    type: str
    id: str
    pattern: str = ""
    pattern_type: str = "stix"
    valid_from: str = ""
    valid_until: str = ""
    modified: str = ""
    created: str = ""
    name: str = ""
    confidence: int | None = None
    revoked: bool = False
    object_marking_refs: list[str] = []
    labels: list[str] = []
    indicator_types: list[str] = []


class _Kind(msgspec.Struct):
    type: str = ""
    id: str = ""
    name: str = ""
    definition_type: str = ""
    definition: dict[str, Any] | None = None


class _Many(msgspec.Struct):
    type: str = ""
    objects: list[msgspec.Raw] = []


_many = msgspec.json.Decoder(_Many)
_raws = msgspec.json.Decoder(list[msgspec.Raw])
_kind = msgspec.json.Decoder(_Kind)
_indicator = msgspec.json.Decoder(_Indicator)


def read(data: bytes, most: int) -> Read:
    """The indicators of a document. Raises `Invalid` when it is no STIX at all."""
    found = Read()
    objects = _objects(data)
    if len(objects) > most:
        raise Invalid(f"the file has {len(objects)} objects; at most {most} are read at once")
    markings = _markings(objects)
    for number, raw in enumerate(objects, 1):
        _take(found, raw, number, markings)
    return found


def _objects(data: bytes) -> Sequence[msgspec.Raw]:
    text = data.lstrip()
    try:
        if text[:1] == b"[":
            return _raws.decode(text)
        many = _many.decode(text)
    except (msgspec.MsgspecError, RecursionError) as error:
        raise Invalid(
            f"this is no STIX: {_short(error)}", hint="a bundle, an envelope, or an array of objects"
        ) from error
    return many.objects if many.objects or many.type in ("bundle", "") else [msgspec.Raw(text)]


def _short(error: Exception) -> str:
    return str(error)[:120] or "it is nested too deeply"


def _markings(objects: Sequence[msgspec.Raw]) -> dict[str, Tlp]:
    """TLP definitions that the bundle brings itself, under other ids than the usual ones."""
    found = dict(MARKINGS)
    for raw in objects:
        if b'"marking-definition"' not in bytes(raw):
            continue
        try:
            one = _kind.decode(raw)
        except (msgspec.MsgspecError, RecursionError):
            continue
        said = (one.definition or {}).get("tlp", "")
        tlp = word(said) if one.definition_type == "tlp" and isinstance(said, str) else word(one.name)
        if one.type == "marking-definition" and tlp is not None:
            found.setdefault(one.id, tlp)
    return found


def _take(found: Read, raw: msgspec.Raw, number: int, markings: dict[str, Tlp]) -> None:
    at = f"object {number}"
    try:
        kind = _kind.decode(raw)
        at = kind.id[:_LONGEST_ID] or at
        if kind.type != "indicator":
            found.ignored += 1
            return
        one = _indicator.decode(raw)
        if one.pattern_type != "stix":
            found.refuse(at, f"the pattern is not in STIX's language but in {one.pattern_type[:30]!r}")
            return
        _add(found, one, markings)
    except Invalid as error:
        found.refuse(at, error.reason)
    except (msgspec.MsgspecError, RecursionError):
        found.refuse(at, "the object is not formed as STIX says")


def _add(found: Read, one: _Indicator, markings: dict[str, Tlp]) -> None:
    meant = meaning(one.pattern)
    found.left_out += meant.left_out
    if one.confidence is not None and not 0 <= one.confidence <= 100:
        raise Invalid("the confidence is not between 0 and 100")
    times = {name: _time(getattr(one, name)) for name in ("valid_from", "valid_until", "modified")}
    tlp = of_references(one.object_marking_refs, markings)
    tags = tuple(tag[:LONGEST_TEXT] for tag in (*one.indicator_types, *one.labels)[:_MOST_TAGS])
    for sought in meant.sought:
        found.drafts.append(
            Draft(
                type=sought.type,
                value=sought.value,
                also=sought.also,
                id=one.id[:_LONGEST_ID],
                confidence=one.confidence,
                tlp=tlp,
                title=one.name[:LONGEST_TEXT],
                tags=tags,
                revoked=one.revoked,
                **times,
            )
        )


def _time(text: str) -> int:
    return from_iso(text) if text else 0
