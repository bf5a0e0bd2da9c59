"""Upkeep of the logs, wired: what keeps records from removal are the lake's holds and the registered readers."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

import msgspec

from watchkeeper.core.clock import Clock, SystemClock
from watchkeeper.core.errors import Conflict, Unavailable
from watchkeeper.core.lasting import Lasting
from watchkeeper.events import Journal, JournalReader, JournalSettings
from watchkeeper.events.journal.keeping import RetentionSettings
from watchkeeper.events.journal.upkeep import Guards, Keeper, LogStatus, Register, Rewritten, Ruling, rulings, status

_EVERY = 5.0
_SYSTEM = SystemClock()
_log = logging.getLogger(__name__)
Cursor = Callable[[], Mapping[str, int] | None]
"""How far a reader has durably come; `None` while that is not known."""


class Turn(msgspec.Struct, frozen=True):
    """What a person's command did to one log."""

    writer: str
    sealed: list[Rewritten] = []
    pruned: list[Rewritten] = []
    rulings: list[Ruling] = []
    skipped: str = ""
    """Why nothing was done."""


def guards_of(data_dir: Path) -> Guards:
    """What keeps records of this folder."""
    return Guards(is_held=lambda first, last: _is_held(data_dir, first, last), cursors=Register(data_dir).cursors)


def _is_held(data_dir: Path, first: int, last: int) -> bool:
    from watchkeeper.events.lake.holds import Holds  # noqa: PLC0415 — heavy, and needed only where retention is on

    return bool(Holds(data_dir).covering(since=first, until=last + 1))


@contextmanager
def kept(journal: Journal, data_dir: Path, settings: JournalSettings | None, clock: Clock) -> Iterator[None]:
    """A service's log is kept while it runs; a command's, which has no settings, is not."""
    if settings is None:
        yield
        return
    with Keeper(journal, settings.retention, clock, guards_of(data_dir)):
        yield


def registering(data_dir: Path, readers: Mapping[str, Cursor]) -> Callable[[threading.Event], None]:
    """Keeps the register up to how far each reader has come; one that is no more is forgotten."""
    register = Register(data_dir)
    troubles = {name: Lasting(_log, f"how far {name} has come is not known", logging.WARNING) for name in readers}

    def run(stop: threading.Event) -> None:
        for name in register.names() - readers.keys():
            register.forget(name)
        while not stop.wait(_EVERY):
            note_all(register, readers, troubles)
        note_all(register, readers, troubles)

    return run


def note_all(register: Register, readers: Mapping[str, Cursor], troubles: Mapping[str, Lasting]) -> None:
    """One look at every reader. What is not known now keeps the older, lower cursor."""
    for name, cursor in readers.items():
        with troubles[name].told():
            known = cursor()
            if known is not None:
                register.note(name, known)


def look(data_dir: Path) -> list[LogStatus]:
    """Every log's files. Raises `Unavailable` when there is no journal."""
    return [status(data_dir, writer) for writer in JournalReader(data_dir).writers()]


def plan(data_dir: Path, settings: RetentionSettings, clock: Clock = _SYSTEM) -> list[Turn]:
    """What retention would remove now; nothing is changed and nothing locked."""
    guards = guards_of(data_dir)
    return [
        Turn(writer, rulings=rulings(data_dir, writer, settings, guards, clock.now()))
        for writer in JournalReader(data_dir).writers()
    ]


def keep_now(data_dir: Path, settings: RetentionSettings, clock: Clock = _SYSTEM) -> list[Turn]:
    """Seal what is full and prune what is due, in every log that no other process writes."""
    return [_keep_one(data_dir, writer, settings, clock) for writer in JournalReader(data_dir).writers()]


def _keep_one(data_dir: Path, writer: str, settings: RetentionSettings, clock: Clock) -> Turn:
    try:
        journal = Journal.open(data_dir, writer, clock)
    except Conflict:
        return Turn(writer, skipped="its process runs and keeps it itself, within a minute")
    try:
        sealed, pruned = Keeper(journal, settings, clock, guards_of(data_dir)).turn()
        return Turn(writer, sealed, pruned)
    except Unavailable as error:
        return Turn(writer, skipped=error.reason)
    finally:
        journal.close()
