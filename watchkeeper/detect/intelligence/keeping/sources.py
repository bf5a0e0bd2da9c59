"""Where indicators come from, how far each is trusted, and how its polls went: a JSON file in the data folder."""

from __future__ import annotations

from pathlib import Path
from typing import Literal

import msgspec

from watchkeeper.core.errors import Conflict, Invalid, NotFound, Unavailable
from watchkeeper.core.files import write_private
from watchkeeper.detect.intelligence.model import Tlp

Kind = Literal["file", "taxii", "stix", "misp", "csv", "list"]
POLLED = ("taxii", "stix", "misp", "csv", "list")
_LETTERS = frozenset("abcdefghijklmnopqrstuvwxyz0123456789-_.")
_MOST = 200


class Source(msgspec.Struct, frozen=True, kw_only=True):
    """One of them, with how its last poll went."""

    name: str
    kind: Kind = "file"
    url: str = ""
    """Of the collection (TAXII), of the document, of the feed's folder (MISP)."""
    auth: str = ""
    """A header's value by reference: `Bearer env:TOKEN`, `Basic file:/run/secrets/taxii`; never the secret."""
    trust: int = 100
    """Per cent of its confidence that counts."""
    confidence: int = 60
    """Of an indicator for which it says none."""
    tlp: Tlp = Tlp.AMBER
    """Of an indicator for which it says none: not shared, unless it is said that it may be."""
    every: int = 3600
    """Seconds between two polls."""
    columns: dict[str, str] = {}
    is_on: bool = True
    added: int = 0
    polled: int = 0
    """When it was last asked; 0 for never."""
    succeeded: int = 0
    """When that last worked."""
    trouble: str = ""
    """Why the last poll failed; empty when it did not."""
    failures: int = 0
    """In a row."""
    cursor: str = ""
    """TAXII's `added_after`; MISP's newest time stamp."""
    last: dict[str, int] = {}
    """Counts of the last import."""

    def is_due(self, now: int) -> bool:
        """Whether to ask it; after failures later and later, up to a day."""
        wait = min(self.every * 2 ** min(self.failures, 8), max(86_400, self.every)) if self.failures else self.every
        return self.is_on and self.kind in POLLED and now >= self.polled + wait * 1_000_000

    def is_stale(self, now: int) -> bool:
        """Whether what it says may be out of date: nothing came for three polls' time."""
        return self.kind in POLLED and self.is_on and now > max(self.succeeded, self.added) + 3 * self.every * 1_000_000

    def state(self, now: int) -> str:
        """How it stands, in words."""
        if self.kind not in POLLED:
            return "imported by hand"
        if not self.is_on:
            return "switched off"
        if not self.polled:
            return "never asked yet"
        trouble = f": {self.trouble}" if self.trouble else ""
        if self.is_stale(now):
            return f"STALE{trouble}"
        return f"failing{trouble}" if self.trouble else "fresh"


class Register:
    """Every source, by name."""

    def __init__(self, path: Path) -> None:
        self._path = path

    def all(self) -> dict[str, Source]:
        """Raises `Unavailable` when the file cannot be read: no sources is another answer than that."""
        try:
            data = self._path.read_bytes()
        except FileNotFoundError:
            return {}
        except OSError as error:
            raise Unavailable(f"cannot read {self._path}: {error.strerror}", hint="check its owner and mode") from error
        try:
            return {one.name: one for one in msgspec.json.decode(data, type=list[Source])}
        except msgspec.MsgspecError as error:
            raise Unavailable(f"{self._path} cannot be read: {error}", hint="restore it from a backup") from error

    def get(self, name: str) -> Source:
        """Raises `NotFound`."""
        found = self.all().get(name)
        if found is None:
            raise NotFound(f"no source is called {name[:80]!r}", hint="`watchkeeper intel sources list` shows them")
        return found

    def add(self, source: Source) -> None:
        """Raises `Conflict`, `Invalid`."""
        check(source)
        known = self.all()
        if source.name in known:
            raise Conflict(f"there is a source {source.name} already", hint="remove it first, or choose another name")
        if len(known) >= _MOST:
            raise Invalid(f"there are {_MOST} sources already; that many are kept")
        self.save(source)

    def save(self, source: Source) -> None:
        """Put it in its place."""
        self._write(self.all() | {source.name: source})

    def remove(self, name: str) -> None:
        """Raises `NotFound`."""
        self.get(name)
        self._write({other: one for other, one in self.all().items() if other != name})

    def _write(self, known: dict[str, Source]) -> None:
        data = msgspec.json.encode([known[name] for name in sorted(known)])
        write_private(self._path, msgspec.json.format(data, indent=2))


def check(source: Source) -> None:
    """Raises `Invalid` when it cannot work."""
    name = source.name
    if not 0 < len(name) <= 64 or not _LETTERS.issuperset(name) or name[0] in ".-":
        raise Invalid("a source is called in a-z, 0-9, -, _ and ., with at most 64 characters")
    if source.kind in POLLED and not source.url:
        raise Invalid(f"a source of the kind {source.kind} needs a URL", hint="--url https://…")
    if not 0 <= source.trust <= 100 or not 0 <= source.confidence <= 100:
        raise Invalid("trust and confidence are between 0 and 100")
    if source.every < 60:
        raise Invalid("a source is asked once a minute at most", hint="--every 3600")
