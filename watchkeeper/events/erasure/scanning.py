"""Looking for a name in files: as text of bytes, and in Parquet in every value of every column that is unpacked for it.

A name is found as a whole word: `agent:ada` is not in `agent:ada2`. A raw look also finds what a database freed and did
not overwrite. Compressed files must be unpacked to be looked at; one that cannot be is said to be unread, never clean.
"""

from __future__ import annotations

import json
import re
import shutil
import tempfile
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

_CHUNK = 1 << 20
_INSIDE = rb"[A-Za-z0-9._@/%-]"


class Needle:
    """A name to look for, in the spellings that JSON and UTF-8 have for it."""

    def __init__(self, name: str) -> None:
        self.name = name
        spellings = {name.encode(), json.dumps(name)[1:-1].encode()}
        self.longest = max(map(len, spellings))
        either = b"|".join(re.escape(one) for one in sorted(spellings, key=len, reverse=True))
        self._anywhere = re.compile(either)
        self._pattern = re.compile(rb"(?<!" + _INSIDE + rb")(?:" + either + rb")(?!" + _INSIDE + rb")")

    def count(self, data: bytes) -> int:
        """How often it is in there."""
        return sum(1 for _ in self._pattern.finditer(data))

    def count_loose(self, data: bytes) -> int:
        """The same wherever it stands, inside longer names too: databases lay texts down side by side."""
        return sum(1 for _ in self._anywhere.finditer(data))

    def count_database(self, paths: Iterable[Path]) -> tuple[int, int]:
        """`count_loose` of a database's files, and how many bytes they have. Raises `OSError`."""
        found = size = 0
        for path in paths:
            kept = b""
            with path.open("rb") as file:
                while chunk := file.read(_CHUNK):
                    size += len(chunk)
                    data = kept + chunk
                    kept = data[-(self.longest - 1) :]
                    found += self.count_loose(data)
                    found -= self.count_loose(kept)
                found += self.count_loose(kept)
        return found, size

    def count_file(self, path: Path) -> tuple[int, int]:
        """How often it is in a file, and how many bytes were looked at. Raises `OSError`."""
        found = size = 0
        kept, margin = b"", self.longest + 1
        with path.open("rb") as file:
            while chunk := file.read(_CHUNK):
                size += len(chunk)
                data = kept + chunk
                edge = max(0, len(data) - margin)
                found += sum(1 for match in self._pattern.finditer(data) if match.start() < edge)
                kept = data[edge - 1 :] if edge else data
                if edge:  # the byte before the edge is kept to see where a word begins, and not counted again
                    found -= sum(1 for match in self._pattern.finditer(kept) if match.start() < 1)
        return found + self.count(kept), size


_PACKED = {
    b"PAR1": "a Parquet file",
    b"\x1f\x8b": "packed by gzip",
    b"\x28\xb5\x2f\xfd": "packed by zstd",
    b"\xfd7zXZ\x00": "packed by xz",
    b"BZh": "packed by bzip2",
    b"PK\x03\x04": "a zip",
}
"""First bytes of what must be unpacked to be looked at."""


def packed_as(path: Path) -> str:
    """What a file is that its bytes do not tell; empty for all others. Raises `OSError`."""
    with path.open("rb") as file:
        head = file.read(8)
    return next((name for magic, name in _PACKED.items() if head.startswith(magic)), "")


def values_of(path: Path) -> Iterator[tuple[str, Any]]:
    """(column, value) of everything in a Parquet file, read alone. Raises `ValueError` when it cannot be read."""
    from arro3.core import DataType  # noqa: PLC0415 — the query engine, for who looks into the lake only
    from deltalake import DeltaTable, QueryBuilder, convert_to_deltalake  # noqa: PLC0415

    with tempfile.TemporaryDirectory(prefix="watchkeeper-look-") as folder:
        try:
            shutil.copyfile(path, Path(folder) / "part.parquet")
            convert_to_deltalake(folder)
            batches = QueryBuilder().register("t", DeltaTable(folder)).execute("SELECT * FROM t")
            for batch in batches:
                for name in batch.schema.names:
                    column = batch[name]
                    is_moment = DataType.is_timestamp(column.type)  # which names nobody
                    values: list[Any] = [] if is_moment else column.to_pylist()
                    for value in values:
                        yield name, value
        except Exception as error:
            raise ValueError(f"{path.name} cannot be read: {error}") from error


def texts_in(value: Any) -> Iterator[str]:
    """Every text in a value, however nested."""
    if isinstance(value, str):
        yield value
    elif isinstance(value, bytes):
        yield value.decode("utf-8", "replace")
    elif isinstance(value, dict):
        for name, inner in value.items():
            yield from texts_in(name)
            yield from texts_in(inner)
    elif isinstance(value, list | tuple):
        for inner in value:
            yield from texts_in(inner)
