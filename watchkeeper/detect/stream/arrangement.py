"""How many workers share detection, as the control state has it, and dealing it out anew when that changes.

What several workers remember can be put together only when all of them have come equally far: whoever changes their
number brings them there first (`Detector.catch_up`). Then rows go to their new owners in one transaction, so that
nothing is counted twice or not at all.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace

import msgspec
from sqlalchemy import delete, insert, select
from sqlalchemy.orm import Session

from watchkeeper.core.database import Database
from watchkeeper.core.errors import Conflict
from watchkeeper.detect.stream.partition import Partition
from watchkeeper.detect.stream.state import CursorRow, MemoryRow, OwedRow, State

_NAME = "detect"
_SHARED = "*"
"""Keys that begin so belong to every worker."""


def name_of(partition: Partition) -> str:
    """What a worker's state is kept under."""
    return _NAME if partition.of == 1 else f"{_NAME}-{partition.number}-of-{partition.of}"


def arranged(database: Database) -> list[Partition]:
    """Whose state there is: all workers that shared detection last, in order; none before the first look."""
    with database.read() as session:
        names = set(session.scalars(select(CursorRow.reader).distinct()))
    found = sorted(filter(None, map(_partition, names)), key=lambda one: (one.of, one.number))
    return [worker for of in sorted({one.of for one in found}) for worker in workers(of)]


def workers(of: int) -> list[Partition]:
    """So many."""
    return [Partition(number, of) for number in range(1, of + 1)]


def cursors(database: Database, crew: Sequence[Partition]) -> list[dict[str, int]]:
    """How far each of them has come; an empty one for who never looked."""
    with database.read() as session:
        rows = session.scalars(select(CursorRow)).all()
    return [{row.writer: row.index for row in rows if row.reader == name_of(one)} for one in crew]


def remembered(database: Database, memory: str, prefix: str = "") -> dict[str, bytes]:
    """What all workers together keep of one memory, of keys that begin so; to be shown. Raises `Unavailable`."""
    found: dict[str, bytes] = {}
    for worker in arranged(database):
        found |= State(database, name_of(worker)).memory(memory, prefix)
    return found


def lowest(places: Sequence[Mapping[str, int]]) -> dict[str, int] | None:
    """How far the slowest has come in each log; `None` while one of them has not looked at all."""
    if not places or not all(places):
        return None
    return {writer: min(one.get(writer, 0) for one in places) for writer in set().union(*places)}


def furthest(places: Sequence[Mapping[str, int]]) -> dict[str, int]:
    """How far the fastest has come in each log."""
    return {writer: max(one.get(writer, 0) for one in places) for writer in set().union(*places)}


def deal_out(database: Database, before: Sequence[Partition], into: Partition) -> None:
    """Give what `before` remembered to as many workers as `into` says, by its families.

    Raises `Conflict` when they are not level, or owe something.
    """
    names = [name_of(one) for one in before]
    places = cursors(database, before)
    if any(place != places[0] for place in places):
        raise Conflict("the workers of detection have not come equally far", hint="start the watch again")
    with database.write() as session:
        if session.scalars(select(OwedRow.id).where(OwedRow.reader.in_(names))).first() is not None:
            raise Conflict("a worker of detection still owes an alert", hint="start the watch again")
        rows = _rows(session, [replace(worker, families=into.families) for worker in before])
        for table in (CursorRow, MemoryRow):
            session.execute(delete(table).where(table.reader.in_(names)))
        for worker in workers(into.of):
            _settle(session, replace(worker, families=into.families), places[0], rows)


def _settle(session: Session, worker: Partition, place: Mapping[str, int], rows: Sequence[dict[str, object]]) -> None:
    mine = [row | {"reader": name_of(worker)} for row in rows if _belongs(worker, row)]
    moved = [{"reader": name_of(worker), "writer": writer, "index": index} for writer, index in place.items()]
    for table, new in ((MemoryRow, mine), (CursorRow, moved)):
        if new:
            session.execute(insert(table), new)


def _rows(session: Session, before: Sequence[Partition]) -> list[dict[str, object]]:
    """Every row once: its owner's; what belongs to everyone from whoever has come furthest in event time."""
    found: dict[tuple[str, str], dict[str, object]] = {}
    times: dict[str, int] = {}
    by_name = {name_of(one): one for one in before}
    every = session.scalars(select(MemoryRow).where(MemoryRow.reader.in_(by_name))).all()
    for row in every:
        if (row.memory, row.key) == ("time", _SHARED):
            times[row.reader] = msgspec.json.decode(row.value, type=int)
    first = max(by_name, key=lambda name: times.get(name, 0))
    for row in sorted(every, key=lambda row: row.reader != first):
        one: dict[str, object] = {"memory": row.memory, "key": row.key, "value": row.value, "sum": row.sum}
        is_everyones = row.memory not in by_name[first].families and row.key.startswith(_SHARED)
        is_owners = row.reader == first if is_everyones else _belongs(by_name[row.reader], one)
        if is_owners or (row.memory, row.key) not in found:
            found[row.memory, row.key] = one
    return list(found.values())


def _belongs(worker: Partition, row: Mapping[str, object]) -> bool:
    memory, key = str(row["memory"]), str(row["key"])
    if memory in worker.families:
        return worker.owns(memory)
    return key.startswith(_SHARED) or worker.has(key)


def _partition(name: str) -> Partition | None:
    """Whose state a name is; `None` for a reader of another kind."""
    if name == _NAME:
        return Partition()
    head, _, of = name.rpartition("-of-")
    prefix, _, number = head.rpartition("-")
    is_worker = prefix == _NAME and number.isdigit() and of.isdigit() and 1 <= int(number) <= int(of)
    return Partition(int(number), int(of)) if is_worker else None
