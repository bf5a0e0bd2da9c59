"""Taking records in, wired: for the watch what the settings name, for the command line one file."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import msgspec

from watchkeeper.app.administration import WATCH
from watchkeeper.app.settings import Loaded, environment
from watchkeeper.core import control
from watchkeeper.core.clock import SystemClock
from watchkeeper.core.errors import Invalid, NotFound
from watchkeeper.core.files import make_private_folder, socket_path
from watchkeeper.core.secrets import SecretReader
from watchkeeper.events import Event, Journal
from watchkeeper.events.censor import Censor
from watchkeeper.events.ingest import Intake, SourceSettings, Tally
from watchkeeper.events.ingest.formats import reader_of
from watchkeeper.events.ingest.importing import Importing
from watchkeeper.events.ingest.recent import Recent
from watchkeeper.events.ingest.service import Ingest, check
from watchkeeper.inspection import Inspection

WRITER = "import"
"""The log of `watchkeeper ingest file`; the service has one of its own."""
Told = Callable[[int, int, Tally], None]
"""Bytes read, bytes in all, what became of the records so far."""


def ingest_of(loaded: Loaded) -> Ingest | None:
    """What the settings name; None where they name nothing. Raises `Misconfigured`."""
    settings = loaded.settings.ingest
    if not settings.sources:
        return None
    check(settings)
    reader = SecretReader(environment())
    tokens = {
        name: reader.read(f"ingest.sources.{name}.token", source.token)
        for name, source in settings.sources.items()
        if not source.path
    }
    return Ingest(loaded.data_dir, settings, tokens, journal=loaded.settings.journal)


def ingest_handlers(ingest: Ingest | None) -> dict[str, control.Handler]:
    """What the watch says of its sources."""

    async def status(_: dict[str, Any]) -> Any:
        if ingest is None:
            return {"sources": [], "port": 0}
        return {"sources": msgspec.to_builtins(ingest.sources()), "port": ingest.port}

    return {"ingest.status": status}


def ingest_status(data_dir: Path) -> Mapping[str, Any]:
    """What became of the sources' records, by the running watch. Raises `Unavailable` when none runs."""
    answer: Mapping[str, Any] = control.ask(socket_path(data_dir, WATCH), "ingest.status", timeout=5.0)
    return answer


def import_file(
    data_dir: Path, path: Path, name: str, source: SourceSettings, *, told: Told, line_kb: int = 1024
) -> Tally:
    """Take a file's records in, durably. Whether the service runs does not matter.

    Raises `Conflict` while another import runs, `Invalid` for a mapping that is wrong, `NotFound` without the file.
    """
    _require(path)
    reader = reader_of(source)
    make_private_folder(data_dir)
    cache = data_dir / "cache"
    journal = Journal.open(data_dir, WRITER)
    journal.censor = Censor(cache)
    try:
        recent = Recent()
        recent.seed(data_dir, WRITER)
        inspection = Inspection.from_plugins(cache)
        intake = Intake(name, source, journal=journal, inspection=inspection, clock=SystemClock(), recent=recent)
        Importing(intake, reader, line_kb * 1024).run(path, journal.wait, told)
        return intake.tally
    finally:
        journal.close()


def preview_file(
    path: Path, name: str, source: SourceSettings, *, most: int, line_kb: int = 1024
) -> tuple[Tally, list[Event]]:
    """What a file's records would become, of which the first so many; nothing is recorded."""
    _require(path)
    intake = Preview(name, source)
    Importing(intake, reader_of(source), line_kb * 1024).run(path, lambda _: None, lambda *_: None)
    return intake.tally, intake.events[:most]


class Preview(Intake):
    """Makes events and records none of them."""

    def __init__(self, name: str, source: SourceSettings) -> None:
        inspection = Inspection.from_plugins()
        nowhere: Any = _Nowhere(self)
        super().__init__(name, source, journal=nowhere, inspection=inspection, clock=SystemClock(), recent=Recent())
        self.events: list[Event] = []


class _Nowhere:
    def __init__(self, preview: Preview) -> None:
        self._preview = preview

    def append(self, event: Event) -> int:
        if len(self._preview.events) < 100:
            self._preview.events.append(event)
        return 0


def _require(path: Path) -> None:
    if str(path) == "-":
        return
    if not path.exists():
        raise NotFound(f"there is no file {path}", hint="name one, or - for standard input")
    if path.is_dir():
        raise Invalid(f"{path} is a folder", hint="name a file; take several in by several calls")
