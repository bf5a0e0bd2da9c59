"""The store of indicators of a data folder: takes in, takes back, builds the index, answers questions. The door.

Any process may read; whoever writes holds the lock. What is taken in becomes visible when the index is replaced; a
process that dies before leaves the index as it was, and the next build has everything.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Iterator
from pathlib import Path

import msgspec

from watchkeeper.core.clock import Clock
from watchkeeper.core.files import make_private_folder, write_private
from watchkeeper.core.ids import derived_id
from watchkeeper.detect.intelligence.keeping.allowing import AllowBook, Allowed, AllowList
from watchkeeper.detect.intelligence.keeping.building import build
from watchkeeper.detect.intelligence.keeping.files import locked
from watchkeeper.detect.intelligence.keeping.holding import Change, Joining, Row, rows, stored
from watchkeeper.detect.intelligence.keeping.index import Few, Head, Index, Lookup
from watchkeeper.detect.intelligence.keeping.sources import Register, Source
from watchkeeper.detect.intelligence.model import Draft, Indicator, Read, Type, key_of
from watchkeeper.detect.intelligence.settings import IntelligenceSettings, lives_of

_DAY = 86_400_000_000
_DEFAULT = IntelligenceSettings()
_OF_CHANGE = ("added", "changed", "unchanged", "revoked", "removed", "silenced")


class Imported(msgspec.Struct, frozen=True, kw_only=True):
    """What became of a file."""

    source: str
    read: int
    added: int = 0
    changed: int = 0
    unchanged: int = 0
    revoked: int = 0
    removed: int = 0
    expired: int
    """Taken, and past their end already: they are not looked for."""
    silenced: int = 0
    """Taken, and on an allow-list: they are not looked for."""
    allowed: int
    """Entries for the allow-list, of a warning list."""
    refused: int
    ignored: int
    left_out: int
    why: dict[str, int]


class Library:
    """One data folder's."""

    def __init__(self, data_dir: Path, clock: Clock, settings: IntelligenceSettings = _DEFAULT) -> None:
        self.folder = data_dir / "intelligence"
        self._clock = clock
        self._lives = lives_of(settings)
        self.register = Register(self.folder / "sources.json")
        self.allowed = AllowBook(self.folder / "allowed.json")
        self.index_path = self.folder / "index.bin"
        self.arrivals = self.folder / "arrivals"

    def take(self, source: Source, read: Read, *, replace: bool = False, by: str = "") -> Imported:
        """Take in what was read of a source. Raises `Unavailable`, `Conflict`."""
        make_private_folder(self.folder)
        now = self._clock.now()
        found = [self._indicator(source, draft, now) for draft in read.drafts]
        with locked(self.folder / "lock"):
            said = Imported(
                source=source.name,
                read=len(found),
                expired=sum(1 for one in found if one.valid_until and one.valid_until <= now),
                allowed=self._allow(source, read, by, now),
                refused=read.refused,
                ignored=read.ignored,
                left_out=read.left_out,
                why=read.why,
            )
            allow = self.allowed.list()
            joining = Joining(self._file(source.name), found, allow.covers_key, source.trust, replace=replace)
            self._build(now, allow, [(source, self._noted(joining, source, said, now))])
            return _said(said, joining.change)

    def _noted(self, joining: Joining, source: Source, said: Imported, now: int) -> Iterator[Row]:
        """The rows, and at their end, when the source's file is in place, what became of them: before the index is."""
        yield from joining
        self._note_arrivals(joining.change, source, now)
        every = msgspec.to_builtins(_said(said, joining.change))
        counts = {name: value for name, value in every.items() if isinstance(value, int)}
        self.register.save(msgspec.structs.replace(source, last=counts))

    def add_source(self, source: Source) -> None:
        """Raises `Conflict`, `Invalid`."""
        make_private_folder(self.folder)
        with locked(self.folder / "lock"):
            self.register.add(source)

    def note_poll(self, source: Source) -> None:
        """Keep how a poll went, unless the source was removed meanwhile."""
        with locked(self.folder / "lock"):
            if source.name in self.register.all():
                self.register.save(source)

    def waiting(self) -> int:
        """How many arrivals the past was not searched for yet."""
        return len(list(self.arrivals.glob("*.bin"))) if self.arrivals.is_dir() else 0

    def rebuild(self) -> Head:
        """Lay the index down anew: what has ended leaves it. Raises `Unavailable`, `Conflict`."""
        make_private_folder(self.folder)
        with locked(self.folder / "lock"):
            return self._build(self._clock.now())

    def drop(self, name: str) -> None:
        """Forget a source and what it said. Raises `NotFound`."""
        with locked(self.folder / "lock"):
            self.register.remove(name)
            self._file(name).unlink(missing_ok=True)
            self._build(self._clock.now())

    def allow(self, entries: Iterable[Allowed]) -> int:
        """Put them on the allow-list; how many are new. Raises `Conflict`."""
        make_private_folder(self.folder)
        with locked(self.folder / "lock"):
            new = self.allowed.add(entries)
            self._build(self._clock.now())
            return new

    def forbid(self, kind: Type, value: str) -> Allowed:
        """Take it off the allow-list. Raises `NotFound`."""
        make_private_folder(self.folder)
        with locked(self.folder / "lock"):
            gone = self.allowed.remove(kind, value)
            self._build(self._clock.now())
            return gone

    def confirm(self, kind: Type, value: str, source: str = "") -> int:
        """Stand for it: it may be shared as ours; how many it was."""
        key, now = key_of(kind, value), self._clock.now()
        changed = 0
        with locked(self.folder / "lock"):
            allow, known, changes = self.allowed.list(), self.register.all(), list[tuple[Source, Joining]]()
            for name in [source] if source else sorted(known):
                found = [one for one in stored(self._file(name)) if one.key == key]
                if name in known and found:
                    mine = [msgspec.structs.replace(one, confirmed=one.confirmed or now) for one in found]
                    changes.append((known[name], Joining(self._file(name), mine, allow.covers_key, known[name].trust)))
                    changed += len(found)
            self._build(now, allow, changes)
        return changed

    def open(self) -> Lookup:
        """The index as it is now; an empty one where nothing was taken in. Raises `Unavailable`."""
        try:
            return Index(self.index_path)
        except FileNotFoundError:
            return Few()

    def stamp(self) -> tuple[int, int]:
        """Changes when the index is another."""
        try:
            found = self.index_path.stat()
        except OSError:
            return (0, 0)
        return (found.st_mtime_ns, found.st_ino)

    def every(self, source: str = "") -> Iterator[Indicator]:
        """What is kept, also what is not looked for any more; of one source in its order."""
        for name in [source] if source else sorted(self.register.all()):
            yield from stored(self._file(name))

    def of(self, kind: Type, value: str) -> list[Indicator]:
        """What every source says of a value, also what has ended or was taken back."""
        key = key_of(kind, value)
        return [one for one in self.every() if one.key == key]

    def _build(
        self, now: int, allow: AllowList | None = None, changing: Iterable[tuple[Source, Iterable[Row]]] = ()
    ) -> Head:
        """The index of what is kept, or of what a changing source will be; not of those that are off."""
        covers = (allow or self.allowed.list()).covers_key
        every = [one for one in self.register.all().values() if one.is_on]
        files: dict[str, Iterable[Row]] = {
            one.name: rows(self._file(one.name), covers, one.trust) for one in every if one.is_on
        }
        for source, new in changing:
            if source.is_on:
                files[source.name] = new
            else:
                deque(new, maxlen=0)
        return build(self.index_path, files.values(), now)

    def _file(self, name: str) -> Path:
        return self.folder / f"source.{name}.bin"

    def _allow(self, source: Source, read: Read, by: str, now: int) -> int:
        if not read.allowed:
            return 0
        entries = [
            Allowed(type=Type(kind), value=value, why=f"a warning list: {source.name}", by=by or source.name, added=now)
            for kind, value in read.allowed
        ]
        return self.allowed.add(entries) if len(entries) > 1 or not self._is_allowed(entries[0]) else 0

    def _is_allowed(self, entry: Allowed) -> bool:
        return any(one.key == entry.key for one in self.allowed.own())

    def _note_arrivals(self, change: Change, source: Source, now: int) -> None:
        """For the retro-hunt: which keys are new, until it has looked for them."""
        if change.arrived:
            make_private_folder(self.arrivals)
            name = f"{now:020d}-{derived_id('arrival', source.name, now)[:8]}.bin"
            write_private(self.arrivals / name, msgspec.msgpack.encode(change.arrived))

    def _indicator(self, source: Source, draft: Draft, now: int) -> Indicator:
        begin = draft.valid_from or draft.modified or now
        days = self._lives[draft.type]
        return Indicator(
            type=draft.type,
            value=draft.value,
            id=draft.id,
            source=source.name,
            confidence=source.confidence if draft.confidence is None else draft.confidence,
            valid_from=draft.valid_from,
            valid_until=draft.valid_until or (begin + days * _DAY if days else 0),
            modified=draft.modified or draft.valid_from or now,
            tlp=draft.tlp or source.tlp,
            title=draft.title,
            tags=draft.tags,
            revoked=draft.revoked,
            also=draft.also,
            trust=source.trust,
            added=now,
        )


def _said(said: Imported, change: Change) -> Imported:
    return msgspec.structs.replace(said, **{name: getattr(change, name) for name in _OF_CHANGE})
