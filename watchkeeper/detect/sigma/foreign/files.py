"""Files of events as people have them: JSON a line, an array, one object, several written one after another.

Compressed by gzip or not, UTF-8 or UTF-16. What is no JSON is counted, and the first of it is told; a record that is
damaged costs its line, not the file.
"""

from __future__ import annotations

import gzip
import json
import re
import zlib
from collections.abc import Callable, Iterable, Iterator
from contextlib import nullcontext
from pathlib import Path
from typing import Any

import msgspec

from watchkeeper.core.errors import Invalid
from watchkeeper.detect.sigma.foreign.shapes import wrapped

ENDINGS = (".json", ".jsonl", ".ndjson", ".log", ".jsonlines", ".events")
LARGEST_LINE = 64 * 1024 * 1024
LARGEST_WHOLE = 1024 * 1024 * 1024
"""Bytes of a file that is not one record a line, and so is held as a whole."""
_FIRST = (b"{", b"[", b" ", b"\t", b"\r", b"\n")
"""What JSON begins with."""
_HEADING = re.compile(r"^Record \d+\r?\n", re.MULTILINE)
"""What `evtx_dump` writes between records. Anchored, without anything that repeats in itself."""
Complain = Callable[[Path, int, str], None]


class Item(msgspec.Struct, frozen=True, gc=False):
    """One event, or the events of one case."""

    file: str
    line: int
    """Where it begins, from one; of what has no lines, its number in the file."""
    case: str
    """The id of a case; empty for a single event."""
    events: list[dict[str, Any]]
    text: bytes | None = None
    """The JSON text of an event that has a line of its own."""


def files_of(paths: Iterable[Path]) -> tuple[list[Path], int]:
    """The files of events, in order, and how many others lie beside them in folders."""
    found: dict[Path, None] = {}
    others = 0
    for path in paths:
        if path.is_dir():
            for one in sorted(p for p in path.rglob("*") if p.is_file()):
                if one.name.removesuffix(".gz").endswith(ENDINGS):
                    found[one] = None
                else:
                    others += 1
        elif path.exists():
            found[path] = None
        else:
            raise Invalid(f"there are no events at {path}", hint="name a file or a folder of JSON events")
    return list(found), others


def items_of(path: Path, complain: Complain) -> Iterator[Item]:
    """Every record of a file; `complain` hears the line of what cannot be read, and why."""
    try:
        with path.open("rb") as file:
            magic = file.read(2)
            file.seek(0)
            with gzip.open(file) if magic == b"\x1f\x8b" else nullcontext(file) as plain:
                yield from _items(path, plain, complain)
    except (OSError, EOFError, zlib.error) as error:
        complain(path, 0, str(error))


def _items(path: Path, file: Any, complain: Complain) -> Iterator[Item]:
    first = file.readline(LARGEST_LINE)
    if wide := _wide(first):
        data = _rest(path, first, file, complain)
        yield from _whole(path, data.decode(wide, "replace").encode(errors="replace"), complain)
        return
    first = first.removeprefix(b"\xef\xbb\xbf")
    if _is_line(first):
        yield from _lines(path, first, file, complain)
        return
    yield from _whole(path, _rest(path, first, file, complain), complain)


def _wide(first: bytes) -> str:
    """The name of UTF-16 as it is here, by its mark, else by the zero beside the first letter; else empty."""
    if first[:2] in (b"\xff\xfe", b"\xfe\xff"):
        return "utf-16"
    if first[1:2] == b"\0" and first[:1] in _FIRST:
        return "utf-16-le"
    return "utf-16-be" if first[:1] == b"\0" and first[1:2] in _FIRST else ""


def _rest(path: Path, first: bytes, file: Any, complain: Complain) -> bytes:
    """All of the file; nothing, and a complaint, when that is too much to hold."""
    data = bytes(first + file.read(LARGEST_WHOLE))
    if file.read(1):
        complain(path, 0, f"is larger than {LARGEST_WHOLE >> 30} GiB and not one record a line")
        return b""
    return data


def _is_line(first: bytes) -> bool:
    """Whether the file is one record a line: its first line is a whole value, or no JSON that goes on."""
    text = first.strip()
    if text[:1] not in (b"{", b"["):
        return bool(text) and not _HEADING.match(first.decode(errors="replace"))
    value = _decode(text)
    return isinstance(value, dict)


def _lines(path: Path, first: bytes, file: Any, complain: Complain) -> Iterator[Item]:
    number, line = 1, first
    while line:
        if len(line) >= LARGEST_LINE:
            complain(path, number, f"a line is longer than {LARGEST_LINE >> 20} MiB")
            while len(line) >= LARGEST_LINE:
                line = file.readline(LARGEST_LINE)
        elif text := line.strip():
            value = _decode(text)
            if isinstance(value, dict | list):
                yield from _taken(path, number, value, complain, text)
            else:
                complain(path, number, "is no JSON object")
        line, number = file.readline(LARGEST_LINE), number + 1


def _whole(path: Path, data: bytes, complain: Complain) -> Iterator[Item]:
    value = _decode(data)
    if value is not None:
        for number, record in enumerate(_records(value) if _case_of(value) is None else [value], 1):
            yield from _taken(path, number, record, complain)
        return
    text = _HEADING.sub("", data.decode(errors="replace"))
    decoder, at, number = json.JSONDecoder(), 0, 0
    while (at := _next(text, at)) < len(text):
        number += 1
        try:
            value, at = decoder.raw_decode(text, at)
        except (ValueError, RecursionError) as error:
            complain(path, text.count("\n", 0, at) + 1, str(error)[:200])
            at = text.find("\n{", at + 1) + 1 or len(text)
            continue
        yield from _taken(path, number, value, complain)


def _next(text: str, at: int) -> int:
    while at < len(text) and text[at] in " \t\r\n,":
        at += 1
    return at


def _taken(path: Path, number: int, value: Any, complain: Complain, text: bytes | None = None) -> Iterator[Item]:
    case = _case_of(value)
    if case is not None:
        yield Item(str(path), number, case, [event for event in value["data"]["events"] if isinstance(event, dict)])
        return
    for record in _records(value):
        if isinstance(record, dict) and not isinstance(record.get("Event"), list):
            yield Item(str(path), number, "", [record], text)
        else:
            what = "a list under `Event`" if isinstance(record, dict) else type(record).__name__
            complain(path, number, f"holds {what} where an event should be")


def _records(value: Any) -> list[Any]:
    """The events inside; the thing itself where lists lie in lists too deep to be followed."""
    try:
        return list(wrapped(value))
    except RecursionError:
        return [value]


def _case_of(value: Any) -> str | None:
    """The id of a case, `{"id": …, "data": {"events": […]}}`."""
    if isinstance(value, dict) and "id" in value and isinstance(value.get("data"), dict):
        return str(value["id"]) if isinstance(value["data"].get("events"), list) else None
    return None


def _decode(data: bytes) -> Any:
    """The value; `None` for what is no JSON. Python's own reader takes what nearly is (`NaN`, half a character)."""
    try:
        return msgspec.json.decode(data)
    except (msgspec.DecodeError, RecursionError, UnicodeDecodeError):
        try:
            return json.loads(data.decode("utf-8", "replace"))
        except (ValueError, RecursionError):
            return None
