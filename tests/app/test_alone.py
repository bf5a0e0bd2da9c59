"""`watchkeeper gateway` on its own: what it prints, what it lets through and stops, how it says no and how it ends."""

from __future__ import annotations

import json
import os
import signal
import socket
import stat
import subprocess
import sys
from pathlib import Path

import pytest

from tests.app.conftest import command
from tests.app.gateway_process import Client, GatewayProcess, gateway_process, until
from tests.app.mcp_server import small_server
from watchkeeper.app.alone import Asked, name_for, settings_of
from watchkeeper.core.errors import Invalid, WatchkeeperError
from watchkeeper.events import JournalReader
from watchkeeper.gateway.settings import ServerSettings


@pytest.mark.behaviour("workers.one-line-is-enough")
def test_one_line_says_all_that_a_client_needs_and_the_first_call_works(tmp_path: Path) -> None:
    with (
        small_server() as server,
        gateway_process(tmp_path, "--upstream", server.url, "--listen", "127.0.0.1:0") as running,
    ):
        line = running.line
        assert set(line) == {"ready", "pid", "servers", "endpoints", "clients", "data", "ephemeral", "observe"} | {
            "sandboxes", "workers", "seconds"
        }  # fmt: skip
        assert (line["pid"], line["data"], line["ephemeral"]) == (running.process.pid, str(running.data), False)
        (first,) = line["clients"]
        assert sorted(first) == ["name", "token_file"]
        assert stat.S_IMODE(os.stat(first["token_file"]).st_mode) == 0o600
        assert running.token not in json.dumps(line)
        client = running.client()
        assert client.ask("tools/list").status == 200
        assert client.call().text == "no session"
        client.close()
        token = running.token
    with (
        small_server() as server,
        gateway_process(tmp_path, "--upstream", server.url, "--listen", "127.0.0.1:0") as running,
    ):
        assert running.token == token


@pytest.mark.behaviour("workers.starts-light")
def test_the_gateway_imports_none_of_what_only_others_need() -> None:
    heavy = ["alembic", "dbos", "litestar", "deltalake", "mcp", "httpx2", "httpx", "pydantic", "sigma", "jinja2", "cel"]
    asked = f"import watchkeeper.cli.gateway, sys; print([name for name in {heavy} if name in sys.modules])"
    done = subprocess.run([sys.executable, "-c", asked], capture_output=True, text=True, check=True)
    assert done.stdout == "[]\n"


@pytest.mark.behaviour("workers.alone-has-everything-on")
def test_alone_it_asks_for_a_token_reads_strictly_and_remembers(tmp_path: Path) -> None:
    with (
        small_server() as server,
        gateway_process(tmp_path, "--upstream", server.url, "--listen", "127.0.0.1:0", "--name", "srv") as running,
    ):
        nobody = Client(running.url, "wk_wrong")
        assert nobody.call().status == 401
        client = running.client()
        doubled = b'{"jsonrpc":"2.0","id":1,"method":"ping","method":"tools/call","params":{}}'
        response = client.send("POST", doubled)
        assert (response.status, len(response.read()) > 0) == (400, True)
        assert client.call().status == 200
        nobody.close()
        client.close()
        assert "ping" not in server.methods()
    events = [record.event for record in JournalReader(running.data).read({}, limit=1000) if record.event]
    kinds = {event.kind for event in events}
    assert {"gateway.principal.minted", "gateway.request.refused", "registry.pin.trusted"} <= kinds
    assert [e.target for e in events if e.kind == "gateway.request.decided" and e.target] == ["echo"]
    assert command("journal", "verify", str(running.data)).returncode == 0


@pytest.mark.behaviour("workers.observe-stops-nothing")
def test_observing_it_records_what_it_would_have_stopped(tmp_path: Path) -> None:
    with (
        small_server() as server,
        gateway_process(
            tmp_path, "--upstream", server.url, "--listen", "127.0.0.1:0", "--name", "srv", "--observe"
        ) as running,
    ):
        client = running.client()
        leak = "AKIA" + "Q7RSTUVWXYZ234AB"
        answer = client.ask("tools/call", name="echo", arguments={"text": leak})
        assert answer.text == "no session"
        client.close()
        assert "tools/call" in server.methods()
    events = [record.event for record in JournalReader(running.data).read({}, limit=1000) if record.event]
    assert [e.labels for e in events if e.target == "echo" and e.kind == "gateway.request.decided"] == [("shadow",)]


@pytest.mark.behaviour("workers.ephemeral-leaves-nothing")
def test_an_ephemeral_one_says_so_and_leaves_nothing(tmp_path: Path) -> None:
    with small_server() as server:
        with gateway_process(
            tmp_path, "--upstream", server.url, "--listen", "127.0.0.1:0", "--ephemeral", "--print-token"
        ) as running:
            assert running.line["ephemeral"] is True
            folder = Path(running.line["data"])
            assert stat.S_IMODE(folder.stat().st_mode) == 0o700
            client = Client(running.url, running.line["clients"][0]["token"])
            assert client.call().status == 200
            client.close()
        assert not folder.exists()


@pytest.mark.behaviour("workers.stdio-alone")
def test_a_started_server_is_reached_through_it_and_ends_with_it(tmp_path: Path) -> None:
    said = f"{sys.executable} -m watchkeeper.exercise.training_server --state '{tmp_path / 'state.json'}'"
    with gateway_process(tmp_path, "--stdio", said, "--listen", "127.0.0.1:0") as running:
        client = running.client()
        session = client.initialize()
        assert client.ask("tools/list", session).status == 200
        children = _descendants(running.process.pid)
        assert children
        client.close()
    until(lambda: not any(Path(f"/proc/{pid}").exists() for pid in children))


@pytest.mark.behaviour("workers.says-why-it-cannot-start")
@pytest.mark.parametrize(
    ("asked", "code", "said"),
    [
        (["--listen", "127.0.0.1:0"], 65, "there is no server"),
        (["--upstream", "http://127.0.0.1:1/mcp", "--stdio", "cat"], 65, "give one of the two"),
        (["--upstream", "gopher://x"], 65, "--upstream: 'gopher://x' is no http address"),
        (["--upstream", "http://u:p@127.0.0.1:1/mcp"], 65, "credentials"),
        (["--stdio", "python 'unclosed"], 65, "--stdio: No closing quotation"),
        (["--stdio", "no-such-program-here"], 78, "no-such-program-here"),
        (["--upstream", "http://127.0.0.1:1/mcp", "--listen", "nowhere"], 65, "is no HOST:PORT"),
        (["--upstream", "http://127.0.0.1:1/mcp", "--name", "a/b"], 65, "--name"),
        (["--upstream", "http://127.0.0.1:1/mcp", "--data", "x", "--ephemeral"], 65, "--ephemeral"),
    ],
    ids=["neither", "both", "scheme", "credentials", "quotation", "program", "listen", "name", "data"],
)
def test_what_cannot_work_is_said_in_one_line_and_in_words(
    tmp_path: Path, asked: list[str], code: int, said: str
) -> None:
    running = GatewayProcess(tmp_path, *asked)
    line = running.ready()
    assert (running.end(), list(line)) == (code, ["error"]), line
    words = running.log.read_text()
    assert said in words, words
    assert "what to do" in words


@pytest.mark.behaviour("workers.says-why-it-cannot-start")
def test_a_taken_port_and_a_folder_in_use_are_told(tmp_path: Path) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        running = GatewayProcess(tmp_path, "--upstream", "http://127.0.0.1:1/mcp", "--listen", f"127.0.0.1:{port}")
        assert str(port) in running.ready()["error"]["reason"]
        assert running.end() == 73
    with gateway_process(tmp_path, "--upstream", "http://127.0.0.1:1/mcp", "--listen", "127.0.0.1:0"):
        second = GatewayProcess(tmp_path, "--upstream", "http://127.0.0.1:1/mcp", "--listen", "127.0.0.1:0")
        assert "already runs" in second.ready()["error"]["reason"]
        assert second.end() == 73


@pytest.mark.behaviour("workers.stops-when-told")
@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT], ids=["TERM", "INT"])
def test_told_to_stop_it_lets_the_call_under_way_finish(tmp_path: Path, number: int) -> None:
    with (
        small_server() as server,
        gateway_process(tmp_path, "--upstream", server.url, "--listen", "127.0.0.1:0") as running,
    ):
        client = running.client()
        assert client.ask("tools/list").status == 200
        client.link.request(
            "POST",
            client.path,
            json.dumps(
                {"jsonrpc": "2.0", "id": 1, "method": "tools/call", "params": {"name": "slow", "arguments": {}}}
            ),
            {"Authorization": f"Bearer {client.token}", "Content-Type": "application/json", "Accept": "*/*"},
        )
        assert server.slow_began.wait(10)
        running.process.send_signal(number)
        until(lambda: _refused(running.url))
        server.release.set()
        response = client.link.getresponse()
        assert (response.status, response.getheader("connection")) == (200, "close")
        response.read()
        client.close()
        assert running.end() == 0


@pytest.mark.behaviour("workers.a-second-signal-ends-at-once")
def test_told_twice_it_ends_at_once_and_the_journal_recovers(tmp_path: Path) -> None:
    with small_server() as server:
        running = GatewayProcess(tmp_path, "--upstream", server.url, "--listen", "127.0.0.1:0")
        running.ready()
        client = running.client()
        assert client.ask("tools/list").status == 200
        client.link.request(
            "POST",
            client.path,
            json.dumps(
                {"jsonrpc": "2.0", "id": 1, "method": "tools/call", "params": {"name": "slow", "arguments": {}}}
            ),
            {"Authorization": f"Bearer {client.token}", "Content-Type": "application/json", "Accept": "*/*"},
        )
        assert server.slow_began.wait(10)
        running.process.send_signal(signal.SIGTERM)
        until(lambda: _refused(running.url))
        assert running.stop(signal.SIGTERM) == 128 + signal.SIGTERM
        client.close()
    assert command("journal", "verify", str(running.data)).returncode == 0


@pytest.mark.parametrize(
    ("server", "name"),
    [
        (ServerSettings(url="http://127.0.0.1:8000/mcp"), "127.0.0.1-8000"),
        (ServerSettings(url="https://tools.example/team/a/mcp"), "tools.example-team-a"),
        (ServerSettings(url="http://[::1]:80/"), "1-80"),
        (ServerSettings(command=("/usr/bin/npx", "-y", "server")), "npx-"),
    ],
    ids=["loopback", "path", "v6", "command"],
)
def test_a_server_without_a_name_gets_one_of_its_own(server: ServerSettings, name: str) -> None:
    assert name_for(server).startswith(name)
    other = ServerSettings(command=("/usr/bin/npx", "-y", "other"))
    assert name_for(other) != name_for(server)


def test_options_are_laid_over_the_settings_file(tmp_path: Path) -> None:
    (tmp_path / "watchkeeper.toml").write_text('[servers.a]\nurl = "http://127.0.0.1:1/mcp"\n[gateway]\nport = 9000\n')
    loaded = settings_of(Asked(observe=True, listen="[::1]:0"), tmp_path)
    assert (loaded.settings.gateway.host, loaded.settings.gateway.port) == ("::1", 0)
    assert {name: one.shadow for name, one in loaded.settings.servers.items()} == {"a": True}
    assert list(settings_of(Asked(upstream="http://127.0.0.1:2/mcp", name="b"), tmp_path).settings.servers) == ["b"]
    with pytest.raises(Invalid):
        settings_of(Asked(stdio="   "), tmp_path)
    with pytest.raises(WatchkeeperError):
        settings_of(Asked(upstream="http://127.0.0.1:2/mcp", config=tmp_path / "none.toml"), tmp_path)


def _refused(url: str) -> bool:
    host, port = url.split("/")[2].rsplit(":", 1)
    try:
        with socket.create_connection((host, int(port)), timeout=5):
            return False
    except (ConnectionRefusedError, ConnectionResetError):  # reset: it had been queued when the door was shut
        return True


def _descendants(pid: int) -> list[int]:
    children = [int(p) for task in Path(f"/proc/{pid}/task").iterdir() for p in (task / "children").read_text().split()]
    return children + [one for child in children for one in _descendants(child)]
