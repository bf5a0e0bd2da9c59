"""Taking in while the service runs: files followed and a port served, in one thread with an event loop of its own.

The log it writes is its own (`ingest`), so that a flood from elsewhere never stands in the way of what our own gateway
or watch record.
"""

from __future__ import annotations

import asyncio
import socket
import threading
import time
from collections.abc import Mapping
from pathlib import Path

import msgspec

from watchkeeper.core.clock import Clock, SystemClock
from watchkeeper.core.errors import Invalid, Misconfigured, Unavailable
from watchkeeper.core.secrets import Secret
from watchkeeper.events.censor import Censor
from watchkeeper.events.ingest.following import Followed
from watchkeeper.events.ingest.formats import reader_of
from watchkeeper.events.ingest.pace import Pace
from watchkeeper.events.ingest.receiver import Door, Receiver
from watchkeeper.events.ingest.recent import Recent
from watchkeeper.events.ingest.recorder import WRITER, Intake, Tally
from watchkeeper.events.ingest.serving import listen, serve
from watchkeeper.events.ingest.settings import IngestSettings, SourceSettings
from watchkeeper.events.journal.model import JournalSettings
from watchkeeper.events.journal.writing.writer import Journal
from watchkeeper.events.model import Severity, new_event
from watchkeeper.inspection.inspection import Inspection

POLL = 0.25
_TELL = 60.0
"""Seconds between two events about what was refused."""
_SYSTEM = SystemClock()


class Source(msgspec.Struct, frozen=True):
    """What `status` says of a source."""

    name: str
    format: str
    where: str
    tally: Tally
    failure: str = ""


class Ingest:
    """Every source of the settings; a reader of the watch process."""

    def __init__(
        self,
        data_dir: Path,
        settings: IngestSettings,
        tokens: Mapping[str, Secret],
        *,
        journal: JournalSettings | None = None,
        clock: Clock = _SYSTEM,
    ) -> None:
        """`tokens` by source. Raises `Misconfigured` for a source that cannot be read or reached."""
        self._data_dir = data_dir
        self._settings = settings
        self._tokens = tokens
        self._journal_settings = journal
        self._clock = clock
        self._files: dict[str, Followed] = {}
        self._intakes: dict[str, Intake] = {}
        self._told: dict[str, int] = {}
        self.port = 0
        """Where it listens, once it does."""
        check(settings)

    def run(self, stop: threading.Event) -> None:
        """Until told to stop. Raises `Conflict` when another process takes in on this folder."""
        asyncio.run(self._run(stop))

    def sources(self) -> list[Source]:
        """What became of each source's records since this process began."""
        found = []
        for name, source in self._settings.sources.items():
            intake, file = self._intakes.get(name), self._files.get(name)
            where = source.path or self._settings.listen
            tally, failure = (intake.tally if intake else Tally()), (file.failure if file else "")
            found.append(Source(name, source.format, where, tally, failure))
        return found

    async def _run(self, stop: threading.Event) -> None:
        inspection = await asyncio.to_thread(Inspection.from_plugins, self._data_dir / "cache")
        journal = Journal.open(self._data_dir, WRITER, self._clock, self._journal_settings)
        journal.censor = Censor(self._data_dir / "cache")
        try:
            recent = Recent()
            recent.seed(self._data_dir, WRITER)
            for name, source in self._settings.sources.items():
                self._intakes[name] = Intake(
                    name, source, journal=journal, inspection=inspection, clock=self._clock, recent=recent
                )
                if source.path:
                    self._files[name] = self._followed(name, source)
            server = None
            if self._settings.listen:
                listener = listen(self._settings.listen)
                self.port = listener.getsockname()[1]
                server = asyncio.create_task(self._serve(journal, listener, stop))
            await self._follow(journal, stop, server)
            if server is not None:
                await server
        finally:
            for file in self._files.values():
                file.close()
            await asyncio.to_thread(journal.close)

    def _followed(self, name: str, source: SourceSettings) -> Followed:
        state = self._data_dir / "ingest" / f"{name}.json"
        longest = self._settings.line_kb * 1024
        return Followed(self._intakes[name], lambda: reader_of(source), Path(source.path), state, longest)

    async def _follow(self, journal: Journal, stop: threading.Event, server: asyncio.Task[None] | None) -> None:
        paces = {name: Pace(self._settings.events_per_second) for name in self._files}
        told_at = time.monotonic()
        while not stop.is_set():
            moved = [await self._step(journal, name, paces[name]) for name in self._files]
            if server is not None and server.done():
                return
            if time.monotonic() - told_at >= _TELL:
                told_at = time.monotonic()
                self._tell(journal)
            if not any(moved):
                await asyncio.sleep(POLL)
        self._tell(journal)

    async def _step(self, journal: Journal, name: str, pace: Pace) -> bool:
        file = self._files[name]
        if pace.seconds_to_wait(time.monotonic()):
            return False
        before = self._intakes[name].tally.taken
        try:
            moved = file.step()
            pace.spend(self._intakes[name].tally.taken - before)
            if moved:
                if file.unsaved is not None:
                    await journal.durable(file.unsaved)
                file.save()
        except Unavailable as error:
            file.failure = error.reason
            return False
        await asyncio.sleep(0)
        return moved

    def _doors(self) -> dict[str, Door]:
        rate = self._settings.events_per_second
        return {
            secret.reveal(): Door(
                self._intakes[name],
                reader_of(self._settings.sources[name]),
                Pace(rate),
                is_otlp=self._settings.sources[name].format == "otlp",
            )
            for name, secret in self._tokens.items()
        }

    async def _serve(self, journal: Journal, listener: socket.socket, stop: threading.Event) -> None:
        largest, longest = self._settings.largest_kb * 1024, self._settings.line_kb * 1024
        await serve(Receiver(self._doors(), journal.durable, largest=largest, longest=longest), listener, stop)

    def _tell(self, journal: Journal) -> None:
        """Record what was refused since it was last told: a gap that nobody sees would pass for silence."""
        for name, intake in self._intakes.items():
            refused = sum(intake.tally.refused.values())
            if refused <= self._told.get(name, 0):
                continue
            body = {"source": name, "refused": refused - self._told.get(name, 0), "reasons": dict(intake.tally.refused)}
            event = new_event(
                self._clock.now(), "ingest.records.refused", actor=f"system:{WRITER}", target=name,
                outcome="failure", severity=Severity.LOW, body=body,
            )  # fmt: skip
            try:
                journal.append(event)
                self._told[name] = refused
            except Unavailable:
                return


def check(settings: IngestSettings) -> None:
    """Raises `Misconfigured`, naming the setting."""
    if settings.listen:
        _, _, port = settings.listen.rpartition(":")
        if not port.isdecimal() or int(port) > 65_535:
            raise Misconfigured(f"ingest.listen: no address: {settings.listen!r}", hint='write "127.0.0.1:4318"')
    for name, source in settings.sources.items():
        where = f"ingest.sources.{name}"
        if source.path and source.token:
            raise Misconfigured(f"{where}: both a path and a token", hint="a source is a file, or sends over HTTP")
        if not source.path and not (source.token and settings.listen):
            raise Misconfigured(f"{where}: nowhere to read from", hint="give it a path; or a token, and ingest.listen")
        try:
            reader_of(source)
        except Invalid as error:
            raise Misconfigured(f"{where}: {error.reason}", hint=error.hint) from error
