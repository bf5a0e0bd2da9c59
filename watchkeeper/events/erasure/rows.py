"""What the rows of the control state name, table by table; and the look into one that is on a database server.

A server's tables are looked at as rows, of every schema of the database. Its own files, its log and its backups are not
ours to read: that is said, and who runs the server has to see to them.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Any

import msgspec
from sqlalchemy import text
from sqlalchemy.exc import DBAPIError

from watchkeeper.core.database import Database
from watchkeeper.core.errors import WatchkeeperError
from watchkeeper.events.erasure.model import FOUND, KEPT, MENTIONED, UNREAD, Place
from watchkeeper.events.erasure.scanning import Needle, texts_in

_PORTION = 500
_TABLES = (
    "SELECT schemaname, tablename FROM pg_tables WHERE schemaname NOT IN ('pg_catalog', 'information_schema') "
    "ORDER BY schemaname, tablename"
)


class Tables(msgspec.Struct, frozen=True):
    """Which tables of the control state hold whose data."""

    own: Mapping[str, str] = {}
    """Table → what is erased there, in words."""
    kept: Mapping[str, str] = {}
    """Table → why rows of the subject stay."""


def place_of(table: str, rows: int, named: int, tables: Tables) -> Place:
    """A table of which `named` texts name the subject."""
    store, method = f"control state: {table}", "every row"
    if table in tables.own:
        return Place(store=store, verdict=FOUND, method=method, files=rows, own=named, why=tables.own[table])
    verdict = KEPT if table in tables.kept else MENTIONED
    why = tables.kept.get(table, "what others did or saw names it")
    return Place(store=store, verdict=verdict, method=method, files=rows, mentions=named, why=why)


def named_in(rows: Iterable[Any], needle: Needle) -> tuple[int, int]:
    """How often rows name the subject as a whole word, and how often its name stands anywhere in them."""
    named = loose = 0
    for row in rows:
        for found in texts_in(row):
            data = found.encode("utf-8", "replace")
            if anywhere := needle.count_loose(data):
                loose += anywhere
                named += needle.count(data)
    return named, loose


def look_at_server(database: Database, needle: Needle, tables: Tables) -> Iterator[Place]:
    """Every table of the database, the playbook engine's too."""
    method = "every row of every table; the server's own files, log and backups are its administrator's"
    seen = 0
    try:
        for schema, table, rows in _everything(database):
            count, named = 0, 0
            for portion in rows:
                count += len(portion)
                named += named_in(portion, needle)[0]
            seen += count
            if named:
                yield place_of(table if schema == "public" else f"{schema}.{table}", count, named, tables)
    except (WatchkeeperError, DBAPIError) as error:
        yield Place(store="control state", verdict=UNREAD, method=method, why=str(error))
        return
    yield Place(store="control state: on a server", verdict=KEPT, method=method, files=seen, why=_ELSEWHERE)


def _everything(database: Database) -> Iterator[tuple[str, str, Iterator[list[tuple[Any, ...]]]]]:
    with database.read() as session:
        connection = session.connection()
        for schema, table in connection.execute(text(_TABLES)).all():
            query = text(f'SELECT * FROM "{schema}"."{table}"')  # noqa: S608 — the server's own names
            found = connection.execution_options(yield_per=_PORTION).execute(query)
            yield schema, table, ([tuple(row) for row in portion] for portion in found.partitions(_PORTION))


_ELSEWHERE = "rows deleted are gone from the tables; the server's log and backups keep them until they are overwritten"
