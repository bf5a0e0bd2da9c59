"""From records, as the journal stored them, to one Arrow batch of the lake's columns. Pure; the lake's hot path.

The same mapping as `schema.to_row`, column by column instead of row by row and without making an `Event`: that is what
lets one core keep up with the other, which compresses. A test holds the two to each other.
"""

from __future__ import annotations

from array import array
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Annotated, Any

import msgspec
from arro3.core import Array, DataType, RecordBatch, Table

from watchkeeper.events.lake.schema import COLUMNS, LAST_TIME, MOVED, SCHEMA, split_trace, text_lists
from watchkeeper.events.retention import retention_class

_DAY = 86_400_000_000
_FAR = 2**63
_PIECE = 500
"""Records."""


class _Stored(msgspec.Struct, frozen=True, gc=False):
    """A record's members; those of `Event`, with the severity as a plain number."""

    v: int
    id: str
    time: int
    kind: str
    tenant: str = "default"
    actor: str = ""
    claimed: str = ""
    server: str = ""
    target: str = ""
    era: str = ""
    trace: str = ""
    outcome: str = ""
    severity: Annotated[int, msgspec.Meta(ge=1, le=5)] = 1
    labels: tuple[str, ...] = ()
    body: dict[str, Any] = {}


_decode = msgspec.json.Decoder(_Stored).decode
_encode_lines = msgspec.json.Encoder().encode_lines
_NO_TRACE = ("", "")


class Numbered(msgspec.Struct, frozen=True):
    """A run of one log's records: their bytes, an empty one where nobody can read it any more."""

    writer: str
    first: int
    records: Sequence[bytes]


class Columns(msgspec.Struct, frozen=True):
    """A batch, and how many records did not become a row because they cannot be read."""

    batch: RecordBatch
    unreadable: int


def columns_of(runs: Iterable[Numbered]) -> Columns:
    """The batch of these records."""
    made = [_part(piece) for piece in _pieces(runs)]
    unreadable = sum(part.unreadable for part in made)
    batches = [part.batch for part in made if part.batch.num_rows]
    if len(batches) < 2:
        return Columns(batches[0] if batches else _batch([], [], array("q")), unreadable)
    (batch,) = Table.from_batches(batches, schema=SCHEMA).combine_chunks().to_batches()
    return Columns(batch, unreadable)


def _pieces(runs: Iterable[Numbered]) -> Iterator[list[Numbered]]:
    """The same records, few at a time: what they become fits into a core's cache, and takes a quarter less time."""
    piece: list[Numbered] = []
    room = _PIECE
    for run in runs:
        at = 0
        while at < len(run.records):
            piece.append(Numbered(run.writer, run.first + at, run.records[at : at + room]))
            taken = len(piece[-1].records)
            at, room = at + taken, room - taken
            if not room:
                yield piece
                piece, room = [], _PIECE
    if piece:
        yield piece


def _part(runs: list[Numbered]) -> Columns:
    rows: list[_Stored] = []
    writers: list[str] = []
    places = array("q")
    unreadable = 0
    for run in runs:
        for number, record in enumerate(run.records, run.first):
            try:
                rows.append(_decode(record))
            except msgspec.MsgspecError:  # erased, or written by a newer version
                unreadable += 1
                continue
            places.append(number)
        writers += [run.writer] * (len(rows) - len(writers))
    return Columns(_batch(rows, writers, places), unreadable)


def _batch(rows: list[_Stored], writers: list[str], places: array[int]) -> RecordBatch:
    bodies = [row.body for row in rows]
    times = [row.time if 0 <= row.time <= LAST_TIME else min(max(row.time, 0), LAST_TIME) for row in rows]
    trace_ids, span_ids = _traces(rows)
    moved = {name: _texts(bodies, name) for name in MOVED}
    numbers = DataType.int64()
    made: dict[str, Array | list[Any]] = {
        "id": [row.id for row in rows],
        "time": _numbers(times).cast(COLUMNS["time"][0]),
        "v": [row.v for row in rows],
        "kind": [row.kind for row in rows],
        "tenant": [row.tenant or "default" for row in rows],
        "actor": [row.actor for row in rows],
        "claimed": [row.claimed for row in rows],
        "server": [row.server for row in rows],
        "target": [row.target for row in rows],
        "era": [row.era for row in rows],
        "trace_id": trace_ids,
        "span_id": span_ids,
        "outcome": [row.outcome for row in rows],
        "severity": [row.severity for row in rows],
        "labels": text_lists([row.labels for row in rows]),
        "rules": _rules(bodies),
        "reason": _texts(bodies, "reason"),
        "status": Array(_integers(bodies, "status"), numbers),
        "duration_us": Array(_integers(bodies, "duration_us"), numbers),
        "method": _texts(bodies, "method"),
        **moved,
        "body": _rest(bodies, moved),
        "writer": writers,
        "idx": _numbers(places),
        "day": _numbers([time // _DAY for time in times]).cast(DataType.int32()).cast(COLUMNS["day"][0]),
        "retention": _classes([row.kind for row in rows]),
    }
    return RecordBatch.from_arrays([_array(name, made[name]) for name in COLUMNS], schema=SCHEMA)


def _array(name: str, column: Array | list[Any]) -> Array:
    return column if isinstance(column, Array) else Array(column, COLUMNS[name][0])


def _numbers(values: Sequence[int]) -> Array:
    return Array(values, DataType.int64())


def _texts(bodies: list[dict[str, Any]], name: str) -> list[str | None]:
    return [value if type(value := body.get(name)) is str else None for body in bodies]


def _integers(bodies: list[dict[str, Any]], name: str) -> list[int | None]:
    return [value if type(value := body.get(name)) is int and -_FAR < value < _FAR else None for body in bodies]


def _rules(bodies: list[dict[str, Any]]) -> Array:
    rules = [body.get("rules", ()) for body in bodies]
    if set(map(type, rules)) <= {list, tuple}:
        try:
            return text_lists(rules)
        except TypeError:  # something else than a text is among them
            pass
    return text_lists([_texts_of(value) for value in rules])


def _texts_of(value: object) -> Sequence[str]:
    return [one for one in value if isinstance(one, str)] if isinstance(value, list) else ()


def _rest(bodies: list[dict[str, Any]], moved: Mapping[str, list[str | None]]) -> list[str]:
    """What is not moved, as JSON text. Takes what is moved out of the bodies, which nobody needs any more."""
    for name, values in moved.items():
        for body, value in zip(bodies, values, strict=True):
            if value is not None:
                del body[name]
    lines = _encode_lines(bodies).decode().split("\n")  # JSON text has no line break of its own
    return lines[:-1]


def _traces(rows: list[_Stored]) -> tuple[list[str], list[str]]:
    pairs = [split_trace(row.trace) if row.trace else _NO_TRACE for row in rows]
    return [trace for trace, _ in pairs], [span for _, span in pairs]


def _classes(kinds: list[str]) -> list[str]:
    known = {kind: retention_class(kind).value for kind in set(kinds)}
    return [known[kind] for kind in kinds]
