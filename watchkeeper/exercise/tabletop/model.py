"""What a scenario says. No I/O."""

from __future__ import annotations

import hashlib
from typing import Annotated

import msgspec
from msgspec import Meta

_Line = Annotated[str, Meta(min_length=1, max_length=300)]
_Text = Annotated[str, Meta(min_length=1, max_length=4000)]
_Lines = Annotated[tuple[_Line, ...], Meta(min_length=1, max_length=20)]


class Inject(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Something that happens."""

    at: Annotated[int, Meta(ge=0, le=1440)]
    """Minutes after the beginning, as a facilitator plans it."""
    title: _Line
    tells: _Text
    """What the participants are told."""
    asks: _Lines
    """What to talk about."""
    expects: _Lines
    """What a good answer has; for the facilitator."""


class Scenario(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """One file."""

    title: _Line
    minutes: Annotated[int, Meta(ge=10, le=480)]
    roles: _Lines
    """Who should sit at the table."""
    objectives: _Lines
    """What it is to find out."""
    injects: Annotated[tuple[Inject, ...], Meta(min_length=1, max_length=50)]
    playbook: Annotated[str, Meta(max_length=64)] = ""
    """The playbook that would run; empty for none."""
    source: Annotated[str, Meta(max_length=300)] = ""
    """What it is modelled on."""
    severity: Annotated[int, Meta(ge=1, le=5)] = 4
    name: str = ""
    """Set by whoever reads the file: how it is called."""

    @property
    def digest(self) -> str:
        """Changes with the scenario."""
        return hashlib.sha256(msgspec.json.encode(self)).hexdigest()[:16]

    @property
    def mark(self) -> str:
        """What its incident is marked with."""
        return f"tabletop/{self.name}@{self.digest}"
