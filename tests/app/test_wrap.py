"""`watchkeeper wrap` as a desktop client runs it: a process of its own, a real client, real servers."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
from mcp import Client
from mcp.client.stdio import StdioServerParameters, stdio_client
from mcp_types import ElicitResult

from tests.app.conftest import command, environment
from watchkeeper.core.clock import SystemClock
from watchkeeper.core.database import Database
from watchkeeper.events import Event, Journal, JournalReader
from watchkeeper.gateway.custody.model import Asked
from watchkeeper.gateway.custody.reach import Custodian
from watchkeeper.gateway.holds import Subject
from watchkeeper.gateway.orders import OrderBook, OrderKind, Probe

FIXTURES = Path(__file__).parent.parent / "gateway" / "fixtures"
TIME = (sys.executable, "-m", "mcp_server_time")
SCRIPTED = (sys.executable, str(FIXTURES / "stdio_scripted.py"))
SHOWN = ("--read", str(FIXTURES))
PATIENCE = 60.0

pytestmark = pytest.mark.timeout(180)


def wrapping(data: Path, *server: str, options: tuple[str, ...] = ()) -> list[str]:
    return [sys.executable, "-m", "watchkeeper", "wrap", "--data", str(data), *SHOWN, *options, "--", *server]


@asynccontextmanager
async def client(data: Path, era: str, *server: str, name: str = "srv", **more: Any) -> AsyncIterator[Client]:
    argv = wrapping(data, *server, options=("--name", name))
    parameters = StdioServerParameters(command=argv[0], args=argv[1:], env=environment())
    async with Client(stdio_client(parameters), mode=era, **more) as connected:
        yield connected


def text_of(result: Any) -> str:
    return "".join(getattr(block, "text", "") for block in result.content)


def events(data: Path, kind: str = "gateway.") -> list[Event]:
    records = JournalReader(data).read({}, limit=100_000)
    return [record.event for record in records if record.event and record.event.kind.startswith(kind)]


def is_running(pid: int) -> bool:
    try:
        return "\nState:\tZ" not in Path(f"/proc/{pid}/status").read_text()
    except FileNotFoundError:
        return False


def family_of(pid: int) -> set[int]:
    found = {pid}
    for path in Path(f"/proc/{pid}/task").glob("*/children"):
        for child in path.read_text().split():
            found |= family_of(int(child))
    return found


class Line:
    """A wrapped server spoken to by hand."""

    def __init__(self, data: Path, *server: str, options: tuple[str, ...] = (), **env: str) -> None:
        self.process = subprocess.Popen(
            wrapping(data, *server, options=options),
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            env=environment() | env,
        )

    def ask(self, method: str, id: Any = 1, **params: Any) -> Any:
        assert self.process.stdout is not None
        self.tell(method, id, **params)
        return json.loads(self.process.stdout.readline())

    def tell(self, method: str, id: Any = None, **params: Any) -> None:
        assert self.process.stdin is not None
        message = {"jsonrpc": "2.0", "method": method, "params": params} | ({} if id is None else {"id": id})
        self.process.stdin.write(json.dumps(message).encode() + b"\n")
        self.process.stdin.flush()

    def leave(self) -> tuple[int, bytes, str]:
        out, log = self.process.communicate(timeout=PATIENCE)
        return self.process.returncode, out, log.decode()

    def __enter__(self) -> Line:
        return self

    def __exit__(self, *_: object) -> None:
        if self.process.poll() is None:
            self.process.kill()
        self.process.communicate()


@pytest.mark.slow
@pytest.mark.behaviour("wrap.real-client-and-servers")
async def test_a_real_client_calls_a_real_server_in_every_era(tmp_path: Path) -> None:
    for era, version in (("legacy", "2025-11-25"), ("2026-07-28", "2026-07-28"), ("auto", "2026-07-28")):
        async with client(tmp_path, era, *TIME, name="time") as agent:
            assert agent.protocol_version == version
            assert "get_current_time" in [tool.name for tool in (await agent.list_tools()).tools]
            zones = ["UTC", "Europe/Lisbon", "Asia/Tokyo"]
            calls = [agent.call_tool("get_current_time", {"timezone": zone}) for zone in zones]
            for zone, result in zip(zones, await asyncio.gather(*calls), strict=True):
                assert zone in text_of(result)
    called = [event for event in events(tmp_path, "gateway.request.decided") if event.target]
    assert {(event.actor, event.server, event.outcome) for event in called} == {("agent:wrap-time", "time", "allow")}
    assert len(called) == 9
    assert [writer.name for writer in (tmp_path / "journal").iterdir()] == ["wrap-time-1"]
    assert command("journal", "verify", str(tmp_path)).returncode == 0


@pytest.mark.slow
@pytest.mark.behaviour("wrap.real-client-and-servers")
async def test_a_server_elicits_reports_and_is_cancelled_through_it(tmp_path: Path) -> None:
    async def answer(*_: Any) -> ElicitResult:
        return ElicitResult(action="accept", content={"sure": True})

    server = (sys.executable, str(FIXTURES / "stdio_sdk.py"))
    async with client(tmp_path, "legacy", *server, elicitation_callback=answer) as agent:
        results = await asyncio.gather(*(agent.call_tool("ask", {}) for _ in range(4)))
        assert [text_of(result) for result in results] == ["accept True"] * 4
        heard: list[float] = []

        async def hear(progress: float, total: float | None, message: str | None) -> None:
            heard.append(progress)

        assert text_of(await agent.call_tool("report", {}, progress_callback=hear)) == "done"
        assert heard == [1, 2, 3]


@pytest.mark.slow
def test_several_share_a_new_data_folder_at_once(tmp_path: Path) -> None:
    lines = [Line(tmp_path, *SCRIPTED, options=("--name", "srv")) for _ in range(3)]
    try:
        for line in lines:
            assert line.ask("echo")["id"] == 1
        for line in lines:
            code, out, _ = line.leave()
            assert (code, out) == (0, b"")
    finally:
        for line in lines:
            line.__exit__()
    assert sorted(path.name for path in (tmp_path / "journal").iterdir()) == [f"wrap-srv-{n}" for n in (1, 2, 3)]
    assert len(events(tmp_path, "gateway.upstream.exited")) == 3


@pytest.mark.skipif(not Path("/proc/self/status").exists(), reason="reads /proc")
@pytest.mark.behaviour("wrap.killed-leaves-nothing")
@pytest.mark.parametrize("sandbox", ["auto", "off"])
def test_killed_it_leaves_no_process(tmp_path: Path, sandbox: str) -> None:
    with Line(tmp_path, *SCRIPTED, options=("--sandbox", sandbox)) as line:
        assert line.ask("echo")["id"] == 1
        family = family_of(line.process.pid)
        assert len(family) >= 3
        line.process.kill()
        deadline = time.monotonic() + PATIENCE
        while any(map(is_running, family)) and time.monotonic() < deadline:
            time.sleep(0.01)
        assert not any(map(is_running, family))


@pytest.mark.behaviour("wrap.exit-code")
def test_its_exit_code_is_the_servers(tmp_path: Path) -> None:
    with Line(tmp_path, *SCRIPTED) as line:
        assert "error" in line.ask("die")
        assert line.leave()[0] == 3
    with Line(tmp_path, *SCRIPTED) as line:
        assert line.ask("echo")["id"] == 1
        assert line.leave()[0] == 0
    with Line(tmp_path, *SCRIPTED) as line:
        assert line.ask("echo")["id"] == 1
        line.process.send_signal(signal.SIGTERM)
        assert line.leave()[0] == 128 + signal.SIGTERM


@pytest.mark.behaviour("wrap.minimal-environment")
def test_the_server_gets_the_variables_that_are_named_and_they_are_in_no_log(tmp_path: Path) -> None:
    with Line(tmp_path, *SCRIPTED, options=("--env", "TOKEN"), TOKEN="s3cr3t-value", OTHER="x") as line:
        got = line.ask("environment")["result"]["env"]
        assert got["TOKEN"] == "s3cr3t-value"
        assert "OTHER" not in got
        line.ask("stderr", 2)
        _, out, log = line.leave()
    assert out == b""
    assert "a line for the log\\x1b[31m [secret]" in log
    assert "is started by exactly: " in log
    assert "s3cr3t-value" not in log
    (launch,) = events(tmp_path, "gateway.upstream.spawned")
    assert launch.body["variables"] == ["TOKEN"]
    assert "s3cr3t-value" not in json.dumps(launch.body)


@pytest.mark.behaviour("wrap.takes-orders")
def test_an_order_holds_in_it_and_is_proven(tmp_path: Path) -> None:
    names = [("a", "agent:desk"), ("b", "agent:desk")]
    with (
        Line(tmp_path, *SCRIPTED, options=("--name", "a", "--client", "desk")) as one,
        Line(tmp_path, *SCRIPTED, options=("--name", "b", "--client", "desk")) as other,
    ):
        assert "result" in one.ask("echo")
        assert "result" in other.ask("echo")
        database = Database.at(tmp_path / "state.db")
        journal = Journal.open(tmp_path, "test")
        try:
            book = OrderBook(database, journal, SystemClock())
            order = book.issue(OrderKind.QUARANTINE_SERVER, "a", reason="r", by="operator:me", key="k")
            said = book.is_contained(order, Probe(principal="desk", server="a", name="t"))
            assert (said.is_verified, said.reason) == (True, "every live gateway refused the probe")
            assert len(said.acknowledged) == len(names)
            refused = one.ask("echo", 2)
            assert order.rule in refused["error"]["data"]["rules"]
            assert "result" in other.ask("echo", 2)
        finally:
            journal.close()
            database.close()
        shown = json.loads(command("status", "--data", str(tmp_path), "--json").stdout)
        gateways = [row for row in shown["services"] if row["service"] == "gateway"]
        assert sorted(name for row in gateways for name in row["facts"]["addresses"]) == ["a", "b"]


@pytest.mark.behaviour("custody.ended-leaves-nothing")
def test_a_wrapped_server_is_ended_by_whose_it_is_and_leaves_nothing(tmp_path: Path) -> None:
    with (
        Line(tmp_path, *SCRIPTED, options=("--name", "a", "--client", "desk")) as one,
        Line(tmp_path, *SCRIPTED, options=("--name", "b", "--client", "desk")) as other,
    ):
        assert "result" in one.ask("echo")
        assert "result" in other.ask("echo")
        database = Database.at(tmp_path / "state.db")
        try:
            custody, subject = Custodian(database, SystemClock()), Subject("principal", "desk", "a")
            live = [row for rows in custody.live(subject).answers.values() for row in rows]
            assert [(row.server, row.principal, len(row.processes)) for row in live] == [("a", "agent:desk", 1)]
            said = custody.end(subject, Asked(key="k", by="operator:me", reason="it does harm"))
            assert sum(ending.sessions for ending in said.answers.values()) == 1
            assert all(rest.is_nothing for rest in custody.rest(subject).answers.values())
            assert not is_running(live[0].processes[0])
            one.leave()
            assert "result" in other.ask("echo", 2)
        finally:
            database.close()


def test_a_revoked_client_is_not_served(tmp_path: Path) -> None:
    with Line(tmp_path, *SCRIPTED, options=("--client", "desk")) as line:
        assert "result" in line.ask("echo")
    for words in (("clients", "add", "desk"), ("clients", "revoke", "desk")):
        assert command(*words, "--data", str(tmp_path)).returncode == 0
    with Line(tmp_path, *SCRIPTED, options=("--client", "desk")) as line:
        code, out, log = line.leave()
    assert (code, out) == (77, b"")
    assert "revoked" in log


def test_what_cannot_work_is_told_on_standard_error_alone(tmp_path: Path) -> None:
    settings = tmp_path / "watchkeeper.toml"
    for words, text, code in (
        ((), "", 65),
        (("--", "no-such-program-anywhere"), "", 75),
        (("--env", "NO_SUCH_VARIABLE", "--", "true"), "", 65),
        (("--read", "relative", "--", "true"), "", 78),
        (("--client", "a b", "--", "true"), "", 65),
        (("--", "true"), '[gateway]\nallowed_commands = ["/bin/other"]\n', 77),
    ):
        settings.write_text(text)
        done = command("wrap", "--data", str(tmp_path), *words)
        assert (done.returncode, done.stdout) == (code, ""), done.stderr
        assert "error: " in done.stderr


def test_a_server_of_the_settings_is_wrapped_by_its_name(tmp_path: Path) -> None:
    lines = ["[servers.mine]", f"command = {json.dumps(SCRIPTED)}", 'env = { TOKEN = "of the settings" }']
    (tmp_path / "watchkeeper.toml").write_text("\n".join(lines))
    argv = [sys.executable, "-m", "watchkeeper", "wrap", "--data", str(tmp_path), *SHOWN, "--name", "mine"]
    message = {"jsonrpc": "2.0", "id": 1, "method": "environment"}
    done = subprocess.run(
        argv, input=json.dumps(message).encode() + b"\n", capture_output=True, env=environment(), timeout=PATIENCE
    )
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout)["result"]["env"]["TOKEN"] == "of the settings"


async def test_it_reads_from_a_file_and_writes_to_one(tmp_path: Path) -> None:
    question, answers = tmp_path / "question", tmp_path / "answers"
    question.write_text('{"jsonrpc":"2.0","id":1,"method":"echo"}\n{"jsonrpc":"2.0","id":2,"method":"echo"}')
    with question.open("rb") as source, answers.open("wb") as target:
        argv = wrapping(tmp_path / "data", *SCRIPTED)
        done = subprocess.run(argv, stdin=source, stdout=target, env=environment(), timeout=PATIENCE, check=False)
    assert done.returncode == 0
    assert [json.loads(line)["id"] for line in answers.read_text().splitlines()] == [1, 2]
    assert os.path.isdir(tmp_path / "data" / "journal")


@pytest.mark.slow
async def test_the_guides_example_works_as_it_stands(tmp_path: Path) -> None:
    page = Path(__file__).parents[2] / "docs" / "guides" / "wrap.md"
    text = page.read_text(encoding="utf-8").partition("<!-- example: wrap -->\n```json\n")[2].partition("```")[0]
    entry = json.loads(text)["mcpServers"]["time"]
    env = environment() | {
        "PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}",
        "WATCHKEEPER_DATA": str(tmp_path),
    }
    parameters = StdioServerParameters(command=entry["command"], args=entry["args"], env=env)
    async with Client(stdio_client(parameters)) as agent:
        assert "UTC" in text_of(await agent.call_tool("get_current_time", {"timezone": "UTC"}))
    assert events(tmp_path, "gateway.upstream.spawned")[0].body["command"][0] == "mcp-server-time"
