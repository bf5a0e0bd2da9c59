"""Outbox, pings, pauses and mail of the switch: what survives, what is refused, what is bounded."""

from __future__ import annotations

import asyncio
import socketserver
import sqlite3
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import msgspec
import pytest

from tests.respond.webhooks.conftest import KEYS, SECRET, Elsewhere, another_system
from watchkeeper.core.clock import SECOND, ManualClock
from watchkeeper.core.database import Database
from watchkeeper.core.errors import Conflict, Denied, Invalid, Misconfigured, NotFound, Untrusted, WatchkeeperError
from watchkeeper.core.fetch.settings import FetchSettings
from watchkeeper.core.secrets import Secret
from watchkeeper.events import Journal, JournalReader
from watchkeeper.respond.deadman.listening import LONGEST_PING, Listening, Ping, serve, status_of
from watchkeeper.respond.deadman.outbox import SwitchBox
from watchkeeper.respond.deadman.pausing import Pauses, pause_at
from watchkeeper.respond.deadman.pinging import Pinging
from watchkeeper.respond.deadman.sending import Sending, body_of, mailer, poster, senders
from watchkeeper.respond.deadman.settings import DeadmanPage
from watchkeeper.respond.deadman.watching import Change
from watchkeeper.respond.webhooks.signing import sign

SILENT = Change("watch", "alarm-1", is_silent=True, why="it does not answer", seconds=21.0)
BACK = Change("watch", "alarm-1", is_silent=False, why="it does not answer", seconds=90.0)


@pytest.fixture
def clock() -> ManualClock:
    return ManualClock()


@pytest.fixture
def pager() -> Iterator[Elsewhere]:
    with another_system() as elsewhere:
        yield elsewhere


def page_now(box: SwitchBox, ways: dict[str, object], clock: ManualClock) -> None:
    sending = Sending(box, ways, clock)  # type: ignore[arg-type]
    sending.round()
    sending.close()


@pytest.mark.behaviour("deadman.durable")
@pytest.mark.behaviour("deadman.mail")
def test_a_page_is_sent_again_until_it_is_taken_also_by_the_next_life(
    tmp_path: Path, clock: ManualClock, pager: Elsewhere
) -> None:
    pager.statuses = [503, 200]
    ways = senders({"ops": DeadmanPage(url=pager.url, secret="x")}, lambda *_: Secret(SECRET), FetchSettings(), clock)
    box = SwitchBox(tmp_path / "deadman.db")
    box.note(SILENT, {"ops": body_of(SILENT, "main", clock.now())}, clock.now())
    box.note(SILENT, {"ops": b"{}"}, clock.now())
    page_now(box, ways, clock)
    page_now(box, ways, clock)
    assert (len(pager.got), box.waiting()) == (1, 1)
    box.close()
    box = SwitchBox(tmp_path / "deadman.db")
    assert [alarm.id for alarm in box.open_alarms()] == ["alarm-1"]
    clock.advance(2 * SECOND)
    page_now(box, ways, clock)
    page_now(box, ways, clock)
    assert (pager.ids(), box.waiting()) == (["alarm-1.silent"] * 2, 0)
    box.note(BACK, {"ops": body_of(BACK, "main", clock.now())}, clock.now())
    assert box.open_alarms() == []
    page_now(box, ways, clock)
    assert pager.bodies()[-1]["data"]["state"] == "back"
    box.close()


@pytest.mark.behaviour("deadman.durable")
def test_a_clock_that_is_put_back_keeps_no_page(tmp_path: Path, clock: ManualClock, pager: Elsewhere) -> None:
    box = SwitchBox(tmp_path / "deadman.db")
    box.note(SILENT, {"ops": b"{}"}, clock.now())
    assert len(box.due(clock.now() - 10**12)) == 1
    box.close()


def test_a_file_that_is_no_outbox_is_said_to_be_none(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    opened: list[sqlite3.Connection] = []
    connect = sqlite3.connect
    monkeypatch.setattr(sqlite3, "connect", lambda *at, **how: opened.append(connect(*at, **how)) or opened[-1])
    (tmp_path / "deadman.db").write_bytes(b"x" * 4096)
    with pytest.raises(WatchkeeperError) as caught:
        SwitchBox(tmp_path / "deadman.db")
    assert "move it aside" in caught.value.hint
    assert len(opened) == 2
    for one in opened:  # nothing is left open
        with pytest.raises(sqlite3.ProgrammingError, match="closed"):
            one.execute("SELECT 1")


@contextmanager
def mail_server() -> Iterator[tuple[int, list[str]]]:
    """One that takes what it is given, by the letter of RFC 5321."""
    got: list[str] = []

    class Handler(socketserver.StreamRequestHandler):
        def handle(self) -> None:
            self.wfile.write(b"220 test\r\n")
            while line := self.rfile.readline().decode().strip():
                verb = line.upper().partition(" ")[0]
                if verb == "DATA":
                    self.wfile.write(b"354 go on\r\n")
                    text = ""
                    while (line := self.rfile.readline().decode()) != ".\r\n":
                        text += line
                    got.append(text)
                elif verb == "QUIT":
                    self.wfile.write(b"221 bye\r\n")
                    return
                self.wfile.write(b"250 ok\r\n")

    with socketserver.ThreadingTCPServer(("127.0.0.1", 0), Handler) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        try:
            yield server.server_address[1], got
        finally:
            server.shutdown()
            thread.join(10)


@pytest.mark.behaviour("deadman.mail")
def test_a_mail_says_who_is_silent(clock: ManualClock) -> None:
    with mail_server() as (port, got):
        place = f"smtp://127.0.0.1:{port}"
        page = DeadmanPage(url=place, sender="wk@example.org", to=("ops@example.org",), starttls=False)
        mailer("deadman.pages.ops", page, Secret(""))("alarm-1.silent", body_of(SILENT, "main", clock.now()))
        (mail,) = got
        assert "Subject: main: watch is SILENT" in mail
        assert "Message-ID: <alarm-1.silent@watchkeeper>" in mail
        encrypted = DeadmanPage(url=place, sender="wk@example.org", to=("ops@example.org",))
        with pytest.raises(WatchkeeperError):
            mailer("deadman.pages.ops", encrypted, Secret(""))("alarm-2", body_of(SILENT, "main", clock.now()))
        assert len(got) == 1
    with pytest.raises(Misconfigured):
        mailer("deadman.pages.ops", DeadmanPage(url="smtp://127.0.0.1"), Secret(""))


def ping(
    name: str, counter: int, clock: ManualClock, keys: tuple[bytes, ...] = KEYS, **more: int
) -> tuple[dict[str, str], bytes]:
    seconds = clock.now() // SECOND
    body = msgspec.json.encode(Ping(name, counter, seconds, paused_until=more.get("paused_until", 0)))
    stamp = seconds - more.get("age", 0)
    signature = sign(keys, f"p{counter}", stamp, body)
    return {"webhook-id": f"p{counter}", "webhook-timestamp": str(stamp), "webhook-signature": signature}, body


@pytest.mark.behaviour("deadman.replay")
def test_only_a_fresh_ping_of_the_installation_itself_keeps_it_alive(tmp_path: Path, clock: ManualClock) -> None:
    now = [100.0]
    box = SwitchBox(tmp_path / "listen.db")
    listening = Listening({"main": KEYS}, box, clock, lambda: now[0])
    recorded = ping("main", 7, clock)
    listening.hear(*recorded)
    assert listening.look(40, 1)["main"].is_heard
    now[0] += 2
    refused = [
        (recorded, Conflict),
        (ping("main", 6, clock), Conflict),
        (ping("main", 8, clock, (b"y" * 32,)), Untrusted),
        (ping("main", 8, clock, age=301), Untrusted),
        (ping("other", 8, clock), Untrusted),
        (ping("other", 8, clock, (b"\0" * 32,)), Untrusted),
        (({}, b"{}"), Invalid),
        (({}, b"\xff"), Invalid),
        ((recorded[0], recorded[1] + b" "), Untrusted),
    ]
    for (headers, body), error in refused:
        with pytest.raises(error):
            listening.hear(headers, body)
    assert listening.look(40, 1)["main"].is_heard is False
    box.close()
    box = SwitchBox(tmp_path / "listen.db")
    with pytest.raises(Conflict):
        Listening({"main": KEYS}, box, clock, lambda: now[0]).hear(*recorded)
    box.close()


@pytest.mark.behaviour("deadman.pause")
def test_maintenance_that_a_ping_announces_is_bounded(tmp_path: Path, clock: ManualClock) -> None:
    now = [100.0]
    box = SwitchBox(tmp_path / "listen.db")
    listening = Listening({"main": KEYS}, box, clock, lambda: now[0])
    listening.hear(*ping("main", 1, clock, paused_until=clock.now() // SECOND + 10**8))
    now[0] += 3 * 3600
    assert listening.look(40, 1)["main"].is_heard is None
    now[0] += 2 * 3600
    assert listening.look(40, 1)["main"].is_heard is False
    box.close()


@pytest.mark.behaviour("deadman.replay")
async def test_the_port_answers_what_it_refuses_and_outlives_whatever_comes(tmp_path: Path, clock: ManualClock) -> None:
    box = SwitchBox(tmp_path / "listen.db")
    listening = Listening({"main": KEYS}, box, clock)

    async def hear(headers: object, body: bytes) -> int:
        try:
            listening.hear(headers, body)  # type: ignore[arg-type]
        except WatchkeeperError as error:
            return status_of(error)
        return 204

    async def say(request: bytes) -> bytes:
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        writer.write(request)
        writer.write_eof()
        answer = await asyncio.wait_for(reader.read(), 20)
        writer.close()
        return answer.partition(b"\r\n")[0]

    def post(path: str, headers: dict[str, str], body: bytes, length: int | None = None) -> bytes:
        lines = [f"POST {path} HTTP/1.1", f"Content-Length: {len(body) if length is None else length}"]
        lines += [f"{name}: {value}" for name, value in headers.items()]
        return "\r\n".join([*lines, "", ""]).encode() + body

    server = await serve(hear, "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    good = ping("main", 1, clock)
    assert await say(post("/ping", *good)) == b"HTTP/1.1 204 No Content"
    assert await say(post("/ping", *good)) == b"HTTP/1.1 409 Conflict"
    assert await say(post("/ping", *ping("main", 2, clock, (b"y" * 32,)))) == b"HTTP/1.1 401 Unauthorized"
    assert await say(post("/other", *good)) == b"HTTP/1.1 404 Not Found"
    assert await say(b"GET /ping HTTP/1.1\r\n\r\n") == b"HTTP/1.1 404 Not Found"
    assert await say(post("/ping", {}, b"{", LONGEST_PING + 1)) == b"HTTP/1.1 400 Bad Request"
    assert (await say(post("/ping", {}, b'{"more":' + b"[" * (LONGEST_PING - 8)))).startswith(b"HTTP/1.1 4")
    for nonsense in (b"", b"\0" * 9000, b"POST /ping HTTP/1.1\r\nContent-Length: 5\r\n\r\nab", b"\r\n\r\n"):
        await say(nonsense)
    assert await say(post("/ping", *ping("main", 3, clock))) == b"HTTP/1.1 204 No Content"
    server.close()
    await server.wait_closed()
    box.close()


@pytest.mark.behaviour("deadman.replay")
def test_counters_go_up_over_restarts_and_when_the_clock_is_put_back(tmp_path: Path, pager: Elsewhere) -> None:
    clock, counters = ManualClock(), []
    for start in (clock.now(), clock.now() - 10**12, clock.now() + 5):
        box, now = SwitchBox(tmp_path / "deadman.db"), ManualClock(start)
        send = poster("deadman.ping", pager.url, Secret(SECRET), FetchSettings(), now)
        pinging = Pinging("main", send, box, now, 1.0)
        pinging.silent, pinging.paused_until = lambda: ["watch"], lambda: 5 * SECOND
        pinging.ping()
        assert pinging.failure == ""
        box.close()
    counters = [body["counter"] for body in pager.bodies()]
    assert counters == sorted(set(counters))
    assert (pager.bodies()[0]["silent"], pager.bodies()[0]["paused_until"]) == (["watch"], 5)


@pytest.mark.behaviour("deadman.pause")
def test_a_pause_is_bounded_has_a_reason_is_a_fact_and_ends_by_itself(tmp_path: Path, clock: ManualClock) -> None:
    database = Database.at(tmp_path / "state.db")
    database.create_missing_tables()
    journal = Journal.open(tmp_path, "watch", clock)
    pauses = Pauses(database, journal, clock)
    for by in ("agent:claude", "system:respond", "webhook:ops", ""):
        with pytest.raises(Denied):
            pauses.pause(60, by, "quiet please")
    for seconds, reason in ((0, "x"), (4 * 3600 + 1, "x"), (60, " ")):
        with pytest.raises(Invalid):
            pauses.pause(seconds, "operator:ann", reason)
    with pytest.raises(NotFound):
        pauses.resume("operator:ann")
    made = pauses.pause(1800, "operator:ann", "a new disk")
    assert pause_at(database, clock.now()) == made
    assert pause_at(database, clock.now() - 1) is None  # the clock was put back
    assert pause_at(database, made.ends_at) is None
    with pytest.raises(Denied):
        pauses.resume("agent:claude")
    clock.advance(SECOND)
    pauses.resume("operator:bob")
    assert pause_at(database, clock.now()) is None
    kinds = [(e.kind, e.actor) for r in JournalReader(tmp_path).read({}) if (e := r.event) and "deadman" in e.kind]
    assert kinds == [("respond.deadman.paused", "operator:ann"), ("respond.deadman.resumed", "operator:bob")]
    journal.close()
    database.close()
