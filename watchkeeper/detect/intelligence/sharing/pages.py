"""TAXII's questions about a collection: added after, by id, type and version; and where to go on. Pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import msgspec

from watchkeeper.core.clock import from_iso, to_iso
from watchkeeper.core.errors import Invalid
from watchkeeper.detect.intelligence.sharing.objects import Shared

DEFAULT = 100
MOST = 1000
STIX = "application/stix+json;version=2.1"


class Page(msgspec.Struct, frozen=True):
    """What is answered, and the headers that say from when to when."""

    found: tuple[Shared, ...]
    next: str

    @property
    def headers(self) -> dict[str, str]:
        """First and last date added, where there is something."""
        if not self.found:
            return {}
        return {
            "x-taxii-date-added-first": to_iso(self.found[0].added),
            "x-taxii-date-added-last": to_iso(self.found[-1].added),
        }

    def envelope(self) -> dict[str, Any]:
        """As objects; an empty one has no members (TAXII 2.1 §3.7)."""
        return self._with({"objects": [one.object for one in self.found]} if self.found else {})

    def manifest(self) -> dict[str, Any]:
        """As records of a manifest (§5.3)."""
        records = [
            {"id": one.id, "date_added": to_iso(one.added), "version": one.version, "media_type": STIX}
            for one in self.found
        ]
        return self._with({"objects": records} if records else {})

    def versions(self) -> dict[str, Any]:
        """As versions of an object (§5.8)."""
        return self._with({"versions": [one.version for one in self.found]} if self.found else {})

    def _with(self, said: dict[str, Any]) -> dict[str, Any]:
        return {"more": True, "next": self.next, **said} if self.next else said


def page(objects: Sequence[Shared], asked: Mapping[str, str]) -> Page:
    """The objects that are asked for, in the order in which they were added. Raises `Invalid` (status 400)."""
    limit = _limit(asked.get("limit", ""))
    after = from_iso(asked["added_after"]) if asked.get("added_after") else -1
    place = _place(asked.get("next", ""))
    found = [one for one in objects if one.added > after and (one.added, one.id) > place and _is_asked_for(one, asked)]
    some = tuple(found[:limit])
    more = f"{some[-1].added}.{some[-1].id}" if len(found) > limit else ""
    return Page(some, more)


def _is_asked_for(one: Shared, asked: Mapping[str, str]) -> bool:
    wanted = {name: value.split(",") for name, value in asked.items() if name.startswith("match[") and value}
    said = {
        "match[id]": one.id,
        "match[type]": str(one.object["type"]),
        "match[spec_version]": str(one.object.get("spec_version", "2.0")),
    }
    if any(said[name] not in wanted[name] for name in said if name in wanted):
        return False
    versions = wanted.get("match[version]", ["last"])  # there is one of each: the first, the last, and all
    return not {"last", "first", "all", one.version}.isdisjoint(versions)


def _limit(text: str) -> int:
    if not text:
        return DEFAULT
    if not (text.isascii() and text.isdigit()) or len(text) > 9 or not int(text):
        raise Invalid("limit is a whole number above 0")
    return min(int(text), MOST)


def _place(text: str) -> tuple[int, str]:
    if not text:
        return (-1, "")
    added, dot, name = text.partition(".")
    if not dot or not (added.isascii() and added.isdigit()) or len(added) > 20:
        raise Invalid("next is no place that we named")
    return (int(added), name)
