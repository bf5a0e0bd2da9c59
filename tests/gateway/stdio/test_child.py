"""Servers that misbehave: each flaw ends in a clear error, and none of them outlives its route."""

from __future__ import annotations

import asyncio
import json
from pathlib import Path
from typing import Any

import pytest

from watchkeeper.core.errors import Unavailable
from watchkeeper.gateway.upstream import UpstreamBusy, UpstreamFailed, UpstreamSilent

PATIENCE = 20.0
FLAWED = "stdio_flawed.py"


def is_running(pid: int) -> bool:
    try:
        return "\nState:\tZ" not in Path(f"/proc/{pid}/status").read_text()
    except FileNotFoundError:
        return False


@pytest.mark.behaviour("stdio.overlong-line-kills")
async def test_a_line_without_end_kills_the_server(route: Any) -> None:
    driver = route(FLAWED, "endless_line", line_bytes=1_000_000)
    session = await driver.initialize()
    with pytest.raises(UpstreamFailed, match="a line of more than 1000000 bytes"):
        await driver.call(session, "tools/list")


@pytest.mark.behaviour("stdio.garbage-counted")
async def test_some_garbage_is_logged_and_counted(route: Any, events: Any, caplog: pytest.LogCaptureFixture) -> None:
    driver = route("stdio_scripted.py")
    session = await driver.initialize()
    assert json.loads((await driver.call(session, "garbage")).body)["result"] == {}
    assert "Debug: this should not be on standard output" in repr([vars(record) for record in caplog.records])
    await driver.upstream.close()
    assert events.of("gateway.upstream.exited")[0].body["garbage_lines"] == 1


@pytest.mark.behaviour("stdio.garbage-kills")
async def test_a_server_that_writes_nothing_but_garbage_is_killed(route: Any, events: Any) -> None:
    driver = route(FLAWED, "only_garbage")
    session = await driver.initialize()
    with pytest.raises(UpstreamFailed, match="no message"):
        await driver.call(session, "tools/list")
    await driver.upstream.close()
    assert events.of("gateway.upstream.exited")[0].outcome == "failure"


@pytest.mark.behaviour("stdio.flood-bounded")
async def test_a_flood_of_notifications_is_bounded_and_the_answer_still_arrives(route: Any, events: Any) -> None:
    driver = route(FLAWED, "floods", queue_messages=100)
    session = await driver.initialize()
    assert json.loads((await driver.call(session, "tools/list")).body)["id"] == 1
    await driver.upstream.close()
    assert events.of("gateway.upstream.exited")[0].body["dropped"] == 4900


@pytest.mark.behaviour("stdio.unread-input-kills")
async def test_a_server_that_reads_nothing_is_killed(route: Any) -> None:
    driver = route(FLAWED, "reads_nothing", write_seconds=0.3)
    session = await driver.initialize()
    with pytest.raises(UpstreamFailed, match="does not read"):
        await driver.call(session, "tools/list", {"cursor": "x" * 2_000_000})
    assert (await driver.call(session, "tools/list")).status == 404


async def test_an_answer_with_doubled_members_is_garbage(route: Any) -> None:
    driver = route(FLAWED, "doubled_members", request_seconds=0.5)
    session = await driver.initialize()
    with pytest.raises(UpstreamSilent):
        await driver.call(session, "tools/list")


async def test_answers_with_ids_we_never_gave_are_dropped(route: Any, events: Any) -> None:
    driver = route(FLAWED, "wrong_ids")
    session = await driver.initialize()
    assert json.loads((await driver.call(session, "tools/list")).body)["result"]["serverInfo"]["name"] == "f"
    await driver.upstream.close()
    assert events.of("gateway.upstream.exited")[0].body["dropped"] == 2


async def test_a_server_that_never_answers_initialize_is_stopped(route: Any, events: Any) -> None:
    driver = route(FLAWED, "never_answers", start_seconds=0.5)
    with pytest.raises(UpstreamSilent):
        await driver.initialize()
    assert events.of("gateway.upstream.exited")[0].body["reason"] == "it did not answer initialize"


async def test_a_client_that_leaves_during_initialize_leaves_no_server_behind(route: Any, events: Any) -> None:
    driver = route(FLAWED, "never_answers")
    opening = asyncio.create_task(driver.initialize())
    async with asyncio.timeout(PATIENCE):
        while not events.of("gateway.upstream.spawned"):
            await asyncio.sleep(0)
    opening.cancel()
    await asyncio.wait([opening])
    assert opening.cancelled()
    assert len(events.of("gateway.upstream.exited")) == 1


@pytest.mark.behaviour("stdio.failing-start-backs-off")
async def test_a_server_that_ends_at_once_is_not_started_again_and_again(route: Any, events: Any) -> None:
    driver = route(FLAWED, "ends_at_once")
    for _ in range(3):
        with pytest.raises(UpstreamFailed):
            await driver.initialize()
    for _ in range(7):
        with pytest.raises(UpstreamBusy):
            await driver.initialize()
    assert len(events.of("gateway.upstream.spawned")) == 3


async def test_a_server_that_ends_when_probed_is_an_older_one(route: Any) -> None:
    driver = route(FLAWED, "ends_when_probed")
    assert (await driver.modern("tools/list")).status == 400
    await driver.initialize()


async def test_a_server_that_does_not_answer_the_probe_is_an_older_one(route: Any) -> None:
    assert (await route(FLAWED, "never_answers", probe_seconds=0.3).modern("tools/list")).status == 400


async def test_a_program_that_does_not_exist_is_a_clear_failure(route: Any, events: Any) -> None:
    driver = route("-m", "no_such_module_anywhere")
    with pytest.raises(UpstreamFailed, match="exit code 1"):
        await driver.initialize()
    assert events.of("gateway.upstream.exited")[0].body["returncode"] == 1


@pytest.mark.behaviour("stdio.unrecorded-launch-undone")
async def test_a_launch_that_cannot_be_recorded_does_not_stand(
    route: Any, events: Any, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    driver = route(FLAWED, "leaves_a_grandchild", str(tmp_path / "pids"))

    def refuse(_: object) -> int:
        raise Unavailable("the disk is full")

    monkeypatch.setattr(events, "append", refuse)
    with pytest.raises(Unavailable, match="the disk is full"):
        await driver.initialize()
    monkeypatch.undo()
    written = (tmp_path / "pids").read_text() if (tmp_path / "pids").exists() else ""
    async with asyncio.timeout(PATIENCE):
        while any(is_running(int(pid)) for pid in written.split()):
            await asyncio.sleep(0)


@pytest.mark.skipif(not Path("/proc/self/status").exists(), reason="reads /proc")
@pytest.mark.parametrize("flaw", ["ignores_the_end", "leaves_a_grandchild"])
async def test_no_process_outlives_its_session(route: Any, tmp_path: Path, flaw: str) -> None:
    driver = route(FLAWED, flaw, str(tmp_path / "pids"))
    session = await driver.initialize()
    family = [int(pid) for pid in (tmp_path / "pids").read_text().split()]
    assert all(map(is_running, family))
    assert (await driver.bare("DELETE", session=session)).status == 204
    async with asyncio.timeout(PATIENCE):
        while any(map(is_running, family)):
            await asyncio.sleep(0)
