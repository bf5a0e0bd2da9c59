"""Incidents that changed since, in the order of their changes: nothing is missed, whoever writes meanwhile.

Each change of an incident takes a number that rises as transactions end. A cursor holds such a number; what changes
after it was read has a greater one. An incident that changes again comes again: the last word counts.
"""

from __future__ import annotations

import re

import msgspec
from sqlalchemy import select

from watchkeeper.core.database import Database
from watchkeeper.core.errors import Invalid
from watchkeeper.respond._store import IncidentRow
from watchkeeper.respond.cases.model import CaseFile
from watchkeeper.respond.cases.reading import files_of

MOST = 500
_CURSOR = re.compile(r"c1-(\d{1,18})")


class Exported(msgspec.Struct, frozen=True):
    """An incident with the cursor behind it."""

    cursor: str
    file: CaseFile


class ExportPage(msgspec.Struct, frozen=True):
    """Some that changed."""

    exported: tuple[Exported, ...]
    cursor: str
    """Where to go on; as it was when nothing changed."""
    is_last: bool
    """Whether nothing more had changed when it was read."""


class Exporting:
    """Reads by the page."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def page(self, cursor: str = "", since: int = 0, limit: int = 200) -> ExportPage:
        """What changed after the cursor, and with `since` only what was updated then or later. Raises `Invalid`."""
        after = _number(cursor)
        limit = min(max(1, limit), MOST)
        query = select(IncidentRow).where(IncidentRow.changed > after, IncidentRow.updated_at >= since)
        with self._database.read() as session:
            rows = list(session.scalars(query.order_by(IncidentRow.changed).limit(limit + 1)))
            files = files_of(session, rows[:limit])
            found = tuple(Exported(_cursor(row.changed), file) for row, file in zip(rows, files, strict=False))
        return ExportPage(found, found[-1].cursor if found else _cursor(after), len(rows) <= limit)


def is_cursor(text: str) -> bool:
    """Whether it looks like a cursor, rather than a time."""
    return bool(_CURSOR.fullmatch(text))


def _number(cursor: str) -> int:
    if not cursor:
        return 0
    found = _CURSOR.fullmatch(cursor)
    if found is None:
        raise Invalid(f"{cursor!r} is no cursor", hint="take the `cursor` of the last line that you have")
    return int(found[1])


def _cursor(number: int) -> str:
    return f"c1-{number}"
