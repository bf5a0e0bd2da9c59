"""From settings to a started server: the list of programs, what is never shown, and the packaged servers confined."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import msgspec
import pytest

from tests.gateway.stdio.conftest import Driver, Remembered
from watchkeeper.app.launching import check_launch, command_of, spawner_for
from watchkeeper.app.servers import packaged
from watchkeeper.app.settings import Loaded, Settings
from watchkeeper.app.standing import _gateway_detail
from watchkeeper.core.clock import ManualClock
from watchkeeper.core.errors import Denied, Misconfigured
from watchkeeper.gateway.settings import GatewaySettings, ServerSettings, check_server
from watchkeeper.gateway.stdio import Limits, StdioUpstream
from watchkeeper.protocol.sandbox import KINDS, Sandbox

TRUE = "/usr/bin/true"


def loaded(data: Path, **gateway: Any) -> Loaded:
    return Loaded(Settings(gateway=GatewaySettings(**gateway)), data)


@pytest.mark.behaviour("sandbox.listed-programs-only")
def test_a_program_that_is_not_on_the_list_is_refused(tmp_path: Path) -> None:
    env = {"PATH": "/usr/bin"}
    check_launch(loaded(tmp_path), "a", ServerSettings(command=("true",), env=env))
    check_launch(loaded(tmp_path, allowed_commands=(TRUE,)), "a", ServerSettings(command=("true",), env=env))
    for command in (("false",), ("./true",), ("no-such-program",)):
        with pytest.raises(Denied, match="not on the list"):
            check_launch(loaded(tmp_path, allowed_commands=(TRUE,)), "a", ServerSettings(command=command, env=env))


@pytest.mark.behaviour("sandbox.our-folder-never-seen")
@pytest.mark.parametrize("setting", ["read", "write"])
def test_no_setting_shows_our_data_folder(tmp_path: Path, setting: str) -> None:
    data = tmp_path / "data"
    (data / "keys").mkdir(parents=True)
    (tmp_path / "link").symlink_to(data)
    for path in (data, data / "keys", tmp_path / "link"):
        server = msgspec.convert({"command": ["true"], setting: [str(path)]}, ServerSettings)
        with pytest.raises(Misconfigured, match="Watchkeeper's own"):
            check_launch(loaded(data), "a", server)
    with pytest.raises(Misconfigured, match="there is no"):
        check_launch(
            loaded(data), "a", msgspec.convert({"command": ["true"], setting: ["/no/such/place"]}, ServerSettings)
        )


def test_settings_that_no_sandbox_can_keep_are_refused() -> None:
    with pytest.raises(Misconfigured, match="sandbox"):
        check_server("a", ServerSettings(command=("a",), sandbox="perhaps"))
    with pytest.raises(Misconfigured, match="network"):
        check_server("a", ServerSettings(command=("a",), sandbox="off", network=False))


@pytest.mark.skipif(sys.platform != "linux", reason="bubblewrap and Landlock are Linux's")
@pytest.mark.behaviour("sandbox.packaged-servers-work")
@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("is_linked", [False, True], ids=["repository", "worktree"])
async def test_the_packaged_servers_work_in_a_sandbox(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, kind: str, is_linked: bool
) -> None:
    sandbox = Sandbox((kind,), search=os.environ["PATH"])
    if not sandbox.kind().confines:
        pytest.skip(sandbox.kind().detail)
    repository = tmp_path / "repository"
    git = ["git", "-C", str(repository), "-c", "user.name=a", "-c", "user.email=a@b"]
    subprocess.run(["git", "init", "-q", str(repository)], check=True)
    subprocess.run([*git, "commit", "-q", "--allow-empty", "-m", "first"], check=True)
    if is_linked:
        subprocess.run([*git, "worktree", "add", "-q", str(tmp_path / "linked")], check=True, capture_output=True)
        repository = tmp_path / "linked"
    monkeypatch.chdir(repository)
    (repository / "file").write_text("text")
    servers, events = packaged(), Remembered()
    spawner = spawner_for(loaded(tmp_path / "data"), sandbox=sandbox)
    calls = {
        "time": [("get_current_time", {"timezone": "Asia/Tokyo"}, "Asia/Tokyo")],
        "git": [
            ("git_add", {"repo_path": str(repository), "files": ["file"]}, "staged"),
            ("git_commit", {"repo_path": str(repository), "message": "second"}, "committed"),
            ("git_log", {"repo_path": str(repository)}, "second"),
        ],
    }
    try:
        for name, wanted in calls.items():
            upstream = StdioUpstream(
                name,
                command_of(servers[name]),
                spawner=spawner,
                recorder=events,
                clock=ManualClock(),
                limits=Limits(stop_seconds=1.0),
            )
            driver = Driver(upstream, events)
            session = await driver.initialize()
            for tool, arguments, text in wanted:
                said = await driver.call(session, "tools/call", {"name": tool, "arguments": arguments})
                assert text in said.body.decode(), said.body
            await upstream.close()
    finally:
        spawner.close()
    assert {event.body["sandbox"] for event in events.of("gateway.upstream.spawned")} == {sandbox.kind().label}


@pytest.mark.behaviour("sandbox.said-plainly")
def test_status_says_how_each_server_is_confined() -> None:
    facts = {"addresses": {"a": "http://a", "b": "http://b"}, "sandboxes": {"a": "none: bubblewrap is not installed"}}
    assert _gateway_detail(facts) == "a http://a (sandbox: none: bubblewrap is not installed), b http://b"
