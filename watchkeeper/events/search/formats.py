"""Events as the bytes of a file: JSON lines, CSV, Parquet, OCSF. Streams in, streams out; knows no file's name.

CSV is for people and their spreadsheets: a cell that a spreadsheet would calculate gets an apostrophe before it, and
what cannot be seen is written out. JSON lines and Parquet hold the exact values.
"""

from __future__ import annotations

import csv
import io
import queue
import tempfile
import threading
from collections.abc import Callable, Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any, Self

import msgspec
from arro3.core import RecordBatchReader
from deltalake import DeltaTable, QueryBuilder, WriterProperties, write_deltalake
from deltalake.exceptions import DeltaError
from sqlglot import exp

from watchkeeper.core.clock import to_iso
from watchkeeper.core.errors import Unavailable
from watchkeeper.core.text import visible
from watchkeeper.events.lake.schema import COLUMNS, SCHEMA, to_batch, to_event
from watchkeeper.events.model import encode
from watchkeeper.events.ocsf import Mapper

Row = Mapping[str, Any]
Pages = Iterable[list[Row]]
FORMATS = ("jsonl", "csv", "parquet", "ocsf")
MEDIA = {
    "jsonl": "application/x-ndjson",
    "csv": "text/csv; charset=utf-8",
    "parquet": "application/vnd.apache.parquet",
    "ocsf": "application/x-ndjson",
}
_CALCULATED = ("=", "+", "-", "@", "\t", "\r", "\n", "＝", "＋", "－", "＠")  # noqa: RUF001 — full-width signs are meant
_PIECE = 1 << 20
CSV_NOTE = (
    "A cell that begins with = + - @, a tab or a line break has an apostrophe before it, so that no spreadsheet "
    "calculates it; invisible characters are written out. JSON lines and Parquet hold the exact values."
)


def pieces(name: str, pages: Pages, scratch: Path, mapper: Mapper | None = None) -> Iterator[bytes]:
    """The file's bytes. `scratch` is a folder with room for it: Parquet is made there before its first byte goes out.

    `mapper` counts what OCSF had no words for. Raises `Unavailable` when that disk fails, and what `pages` raises.
    """
    return _ocsf(pages, mapper or Mapper()) if name == "ocsf" else _PIECES[name](pages, scratch)


def _jsonl(pages: Pages, _: Path) -> Iterator[bytes]:
    for page in pages:
        yield b"".join(encode(to_event(row)) + b"\n" for row in page)


def _ocsf(pages: Pages, mapper: Mapper) -> Iterator[bytes]:
    encode_json = msgspec.json.Encoder().encode
    for page in pages:
        yield b"".join(encode_json(mapper(to_event(row))) + b"\n" for row in page)


def _csv(pages: Pages, _: Path) -> Iterator[bytes]:
    names = [name for name in COLUMNS if name != "day"]
    text = io.StringIO()
    write = csv.writer(text, lineterminator="\r\n").writerow
    write(names)
    for page in pages:
        for row in page:
            write([_cell(name, row[name]) for name in names])
        yield _taken(text)
    if rest := _taken(text):
        yield rest


def _taken(text: io.StringIO) -> bytes:
    data = text.getvalue().encode("utf-8", "backslashreplace")
    text.seek(0)
    text.truncate()
    return data


def _cell(name: str, value: Any) -> str:
    if value is None:
        return ""
    if name == "time":
        return to_iso(value)
    if isinstance(value, int):
        return str(value)
    text = value if isinstance(value, str) else msgspec.json.encode(list(value)).decode()
    is_plain = text.isascii() and text.isprintable()  # most are, and looking at each character takes time
    shown = text if is_plain else visible(text, keep="\n\t\r")
    return f"'{shown}" if shown.startswith(_CALCULATED) else shown


def _parquet(pages: Pages, scratch: Path) -> Iterator[bytes]:
    """One file, written by the lake's own engine as a table of one commit of which only the file is kept."""
    with tempfile.TemporaryDirectory(dir=scratch, prefix=".export-") as folder, _Producer(pages) as producer:
        try:
            write_deltalake(
                folder,
                RecordBatchReader.from_batches(SCHEMA, producer.batches()),
                target_file_size=1 << 50,
                writer_properties=WriterProperties(compression="ZSTD"),
            )
        except (DeltaError, OSError) as error:
            producer.check()
            raise Unavailable(f"the file cannot be written: {error}", hint="check the disk and its space") from error
        producer.check()
        files = sorted(Path(folder).glob("*.parquet"))
        with (files[0] if files else _empty(Path(folder))).open("rb") as file:
            while piece := file.read(_PIECE):
                yield piece


class _Producer:
    """Pages become batches in a thread of their own: where the engine writes, it cannot be asked as well."""

    def __init__(self, pages: Pages) -> None:
        self._pages = pages
        self._ready: queue.Queue[Any] = queue.Queue(maxsize=2)
        self._is_over = threading.Event()
        self._failure: BaseException | None = None
        self._thread = threading.Thread(target=self._produce, name="export", daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._is_over.set()
        self._thread.join()

    def batches(self) -> Iterator[Any]:
        while (batch := self._ready.get()) is not None:
            yield batch

    def check(self) -> None:
        """Raises what broke the pages off."""
        if self._failure is not None:
            raise self._failure

    def _produce(self) -> None:
        try:
            for page in self._pages:
                self._put(to_batch(page))
                if self._is_over.is_set():
                    return
        except BaseException as error:  # noqa: BLE001 — raised again by `check`, in the thread that waits for it
            self._failure = error
        finally:
            self._put(None)

    def _put(self, batch: Any) -> None:
        while not self._is_over.is_set():
            try:
                self._ready.put(batch, timeout=0.1)
            except queue.Full:
                continue
            return


def _empty(folder: Path) -> Path:
    """A file with the columns and no row."""
    path = folder / "none.parquet"
    to = exp.Literal.string(str(path)).sql(dialect="postgres")
    copy = f"COPY (SELECT * FROM nothing) TO {to} STORED AS PARQUET"  # noqa: S608 — `to` is written as a literal
    for _ in QueryBuilder().register("nothing", DeltaTable(folder)).execute(copy):
        pass
    return path


_PIECES: Mapping[str, Callable[[Pages, Path], Iterator[bytes]]] = {
    "jsonl": _jsonl,
    "csv": _csv,
    "parquet": _parquet,
}
