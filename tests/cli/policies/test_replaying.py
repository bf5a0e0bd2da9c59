"""`policy explain EVENT` and `policy replay`, on what a real gateway recorded."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest
from click.testing import Result

from tests.app.gateway_process import gateway_process
from tests.app.mcp_server import small_server

Command = Callable[..., Result]
OWN = '@id("own.quiet") @reason("r") forbid (principal, action == Action::"call_tool", resource) when {{ {} }};'


@pytest.mark.behaviour("policy.replay")
@pytest.mark.behaviour("policy.explain")
def test_what_a_gateway_decided_can_be_explained_and_decided_again(run: Command, tmp_path: Path) -> None:
    own = tmp_path / "own"
    own.mkdir()
    policy = own / "own.cedar"
    with (
        small_server() as server,
        gateway_process(tmp_path, "--upstream", server.url, "--name", "small", "--listen", "127.0.0.1:0") as running,
    ):
        client = running.client()
        client.ask("tools/list")
        client.call()
        client.close()
        data = running.data
    policy.write_text(OWN.format("true"))
    result = run("policy", "replay", "--policies", own, "--data", data, "--json", "--fail-on", "newly-denied")
    told = json.loads(result.stdout)
    assert (result.exit_code, told["changes"], told["newly_denied"]) == (1, {"allow → deny": 1}, 1)
    assert told["inconclusive"] == 0
    assert told["unchanged"] >= 1
    (event,) = told["examples"]["allow → deny"]
    shown = run("policy", "explain", event, "--data", data, "--policies", own).stdout
    assert "recorded: allow by starter.allow-known-agents" in shown
    assert "deny by own.quiet" in shown
    assert "what would change it: without own.quiet: allow" in shown
    assert "allow → deny: 1" in run("policy", "replay", "--policies", own, "--data", data).stdout
    same = run("policy", "replay", "--data", data, "--fail-on", "newly-denied", "--fail-on", "newly-allowed")
    assert (same.exit_code, "changed 0" in same.stdout) == (0, True)
    policy.write_text(OWN.format("!(context.arguments has text)"))
    with_arguments = json.loads(run("policy", "replay", "--policies", own, "--data", data, "--json").stdout)
    assert with_arguments["changes"] == {"allow → deny": 1}  # the tool's definition and its arguments were kept


def test_nothing_recorded_is_said(run: Command, empty: Path) -> None:
    assert "nothing can be said" in run("policy", "replay", "--data", empty).stdout
