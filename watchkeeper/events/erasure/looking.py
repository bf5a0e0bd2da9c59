"""Looking for a subject in every store of a data folder. Reads only; whatever cannot be read is said to be unread.

Databases are looked at row by row and byte by byte: what was deleted and not overwritten is in no row. The lake has a
module of its own.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import msgspec

from watchkeeper.core.database import Database
from watchkeeper.core.errors import WatchkeeperError
from watchkeeper.events.erasure.journal import held_of
from watchkeeper.events.erasure.lake import Listing, in_folder, look_at
from watchkeeper.events.erasure.model import FOUND, UNREAD, Place, verdict_of
from watchkeeper.events.erasure.rows import Tables, look_at_server, named_in, place_of
from watchkeeper.events.erasure.scanning import Needle, packed_as, texts_in

_ROWS = 1000


def look(
    data_dir: Path, subject: str, tables: Tables, lakes: Mapping[str, Listing], server: Database | None = None
) -> list[Place]:
    """What is where; `lakes` are those that lie elsewhere, and `server` has the control state when the folder does not.

    A store that is not there has no entry.
    """
    needle = Needle(subject)
    lakes = {"lake": in_folder(data_dir / "lake"), **lakes}
    return [
        _journal(data_dir, subject),
        _keys(data_dir, needle),
        *(place for name, listing in lakes.items() for place in look_at(name, listing, subject)),
        *_state(data_dir / "state.db", needle, tables),
        *(look_at_server(server, needle, tables) if server is not None else ()),
        *_rest(data_dir, needle),
    ]


def _journal(data_dir: Path, subject: str) -> Place:
    method = "every record of every log decrypted; its actor compared, all of it searched for the name"
    try:
        held = held_of(data_dir, subject)
    except WatchkeeperError as error:
        return Place(store="journal", verdict=UNREAD, method=method, why=error.reason)
    return Place(
        store="journal",
        verdict=verdict_of(held.own, held.mentions),
        method=method,
        files=held.records,
        bytes=held.bytes,
        own=held.own,
        mentions=held.mentions,
        why=f"{held.records} records, {held.unreadable} of them unreadable for ever",
    )


def _keys(data_dir: Path, needle: Needle) -> Place:
    path = data_dir / "keys" / "subjects.db"
    own = loose = 0
    try:
        if path.is_file():
            for _, _, rows in _tables(path):
                for row in rows:
                    own += needle.name in row
                    loose += sum(needle.count_loose(text.encode("utf-8", "replace")) for text in texts_in(row))
    except sqlite3.Error as error:
        return Place(store="journal keys", verdict=UNREAD, method="every row", why=str(error))
    place = _bytes_of("journal keys", path, needle, loose)
    return msgspec.structs.replace(place, own=own, verdict=FOUND) if own else place


def _state(path: Path, needle: Needle, tables: Tables) -> Iterator[Place]:
    if not path.is_file():
        return
    loose = 0
    try:
        for table, count, portions in _tables(path):
            named, anywhere = named_in(portions, needle)
            loose += anywhere
            if named:
                yield place_of(table, count, named, tables)
    except sqlite3.Error as error:
        yield Place(store="control state", verdict=UNREAD, method="every row", why=str(error))
        return
    yield _bytes_of("control state: all bytes", path, needle, loose)


def _tables(path: Path) -> Iterator[tuple[str, int, Iterator[tuple[Any, ...]]]]:
    """(table, how many rows, the rows)."""
    database = sqlite3.connect(f"file:{path}?mode=ro", uri=True, timeout=10)
    try:
        names = [row[0] for row in database.execute("SELECT name FROM sqlite_master WHERE type = 'table'")]
        for name in sorted(names):
            (count,) = database.execute(f'SELECT count(*) FROM "{name}"').fetchone()  # noqa: S608 — the file's own name
            yield name, count, database.execute(f'SELECT * FROM "{name}"')  # noqa: S608
    finally:
        database.close()


def _bytes_of(store: str, path: Path, needle: Needle, in_rows: int) -> Place:
    """A database byte for byte, its log too. What is in no row was deleted and not overwritten."""
    method = "all bytes of the file and of its log; what is there and in no row was not overwritten"
    paths = sorted(path.parent.glob(f"{path.name}*"))
    try:
        found, size = needle.count_database(paths)
    except OSError as error:
        return Place(store=store, verdict=UNREAD, method=method, why=str(error))
    is_left = bool(found and not in_rows)
    return Place(
        store=store,
        verdict=FOUND if is_left else verdict_of(0, found),
        method=method,
        files=len(paths),
        bytes=size,
        own=found if is_left else 0,
        mentions=0 if is_left else found,
        why="in no row any more, and not overwritten" if is_left else "",
    )


def _rest(data_dir: Path, needle: Needle) -> Iterator[Place]:
    """Whatever else lies in the folder, by its first name there."""
    for top in sorted(data_dir.iterdir()):
        if top.name == "lake" or top.name.startswith("state.db"):
            continue  # looked at above
        paths = [path for path in ([top] if top.is_file() else sorted(top.rglob("*"))) if path.is_file()]
        if top.name == "keys":
            paths = [path for path in paths if not path.name.startswith("subjects.db")]
        if paths:
            yield _raw(f"folder: {top.name}", paths, needle)


def _raw(store: str, paths: list[Path], needle: Needle) -> Place:
    found = size = looked = 0
    unread: list[str] = []
    for path in paths:
        try:
            if packed := packed_as(path):
                unread.append(f"{path.name}: {packed}, which a look at its bytes would not see through")
                continue
            count, length = needle.count_file(path)
            found, size, looked = found + count, size + length, looked + 1
        except FileNotFoundError:
            continue
        except OSError as error:
            unread.append(f"{path.name}: {error.strerror}")
    return Place(
        store=store,
        verdict=UNREAD if unread else verdict_of(0, found),
        method="all bytes",
        files=looked,
        bytes=size,
        mentions=found,
        why="; ".join(unread[:3]),
    )


def is_absent(places: list[Place]) -> bool:
    """Whether nothing of the subject's own is left but what is kept for a reason, and everything was read."""
    return all(place.verdict not in (FOUND, UNREAD) for place in places)


def counts(places: list[Place]) -> dict[str, Any]:
    """In all."""
    return {"own": sum(one.own for one in places), "mentions": sum(one.mentions for one in places)}
