"""An answer as a file: CSV for people and their spreadsheets, JSON lines and Parquet with the exact values."""

from __future__ import annotations

import csv
import datetime
import io
import tempfile
from pathlib import Path
from typing import Any

import msgspec
from arro3.core import Array, DataType, Field, RecordBatch, Schema, list_array
from deltalake import DeltaTable, QueryBuilder, WriterProperties, write_deltalake
from deltalake.exceptions import DeltaError
from sqlglot import exp

from watchkeeper.core.clock import from_iso
from watchkeeper.core.errors import Unavailable
from watchkeeper.core.text import visible
from watchkeeper.events.lake.sql.model import Answer

FORMATS = ("table", "json", "csv", "parquet")
_CALCULATED = ("=", "+", "-", "@", "\t", "\r", "\n", "\uff1d", "\uff0b", "\uff0d", "\uff20")
_TYPES = {
    "text": DataType.utf8(),
    "integer": DataType.int64(),
    "number": DataType.float64(),
    "boolean": DataType.bool(),
    "time": DataType.timestamp("us", tz="UTC"),
    "date": DataType.date32(),
}
_TEXTS = DataType.list(Field("element", DataType.utf8(), nullable=False))


def as_csv(answer: Answer) -> str:
    """A text that a spreadsheet would calculate gets an apostrophe; what cannot be seen is written out."""
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\r\n")
    writer.writerow(answer.columns)
    for row in answer.rows:
        writer.writerow([_cell(value) for value in row])
    return text.getvalue()


def _cell(value: Any) -> str:
    if value is None:
        return ""
    if isinstance(value, bool | int | float):
        return msgspec.json.encode(value).decode()
    shown = visible(value if isinstance(value, str) else msgspec.json.encode(value).decode(), keep="\n\t\r")
    return f"'{shown}" if shown.startswith(_CALCULATED) else shown


def write_parquet(answer: Answer, path: Path) -> None:
    """One file, whole or not at all. Raises `Unavailable` when the disk fails."""
    fields = [Field(name, _type(kind), nullable=True) for name, kind in zip(answer.columns, answer.types, strict=True)]
    columns = [_array([row[at] for row in answer.rows], kind) for at, kind in enumerate(answer.types)]
    batch = RecordBatch.from_arrays(columns, schema=Schema(fields))
    try:
        with tempfile.TemporaryDirectory(dir=path.parent, prefix=".answer-") as folder:
            write_deltalake(folder, batch, writer_properties=WriterProperties(compression="ZSTD"))
            files = sorted(Path(folder).glob("*.parquet"))
            (files[0] if files else _empty(Path(folder))).replace(path)
    except (DeltaError, OSError, ValueError) as error:
        raise Unavailable(f"{path} cannot be written: {error}", hint="check the folder and its space") from error


def _empty(folder: Path) -> Path:
    """A file with the columns and no row, which writing no row leaves out."""
    path = folder / "none.parquet"
    to = exp.Literal.string(str(path)).sql(dialect="postgres")
    copy = f"COPY (SELECT * FROM nothing) TO {to} STORED AS PARQUET"  # noqa: S608 — `to` is written as a literal
    for _ in QueryBuilder().register("nothing", DeltaTable(folder)).execute(copy):
        pass
    return path


def _type(kind: str) -> DataType:
    return _TEXTS if kind == "list" else _TYPES[kind]


def _array(values: list[Any], kind: str) -> Array:
    if kind == "time":
        moments = [None if value is None else from_iso(value) for value in values]
        return Array(moments, DataType.int64()).cast(_TYPES[kind])
    if kind == "date":
        days = [None if value is None else datetime.date.fromisoformat(value).toordinal() - 719_163 for value in values]
        return Array(days, DataType.int32()).cast(_TYPES[kind])
    if kind == "list":
        return _lists(values)
    return Array(values, _TYPES[kind])


def _lists(values: list[list[str] | None]) -> Array:
    offsets = [0]
    for value in values:
        offsets.append(offsets[-1] + len(value or ()))
    flat = [text for value in values for text in value or ()]
    return list_array(Array(offsets, DataType.int32()), Array(flat, DataType.utf8())).cast(_TEXTS)
