"""`to_ocsf` for whoever sends many events, and must say what became of them."""

from __future__ import annotations

from typing import Any

import msgspec

from watchkeeper.events.catalogue.fits import UNKNOWN
from watchkeeper.events.model import Event
from watchkeeper.events.ocsf.common import form
from watchkeeper.events.ocsf.mapping import meaning_of


class Counts(msgspec.Struct):
    """How many events went out, and how many of them with a mark."""

    mapped: int = 0
    unknown: int = 0
    """Of a kind that this version does not know; they went out as base events."""
    misfits: int = 0
    """With a body that is not as the catalogue says; `unmapped.misfit` says why."""
    cut: int = 0
    """Too large or too deep to go out whole; `metadata.is_truncated`."""

    @property
    def said(self) -> str:
        """What a person should know of them; empty when there is nothing."""
        parts = (
            (self.unknown, "of a kind that this version does not know"),
            (self.misfits, "with a body that is not as the catalogue says"),
            (self.cut, "cut, for they were too large or too deep"),
        )
        told = ", ".join(f"{count} {what}" for count, what in parts if count)
        return f"of {self.mapped} events in OCSF's words {told}; all went out" if told else ""


class Mapper:
    """Maps and counts. Every event goes out."""

    def __init__(self) -> None:
        self.counts = Counts()

    def __call__(self, event: Event) -> dict[str, Any]:
        made = form(event, meaning_of(event))
        counts = self.counts
        counts.mapped += 1
        if why := made["unmapped"].get("misfit"):
            if why == UNKNOWN:
                counts.unknown += 1
            else:
                counts.misfits += 1
        if "is_truncated" in made["metadata"]:
            counts.cut += 1
        return made
