"""Looking for a subject in the lake, wherever it lies: every value of every column of every file, and the table's log.

Whether the table still knows a file does not matter. A file that goes while it is looked at was merged into another
one, so the folder is listed again until nothing has gone; a lake that cannot be listed or read is said to be unread.
"""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from pathlib import Path, PurePosixPath
from typing import Any

import msgspec

from watchkeeper.core.errors import WatchkeeperError
from watchkeeper.events.erasure.model import UNREAD, Place, verdict_of
from watchkeeper.events.erasure.scanning import Needle, texts_in, values_of

_ROUNDS = 10
"""How often a lake that changes meanwhile is listed again."""
_TABLE, _LOG = "events", "_delta_log"
_METHODS = {
    "files": "every page of every column unpacked; the column `actor` compared, all others searched for the name",
    "log": "every entry as text, every checkpoint unpacked; statistics of `actor` and predicates told apart",
    "other files": "all bytes",
}


class LakeFile(msgspec.Struct, frozen=True):
    """One file of a lake."""

    name: str
    """Below the lake's top."""
    size: int
    at: Callable[[], AbstractContextManager[Path]]
    """The file on this host, as long as the context is open. Raises `OSError`."""


Listing = Callable[[], list[LakeFile]]
"""Every file there is now. Raises `OSError` or `WatchkeeperError`."""


def in_folder(top: Path) -> Listing:
    """A lake on this host."""

    def at(path: Path) -> Callable[[], AbstractContextManager[Path]]:
        return lambda: nullcontext(path)

    def listing() -> list[LakeFile]:
        found = []
        for path in sorted(top.rglob("*")):
            try:
                if path.is_file():
                    found.append(LakeFile(path.relative_to(top).as_posix(), path.stat().st_size, at(path)))
            except FileNotFoundError:
                continue  # it went between the two: listed again, it is not there
        return found

    return listing


def in_store(everything: Callable[[], list[tuple[str, int]]], copy: Callable[[str, Path], None]) -> Listing:
    """A lake elsewhere: `everything` lists (name, bytes), `copy` brings one here."""

    def at(name: str) -> Callable[[], AbstractContextManager[Path]]:
        @contextmanager
        def copied() -> Iterator[Path]:
            with tempfile.TemporaryDirectory(prefix="watchkeeper-look-") as folder:
                path = Path(folder) / PurePosixPath(name).name
                copy(name, path)
                yield path

        return copied

    return lambda: [LakeFile(name, size, at(name)) for name, size in everything()]


class _Tally:
    def __init__(self) -> None:
        self.own = self.mentions = self.size = self.looked = 0
        self.unread: list[str] = []

    def place(self, store: str, method: str) -> Place:
        return Place(
            store=store,
            verdict=UNREAD if self.unread else verdict_of(self.own, self.mentions),
            method=method,
            files=self.looked,
            bytes=self.size,
            own=self.own,
            mentions=self.mentions,
            why="; ".join(self.unread[:3]),
        )


def look_at(lake: str, listing: Listing, subject: str) -> list[Place]:
    """What is where in a lake of that name. A part that is not there has no entry; one that is unread always has."""
    needle, found, seen = Needle(subject), dict[tuple[str, str], _Tally](), set[str]()
    for _ in range(_ROUNDS):
        try:
            files = [file for file in listing() if file.name not in seen]
        except (OSError, WatchkeeperError) as error:
            return [*_told(lake, found), _unread(lake, getattr(error, "reason", "") or _first_line(error))]
        seen |= {file.name for file in files}
        if not [file for file in files if not _look(file, subject, needle, found)]:
            return _told(lake, found)
    return [*_told(lake, found), _unread(lake, "files went while they were looked at, time and again: look once more")]


def _told(lake: str, found: dict[tuple[str, str], _Tally]) -> list[Place]:
    return [tally.place(f"{lake}{part}: {kind}", _METHODS[kind]) for (part, kind), tally in sorted(found.items())]


def _unread(lake: str, why: str) -> Place:
    return Place(store=lake, verdict=UNREAD, method="every file listed", why=why)


def _look(file: LakeFile, subject: str, needle: Needle, found: dict[tuple[str, str], _Tally]) -> bool:
    """Count what is in a file; whether it was still there."""
    parts = PurePosixPath(file.name).parts
    is_log, is_aside = _LOG in parts, len(parts) > 1 and parts[0] != _TABLE
    kind = "log" if is_log else "files" if file.name.endswith(".parquet") else "other files"
    tally = found.setdefault((", set aside" if is_aside else "", kind), _Tally())
    try:
        with file.at() as path:
            own, mentions = _KINDS[kind](path, subject, needle)
    except FileNotFoundError:
        return False
    except (ValueError, OSError) as error:
        if isinstance(error.__cause__, FileNotFoundError):
            return False
        tally.unread.append(f"{parts[-1]}: {_first_line(error)}")
        return True
    tally.own, tally.mentions = tally.own + own, tally.mentions + mentions
    tally.looked, tally.size = tally.looked + 1, tally.size + file.size
    return True


def _in_data(path: Path, subject: str, needle: Needle) -> tuple[int, int]:
    own = mentions = 0
    for name, value in values_of(path):
        if name == "actor":
            own += value == subject
        else:
            mentions += sum(needle.count(text.encode("utf-8", "replace")) for text in texts_in(value))
    return own, mentions


def _in_log(path: Path, subject: str, needle: Needle) -> tuple[int, int]:
    own = mentions = 0
    for text in _texts_of_log(path):
        here = needle.count(text.encode("utf-8", "replace"))
        of_actor = _as_actor(text, subject) if here else 0
        own, mentions = own + of_actor, mentions + here - of_actor
    return own, mentions


def _in_bytes(path: Path, _: str, needle: Needle) -> tuple[int, int]:
    return 0, needle.count_file(path)[0]


_KINDS = {"files": _in_data, "log": _in_log, "other files": _in_bytes}


def _texts_of_log(path: Path) -> Iterator[str]:
    if path.suffix == ".parquet":
        for _, value in values_of(path):
            yield from texts_in(value)
        return
    for line in path.read_bytes().splitlines():
        try:
            yield from texts_in(msgspec.json.decode(line))
        except msgspec.DecodeError:
            yield line.decode("utf-8", "replace")


def _as_actor(text: str, subject: str) -> int:
    """How often a text of the table's log names it as an actor: a statistic of that column, or a predicate about it."""
    if "actor = " in text or "actor=" in text:
        return Needle(subject).count(text.encode("utf-8", "replace"))
    try:
        stats: Any = msgspec.json.decode(text)
    except msgspec.DecodeError:
        return 0
    if not isinstance(stats, dict):
        return 0
    bounds = (stats.get("minValues"), stats.get("maxValues"))
    return sum(isinstance(bound, dict) and bound.get("actor") == subject for bound in bounds)


def _first_line(error: Exception) -> str:
    return str(error).strip().splitlines()[0] if str(error).strip() else type(error).__name__
