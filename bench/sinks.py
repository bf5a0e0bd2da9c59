"""Sinks: events per second to each kind of receiver, and what is left of a stream when everything is killed.

`python bench/sinks.py [--quick] [--json] [--only TYPE] [--outage SECONDS]`. The receiver is down for a minute (three
seconds with `--quick`), killed in the middle of a part, and answers 503, 429, 400, garbage and half an answer when it
comes back; the process that ships is killed with SIGKILL at random moments. Counted: what never came, what came out of
its log's order, what came twice, and whether the sink's own counts are exact.
"""

from __future__ import annotations

import argparse
import json
import os
import random
import shutil
import signal
import ssl
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from bench._receivers import Bulk, Got, Hec, Ocsf, Otlp, Receiver, Served, in_order
from bench._rsyslog import Rsyslog, missing
from tests.gateway.certificates import Authority
from watchkeeper.events import Event, Journal, new_event
from watchkeeper.events.sinks.ledger import Ledger, State

TYPES = ("otlp", "ocsf_http", "splunk_hec", "splunk_hec_ack", "elastic", "syslog", "cef", "file")
LOGS = ("one", "two")
TOKEN = "hec-token-0001"
_FAULTS = ("503", "429", "400", "cut", "garbage", "half", "lost", "hang")


@dataclass
class Stage:
    """A receiver that can be taken down, and the settings of the sink that reaches it."""

    settings: dict[str, Any]
    got: Callable[[], list[Got]]
    down: Callable[[], None]
    up: Callable[[], None]
    end: Callable[[], None]
    faults: Callable[[], None] = field(default=lambda: None)


@dataclass(frozen=True)
class Outcome:
    """What a run came to."""

    events: int
    lost: int
    doubled: int
    in_order: bool
    exact: bool
    kills: int
    outage: float


def event(log: str, number: int) -> Event:
    body = {
        "log": log, "number": number, "method": "tools/call", "id": number, "duration_us": 1200, "status": 200,
        "arguments": '{"path":"/srv/reports/2026/q3.md","encoding":"utf-8"}', "result": "x" * 300,
    }  # fmt: skip
    return new_event(
        time.time_ns() // 1000, "gateway.request.decided", actor="agent:ada", server="files", target="read_file",
        era="modern", trace="0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331", outcome="allow", body=body,
    )  # fmt: skip


def record(data: Path, each: int) -> None:
    for log in LOGS:
        journal = Journal.open(data, log)
        for number in range(each):
            last = journal.append(event(log, number))
            if number % 2000 == 1999:
                journal.wait(last)
        journal.wait(last)
        journal.close()


def stage(name: str, folder: Path) -> Stage:
    """A receiver of that type, running."""
    authority = Authority(folder / "ca")
    pair = authority.issue("receiver", dns=["localhost"], ips=["127.0.0.1"])
    tls = {"tls_ca": str(authority.path)}
    if name == "file":
        return _file(folder)
    if name in ("syslog", "cef"):
        server = Rsyslog(folder / "rsyslog", authority.path, pair.certificate, pair.key)
        mine = authority.issue("watchkeeper")
        of = {"address": f"127.0.0.1:{server.port}", "settle_seconds": 1.0, **tls}
        of |= {"tls_certificate": str(mine.certificate), "tls_key": str(mine.key)}
        kill = lambda: server.stop(signal.SIGKILL)  # noqa: E731
        return Stage(of, lambda: [(*identity(one), "") for one in server.messages()], kill, server.start, kill)
    receiver = _receiver(name)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(pair.certificate, pair.key)
    served = Served(receiver, context)
    of = {"url": f"https://127.0.0.1:{served.port}", "timeout_seconds": 5.0, **tls}
    if name.startswith("splunk_hec"):
        of |= {"token": "env:HEC_TOKEN", "acknowledged": name.endswith("_ack")}
    return Stage(
        of, lambda: list(receiver.got), served.stop, served.start, served.stop, lambda: receiver.faults.extend(_FAULTS)
    )


def _receiver(name: str) -> Receiver:
    made: dict[str, Callable[[], Receiver]] = {
        "otlp": Otlp,
        "ocsf_http": Ocsf,
        "splunk_hec": Hec,
        "splunk_hec_ack": lambda: Hec(acknowledges=True),
        "elastic": Bulk,
    }
    return made[name]()


def _file(folder: Path) -> Stage:
    there, away = folder / "out", folder / "away"
    there.mkdir()

    def got() -> list[Got]:
        path = there / "events.jsonl"
        lines = path.read_bytes().splitlines() if path.exists() else []
        found = [json.loads(line) for line in lines if line.endswith(b"}")]
        return [(of["body"]["log"], of["body"]["number"], of["id"]) for of in found]

    of = {"path": str(there / "events.jsonl"), "rotate_bytes": 10_000_000_000}
    return Stage(of, got, lambda: there.rename(away), lambda: away.rename(there), lambda: None)


def identity(read: dict[str, Any]) -> tuple[str, int]:
    """Log and index, of a message that rsyslog read."""
    said = read["msg"]
    if "CEF:0" in said:
        return said.partition("cs5=")[2].split(" ")[0], int(said.partition("cn1=")[2].split(" ")[0])
    of = read["structured-data"]
    return of.partition('writer="')[2].split('"')[0], int(of.partition('index="')[2].split('"')[0])


class Child:
    """The process that ships; may be killed and started again."""

    def __init__(self, data: Path, config: Path) -> None:
        self._command = [sys.executable, str(Path(__file__).with_name("_shipping_child.py")), str(data), str(config)]
        self._process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        environment = {**os.environ, "HEC_TOKEN": TOKEN, "PYTHONPATH": str(Path(__file__).resolve().parents[1])}
        self._process = subprocess.Popen(self._command, stdin=subprocess.PIPE, env=environment)

    def kill(self) -> None:
        if self._process is not None and self._process.stdin is not None:
            self._process.kill()
            self._process.wait()
            self._process.stdin.close()

    def stop(self) -> None:
        if self._process is not None and self._process.stdin is not None:
            self._process.stdin.close()
            self._process.wait(60)


def configure(folder: Path, name: str, of: dict[str, Any], **more: Any) -> Path:
    """The settings file of one sink, called `it`."""
    fields = {"type": name.removesuffix("_ack"), "start": "beginning", "exclude_kinds": ["journal.*"], **of, **more}
    path = folder / "watchkeeper.toml"
    lines = [f"{key} = {json.dumps(value)}" for key, value in fields.items()]
    path.write_text("[sinks.it]\n" + "\n".join(lines) + "\n", encoding="utf-8")
    return path


def until(holds: Callable[[], bool], within: float, what: str) -> None:
    deadline = time.monotonic() + within
    while not holds():
        if time.monotonic() > deadline:
            raise TimeoutError(what)
        time.sleep(0.05)


def state_of(data: Path) -> State:
    return Ledger(data, "it").load() or State()


def rate(name: str, events: int, folder: Path) -> float:
    """Events per second from a full journal to the receiver, the start of the process left out."""
    data = folder / "data"
    record(data, events // len(LOGS))
    on = stage(name, folder)
    child = Child(data, configure(folder, name, on.settings))
    try:
        child.start()
        until(lambda: bool(on.got()), 60, "nothing came")
        begin, first = time.perf_counter(), len(on.got())
        until(lambda: len(on.got()) >= events, 300, "not everything came")
        seconds = time.perf_counter() - begin
        child.stop()
        return (events - first) / seconds if events > first else float(events)
    finally:
        child.kill()
        on.end()


def ordeal(name: str, events: int, outage: float, kills: int, folder: Path, seed: int = 7) -> Outcome:
    """Both sides killed, the receiver down for `outage` seconds and out of sorts when it comes back."""
    chance, data = random.Random(seed), folder / "data"
    each = events // len(LOGS)
    record(data, each)
    on = stage(name, folder)
    settings: dict[str, Any] = {"batch_events": max(20, events // 40), "retry_seconds": 0.5, "flush_seconds": 0.05}
    if "url" in on.settings:
        settings |= {"timeout_seconds": 1.5}
    child = Child(data, configure(folder, name, on.settings | settings))
    late, done, left = Journal.open(data, "late"), threading.Event(), kills
    wanted = events

    def write() -> None:
        """Somebody records all the while."""
        nonlocal wanted
        while not done.wait(0.02):
            late.wait(late.append(event("late", wanted - events)))
            wanted += 1

    writer = threading.Thread(target=write)
    try:
        child.start()
        until(lambda: len(on.got()) >= events // 10, 60, "nothing came")
        writer.start()
        on.faults()
        on.down()
        begin = time.monotonic()
        while time.monotonic() - begin < outage:
            time.sleep(min(chance.uniform(0.2, outage / 3), max(0.05, outage - (time.monotonic() - begin))))
            if left > kills // 2:
                child.kill()
                child.start()
                left -= 1
        on.up()
        while left:
            time.sleep(chance.uniform(0.3, 1.2))
            child.kill()
            child.start()
            left -= 1
        time.sleep(1.0)
        done.set()
        writer.join()
        late.close()
        records = events + wanted - events + len(LOGS) + 1
        until(lambda: state_of(data).tally.total >= records, 120, f"{state_of(data)} of {records}")
        child.stop()
        return _judged(on.got(), state_of(data), events, wanted, kills, outage)
    finally:
        done.set()
        child.kill()
        on.end()


def _judged(got: list[Got], state: State, events: int, wanted: int, kills: int, outage: float) -> Outcome:
    different = {one[:2] for one in got}
    exact = (
        state.tally.sent == wanted
        and state.tally.filtered == len(LOGS) + 1
        and state.tally.total == sum(state.cursor.values())
    )
    return Outcome(wanted, wanted - len(different), len(got) - len(different), in_order(got), exact, kills, outage)


def results(row: dict[str, Any]) -> list[dict[str, Any]]:
    """One receiver's figures, a metric each."""
    of = row["type"]
    units = {"events_per_second": "events/s"}
    return [
        {
            "metric": f"{of}_{name}",
            "value": value,
            "unit": units.get(name, "yes" if isinstance(value, bool) else "events"),
        }
        for name, value in row.items()
        if name != "type"
    ]


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--quick", action="store_true", help="fewer events, a short outage")
    parser.add_argument("--json", action="store_true")
    parser.add_argument("--only", choices=TYPES, action="append")
    parser.add_argument("--outage", type=float)
    asked = parser.parse_args()
    events, repeats = (4_000, 1) if asked.quick else (40_000, 3)
    outage = asked.outage or (3.0 if asked.quick else 60.0)
    rows = []
    for name in asked.only or TYPES:
        if name in ("syslog", "cef") and missing():
            print(f"{name}: {missing()}", file=sys.stderr)
            continue
        folder = Path(tempfile.mkdtemp(prefix="sinks-"))
        try:
            rates = sorted(rate(name, events, folder / f"rate{n}") for n in range(repeats))
            came = ordeal(name, 4_000, outage, 4 if asked.quick else 12, folder / "ordeal")
        finally:
            shutil.rmtree(folder, ignore_errors=True)
        row = {"type": name, "events_per_second": round(rates[len(rates) // 2]), **vars(came)}
        rows.append(row)
        if not asked.json:
            print(", ".join(f"{key} {value}" for key, value in row.items()), flush=True)
    if asked.json:
        print(json.dumps({"name": "sinks", "results": [one for row in rows for one in results(row)]}))
    if any(row["lost"] or not row["in_order"] or not row["exact"] for row in rows):
        sys.exit(1)


if __name__ == "__main__":
    main()
