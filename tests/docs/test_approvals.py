"""The guide to approvals does what it says: its policy asks, and its commands decide."""

from __future__ import annotations

import re
import shlex
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from tests.app.conftest import command
from tests.app.gateway_process import gateway_process, until
from tests.app.mcp_server import small_server

PAGE = Path(__file__).resolve().parents[2] / "docs" / "guides" / "approvals.md"
POLICIES = "/etc/watchkeeper/policies"


def blocks(language: str) -> list[str]:
    return re.findall(rf"^```{language}\n(.*?)^```", PAGE.read_text(encoding="utf-8"), re.MULTILINE | re.DOTALL)


@pytest.mark.behaviour("approvals.cli")
def test_the_policy_of_the_page_holds_a_call_and_its_commands_let_it_pass(tmp_path: Path) -> None:
    (policy,), (settings,) = blocks("cedar"), blocks("toml")
    (tmp_path / "ask.cedar").write_text(policy)
    config = tmp_path / "watchkeeper.toml"
    assert "wait_seconds = 20\n" in settings
    settings = settings.replace("= 20\n", "= 55\n")  # three commands, each a process, on a machine that is busy
    config.write_text(settings.replace(POLICIES, str(tmp_path)) + "[gateway]\nport = 0\n")
    words = [shlex.split(line.removeprefix("$ ")) for block in blocks("console") for line in block.splitlines()]
    listing, _, show, approve, deny = (line[1:] for line in words)
    with (
        small_server() as server,
        gateway_process(tmp_path, "--upstream", server.url, "--name", "small", "--config", str(config)) as running,
        ThreadPoolExecutor(1) as pool,
    ):
        data, client = ("--data", str(running.data)), running.client()
        held = pool.submit(client.call)
        found: list[str] = []
        until(lambda: bool(found) or found.extend(re.findall(r"ask-[0-9a-f]{10}", command(*listing, *data).stdout)))
        (name,) = found
        shown = command(*(word.replace("ask-0123456789", name) for word in show), *data).stdout
        assert "mine.ask-before-echo" in shown
        assert "A person decides about every echo." in shown
        assert command(*(word.replace("ask-0123456789", name) for word in approve), *data).returncode == 0
        assert held.result(60).json["result"].get("isError") is None
        over = command(*(word.replace("ask-0123456789", name) for word in deny), *data)
        assert over.returncode == 73
        assert server.methods().count("tools/call") == 1
        client.close()
