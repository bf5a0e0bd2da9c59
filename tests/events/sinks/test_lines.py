"""Syslog and CEF: escaped as the formats say, and at least once to a real rsyslogd over TLS that is killed."""

from __future__ import annotations

import json
import re
import signal
import socket
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st

from bench._receivers import in_order
from bench._rsyslog import Rsyslog, missing
from tests.events.sinks.conftest import FAST, START, Shipping, numbered, write
from tests.gateway.certificates import Authority
from watchkeeper.events import Event, Position, Record, Severity
from watchkeeper.events.model import encode
from watchkeeper.events.sinks import SinkSettings
from watchkeeper.events.sinks.lines.cef import cef
from watchkeeper.events.sinks.lines.rfc5424 import BOM, Head, message
from watchkeeper.events.sinks.lines.syslog import about
from watchkeeper.events.sinks.lines.wire import LineWire, Place, Ticket
from watchkeeper.events.sinks.model import NotTaken

needs_rsyslog = pytest.mark.skipif(bool(missing()), reason=missing() or "there")
HOSTILE = 'a"b]c\\d\r\n<13>1 - - - - - - forged\x1b[2J\x00\u2028=|é☃'
_MESSAGE = re.compile(
    rb"<(\d{1,3})>1 (\S+) ([!-~]{1,255}) ([!-~]{1,48}) ([!-~]{1,128}) ([!-~]{1,32}) "
    rb'(-|\[[^ \]="]+(?: [^ \]="]+="(?:[^"\\\]]|\\["\\\]])*")*\]) ' + BOM + rb"(.*)"
)
"""RFC 5424, section 6, for what we send: one element of structured data, text in UTF-8 behind its mark."""


def record_of(event: Event, index: int = 1) -> Record:
    return Record(Position("gateway", index), event, encode(event))


def head(**more: Any) -> Head:
    fields: dict[str, Any] = {
        "facility": 13, "severity": Severity.HIGH, "time": START, "host": "h", "app": "a", "process": "1",
        "kind": "k.l.m",
    }  # fmt: skip
    return Head(**{**fields, **more})


@pytest.mark.behaviour("sinks.syslog-escaped")
def test_a_message_is_what_rfc_5424_says() -> None:
    made = message(head(), "wk@32473", {"server": 'a"]\\', "empty": ""}, "text é", 2048)
    assert made == (
        b'<107>1 2026-09-21T14:13:20.000000Z h a 1 k.l.m [wk@32473 server="a\\"\\]\\\\"] \xef\xbb\xbftext \xc3\xa9'
    )


@pytest.mark.behaviour("sinks.syslog-escaped")
@given(text=st.text(max_size=300), value=st.text(max_size=300), name=st.text(max_size=80), limit=st.integers(480, 9000))
@hypothesis_settings(max_examples=60)
def test_no_text_breaks_out_of_its_place(text: str, value: str, name: str, limit: int) -> None:
    made = message(head(host=name, kind=name), "wk@32473", {"server": value, "x": "1"}, text, limit)
    assert len(made) <= limit
    assert not re.search(rb"[\x00-\x1f\x7f]", made)
    found = _MESSAGE.fullmatch(made)
    assert found is not None
    found[8].decode()


def test_a_long_text_is_cut_at_a_character_and_says_so() -> None:
    made = message(head(), "wk@32473", {"x": "1"}, "☃" * 1000, 512)
    assert len(made) <= 512
    assert made.decode().endswith("☃ … cut")


@pytest.mark.behaviour("sinks.cef-escaped")
def test_cef_escapes_header_and_extension() -> None:
    event = numbered(1, severity=Severity.HIGH, target="a|b=c\\d\ne\x1b", server="x|y", outcome="de|ny")
    line = cef(record_of(event))
    head, _, extension = line.rpartition("|rt=")
    assert head.split("|", 1)[0] == "CEF:0"
    assert re.split(r"(?<!\\)\|", head)[4:] == ["gateway.request.decided", "gateway.request.decided de\\|ny", "8"]
    assert "cs1Label=target cs1=a|b\\=c\\\\d\\ne⟨U+001B⟩ " in extension
    assert "dproc=x|y " in extension


@pytest.mark.behaviour("sinks.cef-escaped")
@given(target=st.text(max_size=200), reason=st.text(max_size=200), server=st.text(max_size=50))
def test_no_value_begins_a_key_of_its_own(target: str, reason: str, server: str) -> None:
    event = numbered(1, target=target, server=server, body={"reason": reason})
    extension = re.split(r"(?<!\\)(?:\\\\)*\|", cef(record_of(event)), maxsplit=7)[7]
    keys = re.findall(r"(?:^| )([A-Za-z0-9]+)=", re.sub(r"\\.", "", extension))
    known = {"rt", "externalId", "cat", "outcome", "suser", "dproc", "reason", "cn1", "cn1Label"}
    assert set(keys) <= known | {f"cs{n}{label}" for n in range(1, 6) for label in ("", "Label")}
    assert len(keys) == len(set(keys))
    assert not re.search(r"[\x00-\x1f\x7f\u2028]", extension)


# -- a real rsyslogd


@pytest.fixture
def rsyslog(tmp_path: Path, authority: Authority) -> Iterator[Callable[..., Rsyslog]]:
    running: list[Rsyslog] = []
    pair = authority.issue("rsyslog", dns=["localhost"], ips=["127.0.0.1"])

    def start(**more: Any) -> Rsyslog:
        running.append(Rsyslog(tmp_path / f"rsyslog{len(running)}", authority.path, pair.certificate, pair.key, **more))
        return running[-1]

    yield start
    for one in running:
        one.stop(signal.SIGKILL)


def settings(kind: str, port: int, authority: Authority, **more: Any) -> SinkSettings:
    fields: dict[str, Any] = {"type": kind, "address": f"127.0.0.1:{port}", "settle_seconds": 0.3, **FAST}
    if more.get("transport", "tls") == "tls":
        mine = authority.issue("watchkeeper")
        fields |= {"tls_ca": str(authority.path), "tls_certificate": str(mine.certificate), "tls_key": str(mine.key)}
    return SinkSettings(**{**fields, **more})


def arrived(server: Rsyslog, count: int, within: float = 30.0) -> list[dict[str, Any]]:
    """What it read, once so many different events are among it."""
    deadline = time.monotonic() + within
    while len({identity(one) for one in server.messages()}) < count:
        assert time.monotonic() < deadline, len(server.messages())
        time.sleep(0.02)
    return server.messages()


def identity(read: dict[str, Any]) -> tuple[str, int]:
    """Log and index, of a message of either format."""
    said = read["msg"].replace("\ufeff", "").strip()
    if said.startswith("CEF:0"):
        return re.findall(r"cs5=(\S+)", said)[0], int(re.findall(r"cn1=(\d+)", said)[0])
    found = dict(re.findall(r'(\w+)="((?:[^"\\]|\\.)*)"', read["structured-data"]))
    return found["writer"], int(found["index"])


@needs_rsyslog
@pytest.mark.behaviour("sinks.syslog-tls")
def test_rsyslog_reads_each_field_as_it_was_meant(
    data_dir: Path, authority: Authority, rsyslog: Callable[..., Rsyslog]
) -> None:
    hostile = numbered(
        41, target=HOSTILE, server=HOSTILE, severity=Severity.CRITICAL, body={"number": 41, "x": HOSTILE}
    )
    write(data_dir, "other", [hostile])
    server = rsyslog()
    with Shipping(data_dir, settings("syslog", server.port, authority)):
        read = arrived(server, 41)
    one = next(message for message in read if identity(message) == ("other", 1))
    assert (one["syslogfacility"], one["syslogseverity"], one["app-name"]) == ("13", "2", "watchkeeper")
    assert one["msgid"] == "gateway.request.decided"
    assert one["hostname"] == socket.gethostname()
    said = json.loads(one["msg"].replace("\ufeff", ""))
    assert said["id"] == hostile.id
    assert said["body"]["x"] == HOSTILE
    found = dict(re.findall(r'(\w+)="((?:[^"\\\]]|\\.)*)"', one["structured-data"]))
    assert found["id"] == hostile.id
    assert found["server"].startswith('a\\"b\\]c\\\\d⟨U+000D⟩⟨U+000A⟩<13>1')
    assert about(record_of(hostile))["tenant"] == found["tenant"] == "default"
    assert len(read) == 41, "nothing in a value has become a message of its own"


@needs_rsyslog
@pytest.mark.behaviour("sinks.syslog-at-least-once")
@pytest.mark.parametrize("kind", ["syslog", "cef"])
def test_a_receiver_that_is_killed_and_comes_back_has_everything_in_order(
    kind: str, tmp_path: Path, authority: Authority, rsyslog: Callable[..., Rsyslog]
) -> None:
    data = tmp_path / "data"
    write(data, "gateway", [numbered(number) for number in range(1, 301)])
    server = rsyslog()
    with Shipping(data, settings(kind, server.port, authority, batch_events=10)) as shipping:
        arrived(server, 20)
        server.stop(signal.SIGKILL)
        shipping.until(lambda s: s.attempts >= 2)
        server.start()
        read = arrived(server, 300)
        standing = shipping.until(lambda s: s.waiting == 0 and s.state == "idle")
    assert (standing.tally.sent, standing.tally.filtered) == (300, 1)
    assert in_order([(*identity(one), "") for one in read])
    assert shipping.kinds() == ["events.sink.failed", "events.sink.recovered"]


@needs_rsyslog
def test_without_our_certificate_a_receiver_that_demands_one_gets_nothing(
    data_dir: Path, authority: Authority, rsyslog: Callable[..., Rsyslog]
) -> None:
    server = rsyslog()
    sink = settings("syslog", server.port, authority, tls_certificate="", tls_key="")
    with Shipping(data_dir, sink) as shipping:
        standing = shipping.until(lambda s: s.attempts >= 2)
    assert standing.tally.sent == 0
    assert server.messages() == []


@needs_rsyslog
def test_over_tcp_and_udp_the_same_messages_arrive(
    data_dir: Path, authority: Authority, rsyslog: Callable[..., Rsyslog]
) -> None:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as free:
        free.bind(("127.0.0.1", 0))
        udp = free.getsockname()[1]
    server = rsyslog(tls=False, udp=udp)
    for transport, port in (("tcp", server.port), ("udp", udp)):
        before = len(server.messages())
        state = data_dir / "sinks" / "it" / "state.json"
        state.unlink(missing_ok=True)
        with Shipping(data_dir, settings("syslog", port, authority, transport=transport)) as shipping:
            shipping.until(lambda s: s.tally.sent == 40)
            deadline = time.monotonic() + 20
            while len(server.messages()) < before + 40:
                assert time.monotonic() < deadline
                time.sleep(0.02)
        assert [identity(one)[1] for one in server.messages()[before:]] == list(range(1, 41))


# -- the connection itself


def settle(wire: LineWire, ticket: Ticket) -> None:
    deadline = time.monotonic() + 10
    while not wire.is_settled(ticket):
        assert time.monotonic() < deadline


@pytest.mark.behaviour("sinks.syslog-at-least-once")
def test_what_was_written_counts_only_once_its_connection_has_lived_on() -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        wire = LineWire(Place("127.0.0.1", server.getsockname()[1], "tcp", None, 2.0, 0.2))
        first = wire.write([b"one", b"two"])
        link, _ = server.accept()
        assert first is not None
        assert not wire.is_settled(first)
        assert link.recv(100) == b"3 one3 two"
        settle(wire, first)
        second = wire.write([b"three"])
        assert second is not None
        link.close()
        with pytest.raises(NotTaken):
            settle(wire, second)
        third = wire.write([b"three"])
        assert third is not None
        assert third.connection == second.connection + 1
        wire.close()


def test_a_receiver_that_does_not_read_is_not_waited_for_without_end() -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        wire = LineWire(Place("127.0.0.1", server.getsockname()[1], "tcp", None, 0.3, 0.1))
        with pytest.raises(NotTaken, match="timed out"):
            wire.write([b"x" * 100_000_000])
        wire.close()
