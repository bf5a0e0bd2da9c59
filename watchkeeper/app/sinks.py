"""Sinks wired: their secrets read, one shipper each for the watch, and what a person asks of them."""

from __future__ import annotations

import ssl
import threading
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import msgspec

from watchkeeper.app.settings import Loaded, environment
from watchkeeper.app.upkeep import Cursor
from watchkeeper.core.clock import Clock, SystemClock
from watchkeeper.core.errors import Misconfigured, NotFound, WatchkeeperError
from watchkeeper.core.fetch.client import Fetcher
from watchkeeper.core.fetch.model import FetchRefused
from watchkeeper.core.fetch.target import parse_target
from watchkeeper.core.secrets import Secret, SecretReader
from watchkeeper.events import Event, JournalReader, new_event
from watchkeeper.events.journal.reading.telling import telling_reader
from watchkeeper.events.sinks import Ground, Ledger, Shipper, Sink, SinkSettings, Standing, check_sinks
from watchkeeper.events.sinks.file import FileSink, recorded
from watchkeeper.events.sinks.hand import TEST, Replayed, Tried, replay, try_out
from watchkeeper.events.sinks.http.elastic import ElasticSink
from watchkeeper.events.sinks.http.ocsf import OcsfLine, OcsfSink
from watchkeeper.events.sinks.http.splunk import SplunkSink
from watchkeeper.events.sinks.http.wire import Wire
from watchkeeper.events.sinks.lines.cef import cef
from watchkeeper.events.sinks.lines.syslog import SyslogSink, as_json
from watchkeeper.events.sinks.lines.wire import SETTLE, LineWire, Place
from watchkeeper.events.sinks.model import Tally
from watchkeeper.events.sinks.settings import address_of
from watchkeeper.gateway.tls import contexts

Counts = Callable[[], Mapping[str, Mapping[str, int]]]
_LARGEST_ANSWER = 16 << 20
_SYSTEM = SystemClock()
_PATIENCE = 20.0
"""Seconds that a person waits for one event to be there to stay."""


def sink_of(loaded: Loaded, name: str, counts: Counts | None = None) -> Sink:
    """One sink of the settings; nothing is connected yet. `counts` is for those that take counts of all sinks, too.

    Raises `Misconfigured`.
    """
    check_sinks(loaded.settings.sinks)
    if loaded.settings.sinks[name].type == "otlp":
        return _otlp(loaded, name, loaded.settings.sinks[name], counts)
    return _MAKERS[loaded.settings.sinks[name].type](loaded, name, loaded.settings.sinks[name])


def check_all(loaded: Loaded) -> None:
    """Every sink that is switched on could be made. Raises `Misconfigured`."""
    check_sinks(loaded.settings.sinks)
    for name, sink in loaded.settings.sinks.items():
        if sink.enabled:
            sink_of(loaded, name)
        if sink.path and not Path(sink.path).parent.is_dir():
            raise Misconfigured(
                f"sinks.{name}.path: there is no folder {Path(sink.path).parent}", hint="make it, or correct the path"
            )


class Sinks:
    """All sinks of a running watch."""

    def __init__(self, loaded: Loaded, record: Callable[[Event], object], clock: Clock = _SYSTEM) -> None:
        self._loaded = loaded
        self._record = record
        self._clock = clock
        self._made: dict[str, Sink] = {}
        self._shippers = {name: self._shipper(name) for name, sink in self._named().items() if sink.enabled}
        self._replays = threading.Lock()

    @property
    def runs(self) -> dict[str, Callable[[threading.Event], None]]:
        """A reader each."""
        return {f"sink:{name}": shipper.run for name, shipper in self._shippers.items()}

    @property
    def cursors(self) -> dict[str, Cursor]:
        """How far each has durably come."""
        return {f"sink.{name}": self._cursor_of(name) for name in self._shippers}

    def _cursor_of(self, name: str) -> Cursor:
        ledger = Ledger(self._loaded.data_dir, name)

        def cursor() -> Mapping[str, int] | None:
            state = ledger.load()
            return state.cursor if state is not None else None

        return cursor

    def acts(self) -> dict[str, Callable[[dict[str, Any]], Any]]:
        """What the watch answers."""
        return {
            "sinks.status": lambda _: self.status(),
            "sinks.test": lambda asked: self.test(str(asked["sink"]), str(asked.get("by", ""))),
            "sinks.replay": lambda asked: self.replay(str(asked["sink"])),
        }

    def status(self) -> list[Standing]:
        running = {
            name: msgspec.structs.replace(shipper.standing(), ocsf=_marked(self._made[name]))
            for name, shipper in self._shippers.items()
        }
        return [running.get(name) or at_rest(self._loaded, name) for name in self._named()]

    def counts(self) -> dict[str, dict[str, int]]:
        """What each sink did, for a system that keeps counts."""
        found: dict[str, dict[str, int]] = {}
        for name, shipper in self._shippers.items():
            standing = shipper.standing()
            tally = standing.tally
            of = {"sent": tally.sent, "filtered": tally.filtered, "put_aside": tally.dead}
            of |= {"dropped": sum(tally.dropped.values()), "waiting": standing.waiting or 0}
            for count, value in of.items():
                found.setdefault(f"watchkeeper.sink.{count}", {})[name] = value
        return found

    def test(self, name: str, by: str) -> Tried:
        """Send a marked event, and record that somebody did."""
        tried = try_sink(self._loaded, name, self._clock.now())
        body = {"sink": name, "sent": tried.event, "said": tried.said}
        outcome = "success" if tried.taken else "failure"
        event = new_event(self._clock.now(), TEST, actor=by, target=f"sink:{name}", outcome=outcome, body=body)
        self._record(event)
        return tried

    def replay(self, name: str) -> Replayed:
        """Send again what lies aside."""
        shipper = self._shippers.get(_known(self._loaded, name))
        if shipper is None:
            raise NotFound(f"the sink {name} is switched off", hint=f"set sinks.{name}.enabled, then restart")
        with self._replays:
            reader = JournalReader(self._loaded.data_dir, pass_over_corrupt=True)
            try:
                done = replay(Ledger(self._loaded.data_dir, name), reader, sink_of(self._loaded, name), _PATIENCE)
            finally:
                reader.close()
        shipper.forget_put_aside()
        return done

    def _named(self) -> Mapping[str, SinkSettings]:
        return self._loaded.settings.sinks

    def _shipper(self, name: str) -> Shipper:
        folder = self._loaded.data_dir
        reader = telling_reader(folder, f"sink.{name}", self._record, self._clock)
        ledger = Ledger(folder, name)
        on = Ground(reader, ledger, self._clock, self._record, now=_end_of(reader, ledger))
        sink = self._made[name] = sink_of(self._loaded, name, self.counts)
        return Shipper(name, self._named()[name], sink, on)


def _end_of(reader: JournalReader, ledger: Ledger) -> Mapping[str, int] | None:
    """Where the journal ends, for a sink that has no place yet: what is recorded while its reader starts is its own."""
    try:
        return {writer: log.end for writer, log in reader.waiting({}).items()} if ledger.load() is None else None
    except WatchkeeperError:
        return None  # the reader will say what is wrong, and try again


def try_sink(loaded: Loaded, name: str, now: int) -> Tried:
    """Send one marked event. Raises `NotFound`, `Misconfigured`."""
    kind = loaded.settings.sinks[_known(loaded, name)].type
    return try_out(name, kind, sink_of(loaded, name), now, _PATIENCE)


def at_rest(loaded: Loaded, name: str) -> Standing:
    """How a sink stood when it was last saved, while nobody ships. Raises `Unavailable`, `Invalid`."""
    ledger, kind = Ledger(loaded.data_dir, name), loaded.settings.sinks[name].type
    state = ledger.load()
    nothing = Standing(name, kind, "stopped", Tally(), None, None, None, len(ledger.dead()))
    if state is None:
        return nothing
    return msgspec.structs.replace(nothing, tally=state.tally, last_sent_at=state.last_sent_at)


def _marked(sink: Sink) -> str:
    """What OCSF had no words for; empty for sinks that do not speak it."""
    line = sink.line if isinstance(sink, OcsfSink | FileSink) else None
    return line.mapper.counts.said if isinstance(line, OcsfLine) else ""


def _known(loaded: Loaded, name: str) -> str:
    if name not in loaded.settings.sinks:
        there = ", ".join(loaded.settings.sinks) or "none"
        raise NotFound(f"there is no sink {name!a}", hint=f"the settings have: {there}")
    return name


def _wire(loaded: Loaded, name: str, sink: SinkSettings) -> Wire:
    """The receiver is the operator's choice, so that it may be on a private network without a further word."""
    where, target = f"sinks.{name}", parse_target(sink.url)
    host = f"[{target.host}]" if ":" in target.host else target.host
    fetch = msgspec.structs.replace(
        loaded.settings.fetch,
        allow_hosts=(*loaded.settings.fetch.allow_hosts, f"{host}:{target.port}"),
        seconds=sink.timeout_seconds,
        max_bytes=_LARGEST_ANSWER,
    )
    fetcher = Fetcher(fetch, tls=_tls(where, sink))
    try:
        fetcher.check(sink.url)
    except FetchRefused as error:
        raise Misconfigured(f"{where}.url: {error.reason}", hint=error.hint) from error
    return Wire(sink.url, fetcher, _headers(where, sink))


def _headers(where: str, sink: SinkSettings) -> dict[str, Secret]:
    reader, found = SecretReader(environment()), {}
    for header, text in sink.headers.items():
        found[header] = reader.expand(f"{where}.headers", text)
        if not found[header].reveal().isascii() or not found[header].reveal().isprintable():
            raise Misconfigured(f"{where}.headers: what {header} refers to is no header", hint="one line of ASCII text")
    return found


def _tls(where: str, sink: SinkSettings) -> ssl.SSLContext | None:
    if not (sink.tls_ca or sink.tls_certificate):
        return None
    return contexts.for_server(where, sink.tls_ca, sink.tls_certificate, sink.tls_key)


def _splunk(loaded: Loaded, name: str, sink: SinkSettings) -> Sink:
    where = f"sinks.{name}.token"
    token = SecretReader(environment()).read(where, sink.token)
    if not token.reveal().isascii() or not token.reveal().isprintable():
        raise Misconfigured(f"{where}: what it refers to is no token", hint="one line of ASCII text")
    wire = _wire(loaded, name, sink)
    wire.keep_secret(token)
    return SplunkSink(wire, token, index=sink.index, acknowledged=sink.acknowledged, patience=sink.settle_seconds)


def _elastic(loaded: Loaded, name: str, sink: SinkSettings) -> Sink:
    return ElasticSink(_wire(loaded, name, sink), sink.index)


def _ocsf_http(loaded: Loaded, name: str, sink: SinkSettings) -> Sink:
    return OcsfSink(_wire(loaded, name, sink), as_lines=sink.format == "lines")


def _otlp(loaded: Loaded, name: str, sink: SinkSettings, counts: Counts | None) -> Sink:
    from watchkeeper.events.sinks.http.otlp import OtlpSink  # noqa: PLC0415 — protobuf, needed for these only

    return OtlpSink(_wire(loaded, name, sink), sink.signals, counts)


def _file(_: Loaded, __: str, sink: SinkSettings) -> Sink:
    line = OcsfLine() if sink.format == "ocsf" else recorded
    return FileSink(Path(sink.path), line, rotate_bytes=sink.rotate_bytes, keep=sink.keep_files)


def _line_wire(name: str, sink: SinkSettings) -> LineWire:
    where = f"sinks.{name}"
    host, port = address_of(f"{where}.address", sink.address)
    tls = None
    if sink.transport == "tls":
        tls = contexts.for_server(where, sink.tls_ca, sink.tls_certificate, sink.tls_key)
    settle = sink.settle_seconds or SETTLE
    return LineWire(Place(host, port, sink.transport, tls, sink.timeout_seconds, settle))


def _syslog(_: Loaded, name: str, sink: SinkSettings) -> Sink:
    wire = _line_wire(name, sink)
    return SyslogSink(wire, as_json, facility=sink.facility, message_bytes=sink.message_bytes, sd_id=sink.sd_id)


def _cef(_: Loaded, name: str, sink: SinkSettings) -> Sink:
    return SyslogSink(_line_wire(name, sink), cef, facility=sink.facility, message_bytes=sink.message_bytes)


_MAKERS: dict[str, Callable[[Loaded, str, SinkSettings], Sink]] = {
    "ocsf_http": _ocsf_http,
    "splunk_hec": _splunk,
    "elastic": _elastic,
    "file": _file,
    "syslog": _syslog,
    "cef": _cef,
}
