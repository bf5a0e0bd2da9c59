"""Sinks of a running watch: their secrets, their acts, and that they do not wait for each other."""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from bench._receivers import Bulk, Hec, Ocsf, Otlp, Receiver, Served
from tests.app.conftest import FREE, Running, command
from tests.app.gateway_process import until
from tests.events.sinks.conftest import Shipping, authority, data_dir, numbered, serve, server_tls, settings_for, write
from tests.gateway.certificates import Authority
from watchkeeper.app.settings import Loaded, Settings
from watchkeeper.app.sinks import Sinks, at_rest, check_all, sink_of, try_sink
from watchkeeper.core.errors import Misconfigured, NotFound
from watchkeeper.events import Event, Journal, JournalReader, new_event
from watchkeeper.events.sinks import Ledger, SinkSettings
from watchkeeper.events.sinks.hand import replay, try_out
from watchkeeper.events.sinks.model import Dead

Serve = Callable[[Receiver], Served]
__all__ = ["authority", "data_dir", "serve", "server_tls"]


@pytest.fixture(autouse=True)
def token(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HEC_TOKEN", "hec-token-0001")


class Watch:
    """The readers of a watch, and what they record."""

    def __init__(self, data_dir: Path, sinks: dict[str, SinkSettings]) -> None:
        self.recorded: list[Event] = []
        self.loaded = Loaded(Settings(sinks=sinks), data_dir)
        self.sinks = Sinks(self.loaded, self.recorded.append)
        self._stop = threading.Event()
        self._threads = [threading.Thread(target=run, args=(self._stop,)) for run in self.sinks.runs.values()]
        for thread in self._threads:
            thread.start()

    def act(self, name: str, **asked: Any) -> Any:
        return self.sinks.acts()[name](asked)

    def stop(self) -> None:
        self._stop.set()
        for thread in self._threads:
            thread.join(30)
            assert not thread.is_alive()


@pytest.fixture
def watch(data_dir: Path) -> Iterator[Callable[..., Watch]]:
    running: list[Watch] = []

    def start(**sinks: SinkSettings) -> Watch:
        running.append(Watch(data_dir, sinks))
        return running[-1]

    yield start
    for one in running:
        one.stop()


@pytest.mark.behaviour("sinks.ocsf-counted")
@pytest.mark.parametrize("kind", ["ocsf_http", "file"])
def test_status_says_how_many_events_ocsf_had_no_words_for(
    kind: str, watch: Callable[..., Watch], serve: Serve, authority: Authority, tmp_path: Path
) -> None:
    journal = Journal.open(tmp_path / "data", "gateway")
    journal.record(new_event(1, "govern.control.tested"))  # a newer version's
    journal.record(new_event(2, "gateway.order.acknowledged", actor="system:gateway", target="1", outcome="success"))
    journal.close()
    path = str(tmp_path / "events.jsonl")
    file = SinkSettings(type="file", path=path, format="ocsf", start="beginning", flush_seconds=0.05)
    url = f"https://127.0.0.1:{serve(Ocsf()).port}"
    running = watch(it=file if kind == "file" else settings_for("ocsf_http", url, authority.path, start="beginning"))
    stop = threading.Event()
    for _ in range(600):
        (standing,) = running.act("sinks.status")
        if standing.tally.sent >= 2 and not standing.waiting:
            break
        stop.wait(0.05)
    assert standing.tally.sent >= 2, standing
    assert "1 of a kind that this version does not know" in standing.ocsf
    assert "with a body that is not as the catalogue says" in standing.ocsf


@pytest.mark.behaviour("sinks.apart")
def test_a_receiver_that_hangs_delays_its_own_sink_only(
    watch: Callable[..., Watch], serve: Serve, authority: Authority
) -> None:
    slow, quick = Bulk(), Hec()
    slow.faults.extend(["hang"] * 5)
    one = settings_for("elastic", f"https://127.0.0.1:{serve(slow).port}", authority.path, timeout_seconds=20.0)
    two = settings_for("splunk_hec", f"https://127.0.0.1:{serve(quick).port}", authority.path)
    running = watch(slow=one, quick=two)
    quick.until(40)
    assert slow.got == []
    slow.released.set()
    standing = {row.name: row for row in running.act("sinks.status")}
    assert standing["slow"].tally.sent == 0


@pytest.mark.behaviour("sinks.begins-with-the-watch")
def test_a_new_sink_sends_what_was_recorded_before_its_reader_first_looked(data_dir: Path, tmp_path: Path) -> None:
    path = tmp_path / "events.jsonl"
    sinks = Sinks(Loaded(Settings(sinks={"it": SinkSettings(type="file", path=str(path))}), data_dir), lambda _: None)
    journal = Journal.open(data_dir, "watch")
    started = new_event(7, "admin.service.started", target="watch", outcome="success")
    journal.record(started)
    journal.close()
    stop = threading.Event()
    (run,) = sinks.runs.values()
    thread = threading.Thread(target=run, args=(stop,))
    thread.start()
    for _ in range(600):
        if path.exists() and started.id in path.read_text():
            break
        stop.wait(0.05)
    stop.set()
    thread.join(30)
    sent = [json.loads(line) for line in path.read_text().splitlines()]
    assert [one["id"] for one in sent if one["kind"].startswith("admin.")] == [started.id]


@pytest.mark.behaviour("sinks.tested")
def test_a_marked_event_is_sent_and_the_answer_told(
    watch: Callable[..., Watch], serve: Serve, authority: Authority
) -> None:
    receiver = Hec()
    receiver.keep_requests = True
    url = f"https://127.0.0.1:{serve(receiver).port}"
    running = watch(it=settings_for("splunk_hec", url, authority.path, start="now"))
    tried = running.act("sinks.test", sink="it", by="operator:ada")
    assert tried.taken
    assert tried.said == '200: {"text": "Success", "code": 0}'
    assert tried.event in tried.next
    assert receiver.got == [("test", 0, tried.event)]
    assert b"a test, sent by `watchkeeper sinks test`" in receiver.requests[0][2]
    (event,) = running.recorded
    assert (event.kind, event.actor, event.outcome, event.body["sent"]) == (
        "events.sink.tested",
        "operator:ada",
        "success",
        tried.event,
    )


@pytest.mark.behaviour("sinks.tested")
def test_of_a_receiver_that_does_not_take_it_its_words_and_what_to_do_are_told(
    data_dir: Path, serve: Serve, authority: Authority
) -> None:
    url = f"https://127.0.0.1:{serve(Hec('another')).port}"
    loaded = Loaded(Settings(sinks={"it": settings_for("splunk_hec", url, authority.path)}), data_dir)
    tried = try_sink(loaded, "it", 1)
    assert not tried.taken
    assert "Invalid token" in tried.said
    assert "credentials" in tried.next
    with pytest.raises(NotFound, match="there is no sink"):
        try_sink(loaded, "that", 1)


@pytest.mark.behaviour("sinks.tested")
def test_what_nobody_confirms_is_not_called_taken_and_stays_aside(
    data_dir: Path, serve: Serve, authority: Authority
) -> None:
    receiver = Hec(acknowledges=True)
    receiver.indexes = False
    url = f"https://127.0.0.1:{serve(receiver).port}"
    loaded = Loaded(Settings(sinks={"it": settings_for("splunk_hec_ack", url, authority.path)}), data_dir)
    tried = try_out("it", "splunk_hec", sink_of(loaded, "it"), 1, 0.3)
    assert not tried.taken
    assert "did not confirm" in tried.said
    record = JournalReader(data_dir).read({"gateway": 5}, 1)[0]
    assert record.event is not None
    ledger = Ledger(data_dir, "it")
    ledger.put_aside([Dead("gateway", 5, record.event.id, record.event.kind, 1, "refused once")])
    done = replay(ledger, JournalReader(data_dir), sink_of(loaded, "it"), 0.3)
    assert (done.sent, "did not confirm" in done.why) == (0, True)
    assert len(ledger.dead()) == 1


@pytest.mark.behaviour("sinks.replayed")
def test_what_was_put_aside_is_sent_again_once_the_receiver_takes_it(
    watch: Callable[..., Watch], data_dir: Path, serve: Serve, authority: Authority
) -> None:
    bad = [numbered(41), numbered(42)]
    write(data_dir, "other", bad)
    receiver = Bulk()
    receiver.poison = {event.id for event in bad}
    url = f"https://127.0.0.1:{serve(receiver).port}"
    running = watch(it=settings_for("elastic", url, authority.path))
    receiver.until(40)
    receiver.poison = {bad[1].id}
    deadline = time.monotonic() + 20
    while running.act("sinks.status")[0].put_aside < 2:
        assert time.monotonic() < deadline
        time.sleep(0.01)
    done = running.act("sinks.replay", sink="it")
    assert (done.sent, done.refused, done.gone) == (1, 1, 0)
    assert receiver.documents[bad[0].id]["event"]["provider"] == "other"
    receiver.poison.clear()
    assert running.act("sinks.replay", sink="it").sent == 1
    assert running.act("sinks.status")[0].put_aside == 0


def test_a_secret_that_is_missing_is_said_before_anything_starts(
    data_dir: Path, authority: Authority, monkeypatch: pytest.MonkeyPatch
) -> None:
    sink = settings_for("splunk_hec", "https://splunk.example:8088", authority.path)
    monkeypatch.delenv("HEC_TOKEN")
    with pytest.raises(Misconfigured, match=r"sinks\.it\.token: the variable HEC_TOKEN is not set"):
        check_all(Loaded(Settings(sinks={"it": sink}), data_dir))


def test_plain_http_is_for_this_machine_only(data_dir: Path) -> None:
    sinks = {"it": SinkSettings(type="elastic", url="http://elastic.example:9200")}
    with pytest.raises(Misconfigured, match="not https"):
        check_all(Loaded(Settings(sinks=sinks), data_dir))
    check_all(Loaded(Settings(sinks={"it": SinkSettings(type="elastic", url="http://127.0.0.1:9200")}), data_dir))


def test_while_nobody_ships_the_counts_are_those_that_were_saved(
    data_dir: Path, serve: Serve, authority: Authority
) -> None:
    receiver = Bulk()
    sink = settings_for("elastic", f"https://127.0.0.1:{serve(receiver).port}", authority.path)
    with Shipping(data_dir, sink) as shipping:
        shipping.until(lambda s: s.tally.sent == 40)
    row = at_rest(Loaded(Settings(sinks={"it": sink}), data_dir), "it")
    assert (row.state, row.tally.sent, row.waiting) == ("stopped", 40, None)


def test_headers_of_a_sink_are_masked_where_settings_are_shown(data_dir: Path) -> None:
    sink = SinkSettings(type="elastic", url="https://a.example", headers={"Authorization": "ApiKey verysecret"})
    assert "verysecret" not in repr(Loaded(Settings(sinks={"it": sink}), data_dir).masked())


@pytest.mark.behaviour("sinks.counters-exported")
def test_otlp_gets_the_counts_of_all_sinks(
    watch: Callable[..., Watch], data_dir: Path, tmp_path: Path, serve: Serve, authority: Authority
) -> None:
    receiver = Otlp()
    telemetry = settings_for("otlp", f"https://127.0.0.1:{serve(receiver).port}", authority.path)
    running = watch(telemetry=telemetry, file=SinkSettings(type="file", path=str(tmp_path / "out"), start="beginning"))
    receiver.until(40)
    deadline = time.monotonic() + 20
    while running.act("sinks.status")[0].tally.sent < 40:
        assert time.monotonic() < deadline
        time.sleep(0.01)
    told = {metric.name: metric for metric in receiver.metrics if metric.name.startswith("watchkeeper.sink.")}
    assert {"watchkeeper.sink.sent", "watchkeeper.sink.dropped", "watchkeeper.sink.waiting"} <= set(told)
    named = {p.attributes[0].value.string_value for p in told["watchkeeper.sink.sent"].sum.data_points}
    assert named == {"telemetry", "file"}
    assert told["watchkeeper.sink.sent"].sum.is_monotonic


@pytest.mark.slow
@pytest.mark.behaviour("sinks.end-to-end")
def test_up_ships_what_it_records(tmp_path: Path, serve: Serve, authority: Authority) -> None:
    receiver = Bulk()
    url = f"https://127.0.0.1:{serve(receiver).port}"
    section = f'[sinks.siem]\ntype = "elastic"\nurl = "{url}"\ntls_ca = "{authority.path}"\nstart = "beginning"\n'
    running = Running(tmp_path, settings=FREE + section)
    try:
        running.until("Ctrl-C drains")
        until(lambda: "admin.service.started" in {one["event"]["action"] for one in [*receiver.documents.values()]})
        data = ("--data", str(running.data))
        tried = json.loads(command("sinks", "test", "siem", *data, "--json").stdout)
        assert tried["taken"], tried
        assert tried["event"] in receiver.documents
        (row,) = json.loads(command("sinks", "status", *data, "--json").stdout)
        assert (row["name"], row["error"], row["put_aside"]) == ("siem", "", 0)
        assert "siem" in command("sinks", "list", *data).stdout
        assert "  sinks     siem " in command("status", *data).stdout
        again = command("sinks", "replay", "siem", *data)
        assert (again.returncode, again.stdout) == (0, "siem: 0 sent, 0 refused again\n")
        assert command("sinks", "test", "nobody", *data).returncode == 66
    finally:
        running.stop()
    stopped = command("sinks", "status", *data, "--json")
    assert stopped.returncode == 1
    assert json.loads(stopped.stdout)[0]["state"] == "stopped"


def test_without_a_sink_the_commands_say_what_would_make_one(tmp_path: Path) -> None:
    told = command("sinks", "status", "--data", str(tmp_path))
    assert (told.returncode, "[sinks.NAME]" in told.stdout) == (0, True)
