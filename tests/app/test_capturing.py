"""The capture policy of a gateway that runs: what its events keep, and how another policy takes its place."""

from __future__ import annotations

import json
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from tests.app.conftest import command
from tests.app.gateway_process import GatewayProcess, gateway_process, until
from tests.app.mcp_server import small_server
from watchkeeper.events import Event, JournalReader
from watchkeeper.events.lake.reader import LakeReader
from watchkeeper.events.lake.search import Search
from watchkeeper.events.model import encode
from watchkeeper.gateway.capture.settings import CLASSES

pytestmark = [pytest.mark.timeout(180), pytest.mark.slow]
TOKEN = "ghp" + "_k3Jx9QmT2vLp7RwZ4nYc8BdF1hGs6Ua5Ke0T"
MAIL = "jane.roe@corp-mail.io"


def recorded(data: Path) -> list[Event]:
    return [one.event for one in JournalReader(data).read({}, limit=10_000) if one.event]


def calls(data: Path) -> list[dict[str, Any]]:
    return [event.body for event in recorded(data) if event.body.get("method") == "tools/call"]


def say(running: GatewayProcess, text: str, **more: Any) -> dict[str, Any]:
    """Have it echoed; what was recorded of the call."""
    before = len(calls(running.data))
    client = running.client()
    with closing(client):
        answer = client.ask("tools/call", client.initialize(), name="echo", arguments={"say": text, **more})
    assert answer.status == 200, answer.body
    until(lambda: len(calls(running.data)) > before)
    return calls(running.data)[-1]


@pytest.mark.behaviour("capture.reload")
@pytest.mark.behaviour("capture.left-out-is-said")
def test_another_policy_takes_effect_with_a_reload_and_full_is_told(tmp_path: Path) -> None:
    data = tmp_path / "data"
    data.mkdir(mode=0o700)
    file = data / "watchkeeper.toml"
    with small_server() as server:
        estate = f'[gateway]\nport = 0\n[servers.srv]\nurl = "{server.url}"\n'
        file.write_text(estate)
        with gateway_process(tmp_path, "--data", str(data)) as running:
            cut = say(running, "x" * 3000)["capture"]
            assert cut["arguments"]["mode"] == cut["result"]["mode"] == "redacted"
            assert 0 < cut["arguments"]["kept"] <= 512 < 3000 < cut["arguments"]["of"]

            own = 'arguments = "metadata"\nresults = "full"\nclaims = "metadata"'
            file.write_text(f"{estate}[servers.srv.capture]\n{own}\n")
            told = json.loads(command("reload", "--data", str(data), "--json").stdout)
            assert told["changed"] == ["servers.srv"]
            body = say(running, f"{MAIL} " * 200)
            assert "arguments" not in body
            left_out = body["capture"]["arguments"]
            assert (left_out["mode"], left_out["kept"]) == ("metadata", 0)
            assert left_out["of"] > len(MAIL) * 200
            assert body["result"].count(MAIL) == 200
            (widened,) = [event for event in recorded(data) if event.kind == "admin.capture.widened"]
            assert widened.body == {"full": {"srv": ["results"]}}
            assert [event.claimed for event in recorded(data) if event.body.get("method") == "tools/call"][-1] == ""
            status = json.loads(command("status", "--data", str(data), "--json").stdout)
            assert status["capture"]["full"] == ["srv"]
            assert status["capture"]["servers"]["srv"]["arguments"] == "metadata"
            shown = command("config", "capture", "--data", str(data))
            assert "In full, secrets apart: srv" in shown.stderr

            file.write_text(estate + '[capture]\nlook_for_personal = true\n[servers.srv.capture]\nresults = "full"\n')
            assert json.loads(command("reload", "--data", str(data), "--json").stdout)["changed"]
            body = say(running, MAIL)
            assert MAIL not in body["arguments"]
            assert MAIL in body["result"]


@pytest.mark.behaviour("capture.never-secrets")
def test_a_secret_in_any_part_of_a_call_is_in_neither_journal_nor_lake_nor_search(tmp_path: Path) -> None:
    data = tmp_path / "data"
    data.mkdir(mode=0o700)
    everything = "\n".join(f'{name} = "full"' for name in CLASSES)
    with small_server() as server:
        file = data / "watchkeeper.toml"
        file.write_text(
            f'[gateway]\nport = 0\n[servers.srv]\nurl = "{server.url}"\nshadow = true\n[capture]\n{everything}\n'
        )
        with gateway_process(tmp_path, "--data", str(data)) as running:
            say(running, TOKEN, nested=[{"a": json.dumps({"token": TOKEN})}], **{TOKEN: 1})
            client = running.client()
            session = client.initialize()
            client.ask("tools/call", session, name=TOKEN, arguments={})
            client.ask("resources/read", session, uri=f"https://h/{TOKEN}?a=1")
            client.ask(f"made/{TOKEN}", session)
            for method, params in (("ping", {}), ("initialize", {"clientInfo": {"name": TOKEN, "version": TOKEN}})):
                message = {"jsonrpc": "2.0", "id": TOKEN, "method": method, "params": params}
                client.send("POST", json.dumps(message).encode(), session).read()
            client.send("POST", f'{{"jsonrpc":"{TOKEN}"'.encode(), session).read()
            client.send("POST", b"{}", TOKEN).read()
            client.close()
    kept = [one.record for one in JournalReader(data).read({}, limit=10_000)]
    assert sum(b"srv" in record for record in kept) > 8
    assert [record for record in kept if TOKEN.encode() in record] == []
    with LakeReader(data) as lake:
        lake.fill()
    rows = Search(data).events(unbounded=True, limit=1000)
    assert len(rows) == len(kept)
    assert [event.kind for event in rows if TOKEN.encode() in encode(event)] == []
    assert len(Search(data).events(unbounded=True, text=TOKEN)) == 0
