"""The dead-man's switch with real processes: each is stopped or killed, and a real receiver is paged."""

from __future__ import annotations

import json
import os
import select
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

import pytest

from tests.app import compiled
from tests.app.conftest import FREE, command, environment
from tests.respond.webhooks.conftest import KEYS, SECRET, Elsewhere, another_system
from watchkeeper.app.administration import Administration
from watchkeeper.core import control
from watchkeeper.core.errors import WatchkeeperError
from watchkeeper.core.files import socket_path
from watchkeeper.respond.webhooks.signing import verify

pytestmark = [pytest.mark.slow, pytest.mark.timeout(600)]
WITHIN = 120.0
PING = "whsec_" + "cGluZ3BpbmdwaW5ncGluZ3BpbmdwaW5n"


class Process:
    """`watchkeeper …`, once its ready line came."""

    def __init__(self, folder: Path, *words: str) -> None:
        self.words = words
        with (folder / f"{words[0]}-{words[1].strip('-')}.log").open("ab") as log:
            self.process = subprocess.Popen(
                [sys.executable, "-m", "watchkeeper", *words],
                stdout=subprocess.PIPE,
                stderr=log,
                env=environment() | {"PAGE_SECRET": SECRET, "PING_SECRET": PING},
            )
        self.facts: dict[str, Any] = {}
        try:
            self._until_ready()
        except BaseException:
            self.kill()
            raise

    def _until_ready(self) -> None:
        assert self.process.stdout is not None
        assert select.select([self.process.stdout], [], [], WITHIN)[0]
        self.facts = json.loads(self.process.stdout.readline())
        assert "ready" in self.facts, self.facts

    def signal(self, number: int) -> None:
        os.kill(self.process.pid, number)

    def kill(self) -> None:
        self.signal(signal.SIGKILL)
        self.process.communicate(timeout=WITHIN)

    def end(self) -> None:
        if self.process.poll() is None:
            self.signal(signal.SIGCONT)
            self.process.terminate()
            try:
                self.process.communicate(timeout=WITHIN)
            except subprocess.TimeoutExpired:
                self.kill()
                raise


class House:
    """Gateway, watch and switch on one folder."""

    def __init__(self, folder: Path, pager: Elsewhere, more: str = "", top: str = "", start: int = 30) -> None:
        self.data = folder / "data"
        self.data.mkdir(mode=0o700)
        self.pager = pager
        self.settings = self.data / "watchkeeper.toml"
        self.settings.write_text(
            f"""{FREE}
[deadman]
name = "main"
look_seconds = 0.25
silent_seconds = 4
recover_seconds = 1
start_seconds = {start}
sink_seconds = 1
canary_seconds = 1
{top}
[deadman.pages.ops]
url = "{pager.url}"
secret = "env:PAGE_SECRET"
{more}
""",
            encoding="utf-8",
        )
        compiled.lend(self.data)
        self.folder = folder
        self.processes: dict[str, Process] = {}
        self.switch: Any = None
        try:
            for name in ("gateway", "watch"):
                self.start(name)
            self.watch_over()
        except BaseException:
            self.close()
            raise

    def watch_over(self) -> None:
        """Start the switch."""
        self.switch = Process(self.folder, "deadman", "--data", str(self.data))

    def start(self, name: str) -> None:
        self.processes[name] = Process(self.folder, "service", name, "--data", str(self.data))

    def close(self) -> None:
        with ExitStack() as stack:
            stack.callback(compiled.take, self.data)
            for process in (*self.processes.values(), self.switch):
                if process is not None:
                    stack.callback(process.end)

    def state(self, source: str) -> str:
        try:
            told = control.ask(socket_path(self.data, "deadman"), "status")
        except WatchkeeperError:
            return ""
        return next((str(one["state"]) for one in told["sources"] if one["name"] == source), "")

    def until_well(self, *sources: str) -> None:
        until(lambda: all(self.state(source) == "well" for source in sources))

    def paged(self, source: str, state: str = "silent", times: int = 1) -> dict[str, Any]:
        """The page about a source, once it came."""
        until(lambda: len(pages(self.pager, source, state)) >= times)
        return pages(self.pager, source, state)[times - 1]


def pages(pager: Elsewhere, source: str, state: str) -> list[dict[str, Any]]:
    told = [body["data"] for body in pager.bodies() if str(body.get("type", "")).startswith("deadman.")]
    return [one for one in told if (one["source"], one["state"]) == (source, state)]


def until(is_done: Callable[[], bool]) -> None:
    deadline, stop = time.monotonic() + WITHIN, threading.Event()
    while not is_done():
        assert time.monotonic() < deadline, "it did not happen in time"
        stop.wait(0.05)


@contextmanager
def house(folder: Path, more: str = "", top: str = "", start: int = 30) -> Iterator[House]:
    with another_system() as pager:
        one = House(folder, pager, more, top, start)
        try:
            yield one
        finally:
            one.close()


@pytest.mark.behaviour("deadman.pages")
def test_a_hung_or_killed_gateway_or_watch_and_a_silent_rule_page_somebody_outside(tmp_path: Path) -> None:
    with house(tmp_path) as here:
        here.until_well("gateway", "watch", "rules", "lake", "detection")
        assert here.pager.got == []

        here.processes["gateway"].signal(signal.SIGSTOP)
        silent = here.paged("gateway")
        assert "does not answer" in silent["why"]
        here.processes["gateway"].signal(signal.SIGCONT)
        assert here.paged("gateway", "back")["alarm"] == silent["alarm"]

        here.until_well("watch", "rules")
        here.processes["watch"].signal(signal.SIGSTOP)
        silent = here.paged("watch")
        assert pages(here.pager, "rules", "silent") == []
        here.processes["watch"].signal(signal.SIGCONT)
        assert here.paged("watch", "back")["alarm"] == silent["alarm"]

        here.processes["watch"].kill()
        here.paged("watch", times=2)
        here.start("watch")
        here.paged("watch", "back", 2)

        here.until_well("gateway", "rules")
        asked = command("rules", "disable", "heartbeat", "--reason", "a test withholds it", "--data", str(here.data))
        assert asked.returncode == 0, asked.stderr
        assert "no alert of the rule" in here.paged("rules")["why"]
        asked = command("rules", "enable", "heartbeat", "--reason", "over", "--anyway", "--data", str(here.data))
        assert asked.returncode == 0, asked.stderr
        here.paged("rules", "back")

        here.processes["gateway"].kill()
        assert here.paged("gateway", times=2)["why"] == "no gateway runs"
        for headers, body in here.pager.got:
            stamp = int(headers["webhook-timestamp"])
            verify(KEYS, headers["webhook-id"], str(stamp), headers["webhook-signature"], body, now=stamp)
        shown = command("deadman", "status", "--data", str(here.data))
        assert (shown.returncode, "gateway is SILENT" in shown.stdout) == (1, True), shown.stdout
    told = command("events", "search", "kind:respond.deadman.alarmed", "--data", str(here.data), "--json")
    assert "no gateway runs" in told.stdout


@pytest.mark.behaviour("deadman.sinks")
def test_a_sink_whose_receiver_does_not_answer_pages_and_a_pause_pages_nobody_and_ends(tmp_path: Path) -> None:
    with another_system() as siem:
        more = f'[sinks.siem]\ntype = "ocsf_http"\nurl = "{siem.url}"\ntimeout_seconds = 1\nretry_seconds = 1\n'
        siem.statuses = [503]
        with house(tmp_path, more, start=8) as here:
            assert here.paged("sink:siem")["why"]
            siem.statuses = [200]
            here.paged("sink:siem", "back")
            words = ("--reason", "a new disk", "--data", str(here.data))
            assert command("deadman", "pause", "--for", "5h", *words).returncode == 65
            asked = command("deadman", "pause", "--for", "30m", *words)
            assert asked.returncode == 0, asked.stderr
            here.processes["watch"].kill()
            told = control.ask(socket_path(here.data, "deadman"), "status")
            assert told["paused"]["reason"] == "a new disk"
            here.switch.kill()  # a pause outlives the switch
            here.watch_over()
            until(lambda: here.state("watch") == "unknown")
            assert pages(here.pager, "watch", "silent") == []
            assert command("deadman", "resume", "--data", str(here.data)).returncode == 0
            here.paged("watch")


@pytest.mark.behaviour("deadman.host")
def test_when_everything_is_gone_the_outside_half_pages(tmp_path: Path) -> None:
    outside = tmp_path / "outside"
    outside.mkdir(mode=0o700)
    inside = tmp_path / "inside"
    inside.mkdir()
    with another_system() as pager:
        settings = f"""
[deadman]
name = "outside"
look_seconds = 0.25
recover_seconds = 1
[deadman.pages.ops]
url = "{pager.url}"
secret = "env:PAGE_SECRET"
[deadman.listen]
port = 0
silent_seconds = 5
[deadman.listen.instances.main]
secret = "env:PING_SECRET"
"""
        (outside / "watchkeeper.toml").write_text(settings, encoding="utf-8")
        listener = Process(outside, "deadman", "listen", "--data", str(outside))
        try:
            url = f"http://127.0.0.1:{listener.facts['port']}/ping"
            top = f'ping_url = "{url}"\nping_secret = "env:PING_SECRET"\nping_seconds = 0.5\n'
            with house(inside, top=top) as here:
                here.until_well("gateway", "watch")
                until(lambda: bool(control.ask(socket_path(here.data, "deadman"), "status")["ping"]["sent_at"]))
                assert pages(pager, "main", "silent") == []
                for process in (here.switch, *here.processes.values()):
                    process.kill()
                until(lambda: bool(pages(pager, "main", "silent")))
                assert here.pager.got == []
                here.watch_over()
                until(lambda: bool(pages(pager, "main", "back")))
        finally:
            listener.end()


@pytest.mark.behaviour("deadman.laptop")
def test_up_starts_the_switch_where_somebody_is_named_and_stops_it_first(tmp_path: Path) -> None:
    from tests.app.conftest import Running

    with another_system() as pager:
        named = f'{FREE}\n[deadman.pages.ops]\nurl = "{pager.url}"\n'
        running = Running(tmp_path, settings=named)
        try:
            running.until("Ctrl-C drains")
            until(lambda: "gateway" in str(control.ask(socket_path(running.data, "deadman"), "status")["sources"]))
            shown = command("status", "--data", str(running.data))
            assert "deadman" in shown.stdout
            assert "nobody outside would notice the end of this host" in shown.stdout
        finally:
            running.stop()
        assert pager.got == []


@pytest.mark.behaviour("playbooks.gateway-silent")
def test_a_gateway_that_is_killed_calls_people_by_its_playbook_and_leaves_them_what_to_do(tmp_path: Path) -> None:
    with house(tmp_path) as one:
        one.until_well("gateway", "watch")
        one.processes["gateway"].kill()
        ask = Administration(one.data).call
        until(lambda: any(row["playbook"] == "gateway_down" for row in ask("playbooks.runs")))
        (run,) = [row for row in ask("playbooks.runs") if row["playbook"] == "gateway_down"]
        until(lambda: [gate["step"] for gate in ask("playbooks.approvals") if gate["run"] == run["id"]] == ["decide"])
        steps = {step["step"]: step["state"] for step in ask("playbooks.run_show", run=run["id"])["steps"]}
        assert steps == {"read_only": "skipped", "drain": "skipped", "evidence": "completed", "tell": "completed"}
        (case,) = [ask("incidents.show", incident=row["number"]) for row in ask("incidents.list")]
        assert [alert["name"] for alert in case["alerts"]] == ["gateway_silent"]
