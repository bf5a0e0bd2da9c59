"""Confirmed indicators and their sightings as STIX 2.1. Pure; the same store makes the same objects, ids and all.

An indicator goes out when a person confirmed it, it has not ended, and the strictest marking among *all* sources that
name its value permits it: who told us in confidence is not given away by another who did not.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from itertools import groupby
from typing import Any

import msgspec

from watchkeeper.core.clock import to_iso
from watchkeeper.core.ids import derived_id
from watchkeeper.detect.intelligence.formats.markings import strictest
from watchkeeper.detect.intelligence.model import TLP_ORDER, Indicator, Term, Tlp, Type
from watchkeeper.detect.intelligence.sightings import Sighting

_DIGESTS = {32: "MD5", 40: "'SHA-1'", 64: "'SHA-256'", 128: "'SHA-512'"}
_PATHS = {
    Type.DOMAIN: "domain-name:value",
    Type.URL: "url:value",
    Type.EMAIL: "email-addr:value",
    Type.DEFINITION: "x-mcp-definition:fingerprint",
    Type.SERVER: "x-mcp-server:name",
    Type.PACKAGE: "x-mcp-package:name",
}
_MARKINGS = {
    Tlp.CLEAR: "marking-definition--94868c89-83c2-464b-929b-a1a8aa3c8487",
    Tlp.GREEN: "marking-definition--bab4a63c-aed9-4cf5-a766-dfca5abac2bb",
    Tlp.AMBER: "marking-definition--55d920b0-5e8b-4f79-9ee9-91f868d9b421",
}
"""What can be shared at all."""
_EXTENSION = "extension-definition--60a3c5c5-0d10-413e-aab3-9e08dde9e88d"
_MOST_SEEN = 999_999_999
_LONGEST = 300


class Shared(msgspec.Struct, frozen=True):
    """One object, and when it became one to share."""

    added: int
    object: dict[str, Any]

    @property
    def id(self) -> str:
        """Its STIX id."""
        return str(self.object["id"])

    @property
    def version(self) -> str:
        """When it was last changed, as STIX writes it."""
        return str(self.object.get("modified", self.object["created"]))


def shared(
    every: Iterable[Indicator], sightings: Mapping[str, Sighting], *, name: str, limit: Tlp, now: int
) -> list[Shared]:
    """All that may go out under `limit`, the oldest first. `name` says who we are."""
    identity = _identity(name)
    found: list[Shared] = []
    used: set[Tlp] = set()
    for key, group in groupby(sorted(every, key=lambda one: (one.key, one.source, one.id)), key=lambda one: one.key):
        entries = list(group)
        tlp = strictest(one.tlp for one in entries) or Tlp.RED
        standing = [one for one in entries if one.confirmed and one.is_valid(now, from_start=False)]
        if not standing or TLP_ORDER.index(tlp) > TLP_ORDER.index(limit) or tlp not in _MARKINGS:
            continue
        used.add(tlp)
        one = max(standing, key=lambda one: (one.weight, one.source, one.id))
        indicator = _indicator(one, key, tlp, identity["id"])
        found.append(Shared(one.confirmed, indicator))
        if key in sightings:
            found.append(_sighting(sightings[key], indicator, one.confirmed))
    first = min((one.added for one in found), default=0)
    around = [Shared(first, identity), *(Shared(first, _marking(tlp)) for tlp in sorted(used, key=TLP_ORDER.index))]
    return sorted([*around, *found] if found else [], key=lambda one: (one.added, one.id))


def bundle(objects: Iterable[Shared]) -> dict[str, Any]:
    """They as one document."""
    found = [one.object for one in objects]
    ids = sorted(f"{one['id']} {one.get('modified', '')}" for one in found)
    empty: dict[str, Any] = {"type": "bundle", "id": f"bundle--{derived_id('bundle', *ids)}"}
    return {**empty, "objects": found} if found else empty


def pattern_of(one: Indicator) -> str:
    """The indicator in STIX's language."""
    return f"[{' AND '.join([*_equal(one.type, one.value), *(_term(term) for term in one.also)])}]"


def _equal(kind: Type, value: str, operator: str = "=") -> Iterator[str]:
    if kind is Type.PACKAGE and "@" in value[value.index("/") + 2 :] and operator == "=":
        value, _, version = value.rpartition("@")
        yield f"x-mcp-package:version = {_quoted(version)}"
    if kind in (Type.IP, Type.NETWORK):
        path = "ipv6-addr:value" if ":" in value else "ipv4-addr:value"
    else:
        path = f"file:hashes.{_DIGESTS.get(len(value), 'MD5')}" if kind is Type.HASH else _PATHS[kind]
    yield f"{path} {operator} {_quoted(value)}"


def _term(term: Term) -> str:
    operator = f"{'NOT ' if term.negated else ''}{term.operator}"
    return " AND ".join(_equal(term.type, term.value, operator))


def _quoted(text: str) -> str:
    escaped = text.replace("\\", "\\\\").replace("'", "\\'")
    return f"'{escaped}'"


def _indicator(one: Indicator, key: str, tlp: Tlp, by: str) -> dict[str, Any]:
    begin = one.valid_from or one.added or one.confirmed
    found: dict[str, Any] = {
        "type": "indicator",
        "spec_version": "2.1",
        "id": f"indicator--{derived_id('shared', by, key)}",
        "created_by_ref": by,
        "created": _time(one.confirmed),
        "modified": _time(one.confirmed),
        "name": (one.title or one.value)[:_LONGEST],
        "indicator_types": ["malicious-activity"],
        "pattern": pattern_of(one),
        "pattern_type": "stix",
        "valid_from": _time(begin),
        "confidence": one.weight,
        "object_marking_refs": [_MARKINGS[tlp]],
    }
    if one.valid_until > begin:
        found["valid_until"] = _time(one.valid_until)
    return found


def _sighting(seen: Sighting, indicator: dict[str, Any], confirmed: int) -> Shared:
    added = max(confirmed, seen.last)
    return Shared(
        added,
        {
            "type": "sighting",
            "spec_version": "2.1",
            "id": f"sighting--{derived_id('sighting', indicator['id'])}",
            "created_by_ref": indicator["created_by_ref"],
            "created": _time(confirmed),
            "modified": _time(added),
            "first_seen": _time(seen.first),
            "last_seen": _time(max(seen.first + 1000, seen.last)),
            "count": min(seen.count, _MOST_SEEN),
            "sighting_of_ref": indicator["id"],
            "where_sighted_refs": [indicator["created_by_ref"]],
            "object_marking_refs": indicator["object_marking_refs"],
        },
    )


def _identity(name: str) -> dict[str, Any]:
    return {
        "type": "identity",
        "spec_version": "2.1",
        "id": f"identity--{derived_id('identity', name)}",
        "created": "2026-01-01T00:00:00.000Z",
        "modified": "2026-01-01T00:00:00.000Z",
        "name": name,
        "identity_class": "organization",
    }


def _marking(tlp: Tlp) -> dict[str, Any]:
    return {
        "type": "marking-definition",
        "spec_version": "2.1",
        "id": _MARKINGS[tlp],
        "created": "2022-10-01T00:00:00.000Z",
        "name": f"TLP:{tlp.value.upper()}",
        "extensions": {_EXTENSION: {"extension_type": "property-extension", "tlp_2_0": tlp.value}},
    }


def _time(microseconds: int) -> str:
    """To the millisecond, as STIX prefers it."""
    return f"{to_iso(microseconds)[:-4]}Z"
