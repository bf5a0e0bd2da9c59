"""Erasing through a running watch: real services, a real client, and a watch that is killed in the middle."""

from __future__ import annotations

import json
import os
import signal
import sqlite3
import subprocess
import sys
import time
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from tests.app.conftest import FREE, Running, command, environment
from tests.app.test_erasing import ADA, BOB, actors, fill
from tests.app.test_up import token_of
from watchkeeper.app.absence import planned
from watchkeeper.app.platform import opened
from watchkeeper.events.erasure.ground import Underway
from watchkeeper.exercise.agent import connect

pytestmark = [pytest.mark.slow, pytest.mark.timeout(300)]
AGENT = "agent:my-agent"
PROMPT = f"{FREE}[lake]\nflush_seconds = 0.2\n"


def until(holds: Callable[[], object], what: str, within: float = 60.0) -> None:
    deadline = time.monotonic() + within
    while not holds():
        assert time.monotonic() < deadline, what
        time.sleep(0.02)


def verdict(data: Path, subject: str, erasure: str) -> dict[str, Any]:
    done = command("privacy", "verify", subject, "--erasure", erasure, "--json", "--data", str(data))
    said: dict[str, Any] = json.loads(json.loads(done.stdout)["statement"])
    assert (done.returncode == 0) == said["is_absent"]
    return said


def in_lake(data: Path, subject: str) -> int:
    return sum(place.own for place in planned(data, subject)["places"] if place.store == "lake: files")


@pytest.mark.behaviour("privacy.through-the-watch")
async def test_a_real_agent_is_erased_while_everything_runs(tmp_path: Path) -> None:
    running = Running(tmp_path, settings=PROMPT)
    try:
        running.until("Ctrl-C drains")
        server = running.clients()["time"]
        async with connect(str(server["url"]), token_of(server), "2026-07-28") as agent:
            assert not (await agent.call("get_current_time", {"timezone": "UTC"})).refused
        until(lambda: in_lake(running.data, AGENT) > 0, "the call came into the lake")
        at = ("--data", str(running.data))
        assert command("clients", "revoke", "my-agent", *at).returncode == 0
        asked = command("privacy", "erase", AGENT, "--yes", "--json", *at)
        assert asked.returncode == 0, asked.stderr
        done = json.loads(asked.stdout)
        assert done["rows"]["lake"]["rows"] > 0
        assert "gateway" in done["positions"], "the records were the gateway's, the erasure the watch's"
        said = verdict(running.data, AGENT, done["erasure"])
        assert said["is_absent"] is True, [p for p in said["places"] if p["verdict"] in ("found", "unread")]
        assert all(log["is_unchanged"] for log in said["logs"])
        assert command("clients", "add", "second", *at).returncode == 0, "everything goes on"
    finally:
        assert running.stop() == 0
    assert command("journal", "verify", str(running.data)).returncode == 0


def stuck_before_the_keys(data: Path) -> sqlite3.Connection:
    """A reader of the keys: they cannot be destroyed while it reads."""
    reader = sqlite3.connect(data / "keys" / "subjects.db", isolation_level=None)
    reader.execute("BEGIN")
    reader.execute("SELECT count(*) FROM keys").fetchone()
    return reader


def stuck_after_the_keys(data: Path) -> sqlite3.Connection:
    """A reader of the control state: it cannot be written anew while it reads, and the lake comes after."""
    reader = sqlite3.connect(data / "state.db", isolation_level=None)
    reader.execute("BEGIN")
    reader.execute("SELECT count(*) FROM gateway_grants").fetchone()
    return reader


@pytest.mark.behaviour("privacy.through-the-watch")
@pytest.mark.behaviour("privacy.crash-is-finished")
@pytest.mark.parametrize(
    ("stuck", "is_destroyed"), [(stuck_before_the_keys, False), (stuck_after_the_keys, True)], ids=["before", "after"]
)
def test_a_watch_that_is_killed_in_the_middle_finishes_when_it_is_back(
    tmp_path: Path, stuck: Callable[[Path], sqlite3.Connection], is_destroyed: bool
) -> None:
    data = tmp_path / "data"
    with opened(data, "cli") as platform:
        fill(data, platform)
    running = Running(tmp_path, settings=PROMPT)
    try:
        running.until("Ctrl-C drains")
        words = ("privacy", "erase", ADA, "--yes", "--data", str(data))
        with closing(stuck(data)):
            asked = subprocess.Popen(
                [sys.executable, "-m", "watchkeeper", *words],
                stdout=subprocess.DEVNULL,
                stderr=subprocess.PIPE,
                env=environment(),
            )
            until(lambda: [one.is_destroyed for one in Underway(data).all()] == [is_destroyed], "it came so far")
            (underway,) = Underway(data).all()
            os.kill(watch_of(running), signal.SIGKILL)
            _, complaint = asked.communicate(timeout=60)
        assert (asked.returncode, b"before it answered" in complaint) == (75, True), complaint
        running.until("watch had died and was started again")
        until(lambda: not Underway(data).all(), "the watch that came back finished it")
        said = verdict(data, ADA, underway.id)
        assert said["is_absent"] is True, [p for p in said["places"] if p["verdict"] in ("found", "unread")]
    finally:
        assert running.stop() == 0
    assert sorted(set(actors(data))) == ["agent:ada2", BOB]
    assert command("journal", "verify", str(data)).returncode == 0


def watch_of(running: Running) -> int:
    """The one that works: it was started before the one that stands by."""
    children = Path(f"/proc/{running.process.pid}/task/{running.process.pid}/children").read_text().split()
    watch, *_standing_by = [int(pid) for pid in children if b"watch\0" in Path(f"/proc/{pid}/cmdline").read_bytes()]
    return watch
