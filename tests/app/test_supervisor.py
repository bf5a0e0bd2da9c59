"""Supervision of real processes; they are small scripts, since the supervisor knows a service only by its lines."""

from __future__ import annotations

import os
import signal
import sys
import time
from pathlib import Path

import pytest

from watchkeeper.app.supervisor import RESTARTS, Service, ServiceFailed, Supervisor
from watchkeeper.core.errors import Unavailable

READY = """
import signal, sys, time
signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))
print('{"ready": "%s", "port": 1}', flush=True)
time.sleep(60)
"""
FAILS = (
    """print('{"error": {"code": "conflict", "reason": "the port is taken", "hint": "choose another"}}', flush=True)"""
)
DIES = "import sys; sys.exit(3)"
STUBBORN = READY.replace("lambda *_: sys.exit(0)", "signal.SIG_IGN")


def service(folder: Path, name: str, script: str) -> Service:
    made = Service(name, [], folder)
    made._arguments = [sys.executable, "-c", script % name if "%s" in script else script]
    return made


def wait_until_dead(made: Service) -> None:
    deadline = time.monotonic() + 60
    while made.is_alive():
        assert time.monotonic() < deadline
        time.sleep(0.01)


def test_services_start_and_stop_together(tmp_path: Path) -> None:
    supervisor = Supervisor([service(tmp_path, "gateway", READY), service(tmp_path, "watch", READY)])
    supervisor.start()
    assert [s.facts["port"] for s in supervisor.services] == [1, 1]
    assert supervisor.tend() == []
    assert supervisor.stop() == []
    assert not any(s.is_alive() for s in supervisor.services)


@pytest.mark.behaviour("app.a-service-that-cannot-start-says-why")
def test_one_that_cannot_start_says_why_and_leaves_nothing_running(tmp_path: Path) -> None:
    supervisor = Supervisor([service(tmp_path, "gateway", READY), service(tmp_path, "console", FAILS)])
    with pytest.raises(ServiceFailed) as caught:
        supervisor.start()
    assert caught.value.reason == "console: the port is taken"
    assert caught.value.hint == "choose another"
    assert not any(s.is_alive() for s in supervisor.services)


def test_one_that_dies_early_points_to_its_log(tmp_path: Path) -> None:
    with pytest.raises(ServiceFailed) as caught:
        Supervisor([service(tmp_path, "watch", DIES)]).start()
    assert "watch.log" in caught.value.hint


def test_one_that_is_never_ready_is_told_within_its_time(tmp_path: Path) -> None:
    silent = service(tmp_path, "watch", "import time; time.sleep(60)")
    silent.start()
    with pytest.raises(Unavailable):
        silent.await_ready(within=0.2)
    silent.stop(within=0)


@pytest.mark.behaviour("app.a-service-that-dies-is-restarted")
def test_one_that_is_killed_is_started_again(tmp_path: Path) -> None:
    supervisor = Supervisor([service(tmp_path, "gateway", READY)])
    supervisor.start()
    first = supervisor.services[0].pid
    os.kill(first, signal.SIGKILL)
    wait_until_dead(supervisor.services[0])
    assert len(supervisor.tend()) == 1
    assert supervisor.services[0].pid != first
    supervisor.stop()


SPARE = (
    """
import os, sys
if "--spare" in sys.argv and os.read(0, 1) != b"\\n":
    sys.exit(0)
"""
    + READY
)


@pytest.mark.behaviour("app.a-spare-takes-over")
def test_one_that_stands_by_takes_the_place_of_one_that_died(tmp_path: Path) -> None:
    watch = Service("watch", [], tmp_path, [sys.executable, "-c", SPARE % "watch"], has_spare=True)
    supervisor = Supervisor([watch])
    supervisor.start()
    assert supervisor.tend() == []
    assert watch._spare is None
    watch.keep_spare(settled=0)
    spare, first = watch._spare.pid, watch.pid
    os.kill(first, signal.SIGKILL)
    wait_until_dead(watch)
    assert len(supervisor.tend()) == 1
    assert watch.pid == spare
    watch.keep_spare(settled=0)
    last = watch._spare
    assert last.pid not in (spare, first)
    supervisor.stop()
    assert last.poll() is not None


def test_a_spare_that_died_itself_is_not_missed(tmp_path: Path) -> None:
    watch = Service("watch", [], tmp_path, [sys.executable, "-c", SPARE % "watch"], has_spare=True)
    watch.start()
    watch.await_ready()
    watch.keep_spare(settled=0)
    watch._spare.kill()
    watch._spare.wait()
    watch.stop()
    watch.start()
    watch.await_ready()
    assert watch.is_alive()
    watch.stop()
    watch.dismiss()


def test_one_that_does_not_drain_is_killed_and_named(tmp_path: Path) -> None:
    stubborn = service(tmp_path, "gateway", STUBBORN)
    stubborn.start()
    stubborn.await_ready()
    assert not stubborn.stop(within=0.2)
    assert not stubborn.is_alive()


@pytest.mark.behaviour("app.a-service-waits-for-what-it-lacks")
def test_one_that_died_and_lacks_its_database_is_tried_until_it_is_there_and_the_others_go_on(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("watchkeeper.app.supervisor.WAITS", 0.0)
    there = tmp_path / "database"
    there.touch()
    lacking = FAILS.replace("conflict", "unavailable").replace("the port is taken", "the database is away")
    script = f"import os\nif not os.path.exists({str(there)!r}):\n    {lacking}\n    raise SystemExit(75)\n{READY}"
    gateway, watch = service(tmp_path, "gateway", READY), service(tmp_path, "watch", script % "watch")
    supervisor = Supervisor([gateway, watch])
    supervisor.start()
    there.unlink()
    os.kill(watch.pid, signal.SIGKILL)
    wait_until_dead(watch)
    assert supervisor.tend() == ["watch had died and cannot start yet: watch: the database is away; it will"]
    for _ in range(RESTARTS + 1):
        wait_until_dead(watch)
        assert supervisor.tend() == []
        assert gateway.is_alive()
    wait_until_dead(watch)
    there.touch()
    assert supervisor.tend() == [f"watch had died and was started again (1 of {RESTARTS})"]
    assert watch.is_alive()
    assert supervisor.stop() == []
