"""Adds to a foreign record what rules of ours may read beside its own members. The record itself stays as it is.

Inspection reads the record as it reads messages: as what a server shows, as what it answers, and as what an agent
sends; a record does not say which of the three its texts are. What it finds stands in the record by rule and by label.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import msgspec

from watchkeeper.detect.sigma.foreign.members import members_of
from watchkeeper.detect.sigma.foreign.signs.weighing import signs_of
from watchkeeper.inspection import Inspection, Surface

OWN = "watchkeeper"
MEMBERS, FINDINGS, LABELS = f"{OWN}.members", f"{OWN}.findings", f"{OWN}.labels"
"""The fields: lines `path=value`; ids of inspection's rules; labels of what these found."""
SIGNS, WEIGHT = f"{OWN}.signs", f"{OWN}.weight"
"""Weak signs by name, and the sum of their weights."""
_SURFACES = (Surface.DEFINITION, Surface.RESULT, Surface.ARGUMENTS)
_LONGEST = 1_048_576
_encode = msgspec.json.Encoder().encode


class Enricher:
    """What some rules want to know of foreign records. Belongs to one thread."""

    def __init__(self, fields: Iterable[str]) -> None:
        """`fields` are those that the rules read; `*` stands for all."""
        read = set(fields)
        self._wants_signs = not read.isdisjoint((SIGNS, WEIGHT))
        self._wants_members = MEMBERS in read or self._wants_signs
        self._inspection = Inspection.from_plugins() if not read.isdisjoint((FINDINGS, LABELS)) else None

    def enriched(self, record: dict[str, Any]) -> dict[str, Any]:
        """The record with what the rules want; the record itself where they want nothing."""
        if not self._wants_members and self._inspection is None:
            return record
        own: dict[str, Any] = {}
        if self._wants_members:
            own["members"] = members_of(record)
        if self._wants_signs:
            own["signs"], own["weight"] = signs_of(own["members"])
        if self._inspection is not None:
            found = self._found(self._inspection, record)
            own |= {"findings": sorted({rule for rule, _ in found}), "labels": sorted({label for _, label in found})}
        return {**record, OWN: own}

    @staticmethod
    def _found(inspection: Inspection, record: dict[str, Any]) -> set[tuple[str, str]]:
        try:
            data = _encode(record)[:_LONGEST]
        except (ValueError, TypeError, RecursionError):
            return set()
        return {(one.rule, one.label) for surface in _SURFACES for one in inspection.inspect(surface, data)}
