"""The dead-man's switch as a process of its own: it asks, listens, pages, and sends its own heartbeat outside.

It opens a log of its own for what it tells and reads the control state for pauses; it pages also when neither can be
used.
"""

from __future__ import annotations

import asyncio
import logging
import ssl
import threading
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import msgspec

from watchkeeper.app.looking import Looking
from watchkeeper.app.oncall import DEADMAN
from watchkeeper.app.process import announce, stop_requested
from watchkeeper.app.settings import Loaded, environment
from watchkeeper.app.state import database_of
from watchkeeper.core import control
from watchkeeper.core.clock import Clock, SystemClock
from watchkeeper.core.errors import Misconfigured, WatchkeeperError
from watchkeeper.core.files import Lock, socket_path
from watchkeeper.core.ids import observed_id
from watchkeeper.core.secrets import Secret, SecretReader
from watchkeeper.events import Event, Journal, Severity, new_event
from watchkeeper.respond.deadman.listening import Listening, serve, status_of
from watchkeeper.respond.deadman.outbox import SwitchBox
from watchkeeper.respond.deadman.pausing import Pause, pause_at
from watchkeeper.respond.deadman.pinging import Pinging
from watchkeeper.respond.deadman.sending import Send, Sending, body_of, poster, senders
from watchkeeper.respond.deadman.settings import DeadmanSettings
from watchkeeper.respond.deadman.watching import Change, Seen, Watching
from watchkeeper.respond.webhooks.signing import keys_of

ACTOR = "system:deadman"
FILE = "deadman.db"
_log = logging.getLogger(__name__)
Look = Callable[[], Mapping[str, Seen]]


def read_secret(setting: str, reference: str) -> Secret:
    """The secret behind a reference of this process's environment."""
    return SecretReader(environment()).read(setting, reference)


def check_deadman(loaded: Loaded) -> None:
    """Everybody who is to be told could be. Raises `Misconfigured`."""
    settings, clock = loaded.settings.deadman, SystemClock()
    senders(settings.pages, read_secret, loaded.settings.fetch, clock)
    if settings.ping_url:
        ping_of(loaded, clock)
    slowest = settings.canary_seconds + settings.silent_seconds + 3 * settings.look_seconds
    if settings.is_on and slowest > 60:
        raise Misconfigured(
            f"deadman: silence would be noticed after {slowest:g} s",
            hint="canary_seconds + silent_seconds + 3 look_seconds are at most 60",
        )


def ping_of(loaded: Loaded, clock: Clock) -> Send:
    """How our own heartbeat goes out. Raises `Misconfigured`."""
    settings = loaded.settings.deadman
    secret = read_secret("deadman.ping_secret", settings.ping_secret)
    return poster("deadman.ping", settings.ping_url, secret, loaded.settings.fetch, clock)


class Minutes:
    """What the switch tells, in a log of its own; that it cannot be recorded keeps nobody from being paged."""

    def __init__(self, data_dir: Path, clock: Clock) -> None:
        self._data_dir = data_dir
        self._clock = clock
        self._journal: Journal | None = None
        self.failure = ""

    def record(self, event: Event) -> None:
        try:
            if self._journal is None:
                self._journal = Journal.open(self._data_dir, DEADMAN, self._clock)
            self._journal.record(event)
            self.failure = ""
        except WatchkeeperError as error:
            self.failure = error.reason
            _log.error("an alarm is not in the journal", extra={"why": error.reason})

    def close(self) -> None:
        if self._journal is not None:
            self._journal.close()


class Switch:
    """Looks, judges, notes and sends; the same for both halves."""

    def __init__(
        self, settings: DeadmanSettings, box: SwitchBox, sending: Sending, clock: Clock, minutes: Minutes | None
    ) -> None:
        self._settings = settings
        self._box = box
        self._sending = sending
        self._clock = clock
        self._minutes = minutes
        self._pause: Pause | None = None
        self.pause_now: Callable[[int], Pause | None] = lambda _: None
        every = settings.look_seconds
        self._watching = Watching(
            start=settings.start_seconds,
            recover=settings.recover_seconds,
            still=3 * every + 2 * settings.silent_seconds,
        )
        for alarm in box.open_alarms():
            self._watching.restore(alarm.source, alarm.id, alarm.why, time.monotonic())

    def run(self, look: Look, stop: threading.Event) -> None:
        """Until told to stop; whatever goes wrong, it looks again."""
        while not stop.wait(self._settings.look_seconds):
            try:
                self.round(look())
            except WatchkeeperError as error:
                _log.error("the switch could not look", extra={"why": error.reason})
            except Exception:  # noqa: BLE001 — the outermost loop of what must not die of what it watches
                _log.exception("the switch could not look")

    def round(self, seen: Mapping[str, Seen]) -> None:
        """Judge one look, and send what is due."""
        if self.paused() is not None:
            seen = {name: Seen(None, "paused", one.patience) for name, one in seen.items()}
        for change in self._watching.look(seen, time.monotonic()):
            self._tell(change)
        self._sending.round()

    def paused(self) -> Pause | None:
        """The pause that is on. One that was read before counts to its end, also when it cannot be read any more."""
        now = self._clock.now()
        try:
            self._pause = self.pause_now(now)
        except WatchkeeperError as error:
            _log.warning("pauses cannot be read", extra={"why": error.reason})
        on = self._pause
        return on if on is not None and on.begins_at <= now < on.ends_at else None

    def silent(self) -> list[str]:
        return [one.name for one in self._watching.told(time.monotonic()) if one.state == "silent"]

    def told(self) -> dict[str, Any]:
        """How it stands."""
        return {
            "sources": msgspec.to_builtins(self._watching.told(time.monotonic())),
            "paused": msgspec.to_builtins(self.paused()),
            "channels": self._sending.channels,
            "unsent": self._box.waiting(),
            "failure": self._minutes.failure if self._minutes is not None else "",
        }

    def _tell(self, change: Change) -> None:
        now = self._clock.now()
        body = body_of(change, self._settings.name, now)
        self._box.note(change, dict.fromkeys(self._sending.channels, body), now)
        _log.error("%s %s", change.source, "is silent" if change.is_silent else "is back", extra={"why": change.why})
        if self._minutes is None:
            return
        kind = "respond.deadman.alarmed" if change.is_silent else "respond.deadman.recovered"
        outcome, severity = ("failure", Severity.CRITICAL) if change.is_silent else ("success", Severity.INFORMATIONAL)
        said = {"alarm": change.alarm, "why": change.why, "silent_seconds": change.seconds}
        target = change.source
        event = new_event(now, kind, actor=ACTOR, target=target, outcome=outcome, severity=severity, body=said)
        self._minutes.record(event)


def test_pages(loaded: Loaded) -> dict[str, str]:
    """Send a page that says that it is a test, by every channel: channel → why not; empty where it was taken."""
    clock = SystemClock()
    ways = senders(loaded.settings.deadman.pages, read_secret, loaded.settings.fetch, clock)
    change = Change("test", observed_id(), is_silent=True, why="This is a test; everything is well", seconds=0.0)
    body = body_of(change, loaded.settings.deadman.name, clock.now())
    return {name: _why(way, change.alarm, body) for name, way in ways.items()}


def _why(way: Send, message_id: str, body: bytes) -> str:
    try:
        way(message_id, body)
    except WatchkeeperError as error:
        return error.reason
    return ""


async def run_deadman(loaded: Loaded, *, supervised: bool, demo: bool = False) -> None:
    """Watch over the services of this data folder until told to stop. Raises what keeps it from starting."""
    del demo
    settings, clock = loaded.settings.deadman, SystemClock()
    check_deadman(loaded)
    if not settings.is_on:
        raise Misconfigured("nobody would be told", hint="name [deadman.pages] or deadman.ping_url in the settings")
    stop = stop_requested(supervised=supervised)
    with Lock(loaded.data_dir / "run" / "deadman.lock").acquire(f"the switch of {loaded.data_dir}"):
        box, minutes = SwitchBox(loaded.data_dir / FILE), Minutes(loaded.data_dir, clock)
        sending = Sending(box, senders(settings.pages, read_secret, loaded.settings.fetch, clock), clock)
        switch, looking = Switch(settings, box, sending, clock, minutes), Looking(loaded, box)
        database = database_of(loaded)
        switch.pause_now = lambda now: pause_at(database, now)
        ping = (
            Pinging(settings.name, ping_of(loaded, clock), box, clock, settings.ping_seconds)
            if settings.ping_url
            else None
        )
        runs = [lambda ending: switch.run(looking.look, ending)]
        if ping is not None:
            ping.silent, ping.paused_until = switch.silent, lambda: on.ends_at if (on := switch.paused()) else 0
            runs.append(ping.run)
        handlers = _handlers(switch, ping, loaded)
        try:
            async with await control.serve(socket_path(loaded.data_dir, DEADMAN), handlers):
                announce(DEADMAN, {"channels": sending.channels, "ping": bool(ping)})
                await _until(stop, runs)
        finally:
            for end in (looking.close, sending.close, minutes.close, box.close, database.close):
                await asyncio.to_thread(end)


async def run_listener(loaded: Loaded, *, supervised: bool = False) -> None:
    """The outside half, until told to stop. Raises what keeps it from starting."""
    settings, clock = loaded.settings.deadman, SystemClock()
    listen = settings.listen
    if not listen.instances or not settings.pages:
        hint = "name [deadman.listen.instances.NAME] and [deadman.pages.NAME]; see docs/concepts/deadman.md"
        raise Misconfigured("nobody's heartbeat is expected, or nobody would be told", hint=hint)
    keys = {}
    for name, one in listen.instances.items():
        where = f"deadman.listen.instances.{name}.secret"
        keys[name] = keys_of(where, read_secret(where, one.secret))
    stop = stop_requested(supervised=supervised)
    with Lock(loaded.data_dir / "run" / "deadman-listen.lock").acquire(f"the listener of {loaded.data_dir}"):
        box = SwitchBox(loaded.data_dir / "deadman-listen.db")
        sending = Sending(box, senders(settings.pages, read_secret, loaded.settings.fetch, clock), clock)
        listening = Listening(keys, box, clock)
        switch = Switch(settings, box, sending, clock, None)
        every = 3 * settings.look_seconds

        async def hear(headers: Mapping[str, str], body: bytes) -> int:
            try:
                await asyncio.to_thread(listening.hear, headers, body)
            except WatchkeeperError as error:
                return status_of(error)
            return 204

        try:
            server = await serve(hear, listen.host, listen.port, _tls(listen.tls_certificate, listen.tls_key))
            async with server:
                port = server.sockets[0].getsockname()[1]
                announce("deadman-listen", {"port": port, "instances": sorted(keys)})
                look: Look = lambda: listening.look(listen.silent_seconds, every)  # noqa: E731 — bound to these
                await _until(stop, [lambda ending: switch.run(look, ending)])
        finally:
            for end in (sending.close, box.close):
                await asyncio.to_thread(end)


def _tls(certificate: str, key: str) -> ssl.SSLContext | None:
    if not certificate:
        return None
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    try:
        context.load_cert_chain(certificate, key or None)
    except (OSError, ssl.SSLError) as error:
        raise Misconfigured(f"deadman.listen: {certificate} cannot be used: {error}", hint="name PEM files") from error
    return context


async def _until(stop: asyncio.Event, runs: list[Callable[[threading.Event], None]]) -> None:
    ending = threading.Event()
    threads = [threading.Thread(target=run, args=(ending,), daemon=True) for run in runs]
    for thread in threads:
        thread.start()
    await stop.wait()
    ending.set()
    for thread in threads:
        await asyncio.to_thread(thread.join, 15.0)


def _handlers(switch: Switch, ping: Pinging | None, loaded: Loaded) -> dict[str, control.Handler]:
    async def status(_: dict[str, Any]) -> Any:
        told = await asyncio.to_thread(switch.told)
        outside = None if ping is None else {"sent_at": ping.sent_at, "failure": ping.failure}
        return told | {"ping": outside}

    async def test(_: dict[str, Any]) -> Any:
        return await asyncio.to_thread(test_pages, loaded)

    return {"status": status, "test": test}
