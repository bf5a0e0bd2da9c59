"""What an export is made of. No I/O."""

from __future__ import annotations

import msgspec

from watchkeeper.respond.cases.model import CaseFile
from watchkeeper.respond.model import Entry


class Export(msgspec.Struct, frozen=True):
    """An incident with its timeline, and where an export goes on behind it."""

    file: CaseFile
    timeline: tuple[Entry, ...]
    cursor: str = ""
