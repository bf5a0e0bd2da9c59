"""What `watchkeeper status` says beside the services: what is not known is never the same as good."""

from __future__ import annotations

import asyncio
import json
from pathlib import Path
from typing import Any

import msgspec
import pytest

from tests.app.conftest import command
from tests.app.gateway_process import gateway_process
from tests.app.mcp_server import small_server
from tests.gateway.approvals.wanted import BOUNDS, wanted
from watchkeeper.app.desk import Desk
from watchkeeper.app.overview import approvals, canary, overview, policies, verdict, waiting
from watchkeeper.app.platform import opened
from watchkeeper.app.standing import standing
from watchkeeper.core import control
from watchkeeper.core.files import socket_path
from watchkeeper.gateway.approvals.book import MOST_LISTED

NOT_LOOKED = {"outcome": "not_looked", "at": None, "detail": "no round"}
GIT = {"gateway": "7", "routes": ["git"]}


def report(outcome: str, at: int) -> dict[str, Any]:
    return {"outcome": outcome, "at": at, "detail": ""}


async def asked_of(data: Path, answers: dict[str, dict[str, Any]], gateways: list[dict[str, Any]]) -> dict[str, Any]:
    """What `canary` says while these gateways answer with these reports."""
    servers = []
    for gateway, reports in answers.items():

        async def answer(_: dict[str, Any], reports: dict[str, Any] = reports) -> dict[str, Any]:
            return reports

        path = socket_path(data, f"gateway-{gateway}")
        servers.append(await control.serve(path, {"canary.reports": answer}))
    try:
        return await asyncio.to_thread(canary, data, gateways, [])
    finally:
        for server in servers:
            server.close()


@pytest.mark.behaviour("cli.status-approvals")
async def test_the_watch_says_how_many_wait_and_the_oldest_of_them(tmp_path: Path) -> None:
    with opened(tmp_path, "watch") as platform:
        first = platform.approvals.request(wanted("b-1"), BOUNDS)
        platform.approvals.request(wanted("b-2"), BOUNDS)
        desk = Desk(platform)

        async def listed(arguments: dict[str, Any]) -> Any:
            return msgspec.to_builtins(desk.acts["approvals.list"](arguments))

        server = await control.serve(socket_path(tmp_path, "watch"), {"approvals.list": listed})
        try:
            found = await asyncio.to_thread(approvals, tmp_path, first.requested_at + 90_000_000)
        finally:
            server.close()
    assert (found["known"], found["pending"], found["more"]) == (True, 2, False)
    assert (found["oldest_at"], found["oldest_seconds"]) == (first.requested_at, 90)


@pytest.mark.behaviour("cli.status-approvals")
def test_without_a_watch_it_is_not_known_how_many_wait(tmp_path: Path) -> None:
    found = approvals(tmp_path, 0)
    assert (found["known"], found["pending"], found["why"]) == (False, None, "the watch does not run")


@pytest.mark.behaviour("cli.status-approvals")
def test_a_list_that_was_cut_off_says_nothing_of_the_oldest() -> None:
    found = waiting([{"requested_at": 5}] * MOST_LISTED, 10)
    assert (found["pending"], found["more"], found["oldest_at"]) == (MOST_LISTED, True, None)
    assert waiting([], 10)["pending"] == 0


@pytest.mark.behaviour("cli.status-canary")
async def test_a_server_that_is_missing_in_the_reports_was_not_looked_at(tmp_path: Path) -> None:
    gateways = [{"gateway": "7", "routes": ["git", "time"]}]
    found = await asked_of(tmp_path, {"7": {"git": report("same", 5)}}, gateways)
    rows = {row["server"]: (row["outcome"], row["at"]) for row in found["servers"]}
    assert rows == {"git": ("same", 5), "time": ("not_looked", None)}


@pytest.mark.behaviour("cli.status-canary")
async def test_a_gateway_that_cannot_tell_has_looked_at_nothing(tmp_path: Path) -> None:
    found = await asked_of(tmp_path, {}, [GIT])
    (row,) = found["servers"]
    assert row["outcome"] == "not_looked"
    assert "no service listens" in row["detail"]


@pytest.mark.behaviour("cli.status-canary")
async def test_a_difference_that_one_gateway_saw_is_said_whatever_the_others_saw_later(tmp_path: Path) -> None:
    answers = {"7": {"git": report("differed", 5)}, "8": {"git": report("same", 9)}}
    found = await asked_of(tmp_path, answers, [GIT, {**GIT, "gateway": "8"}])
    assert [(row["outcome"], row["at"], row["looked"], row["of"]) for row in found["servers"]] == [
        ("differed", 5, 2, 2)
    ]


@pytest.mark.behaviour("cli.status-canary")
@pytest.mark.parametrize(
    ("reports", "outcome", "looked"),
    [
        ([report("same", 5), NOT_LOOKED], "same", 1),
        ([report("same", 5), report("not_looked", 6)], "not_looked", 1),
        ([report("same", 5), report("not_looked", 5)], "not_looked", 1),
        ([report("same", 7), report("not_looked", 6)], "same", 1),
        ([report("splendid", 7)], "not_looked", 0),
        ([report("same", 0)], "not_looked", 0),
    ],
)
def test_of_several_gateways_the_newest_round_counts(reports: list[Any], outcome: str, looked: int) -> None:
    found = verdict({str(at): one for at, one in enumerate(reports)})
    assert (found["outcome"], found["looked"], found["of"]) == (outcome, looked, len(reports))


@pytest.mark.behaviour("cli.status-policies")
def test_a_gateway_that_lives_and_does_not_tell_its_policies_is_named(tmp_path: Path) -> None:
    found = policies(tmp_path, ["7"], [])
    assert (found["known"], found["alike"], found["why"]) == (False, None, "it did not tell")
    assert policies(tmp_path, [], [])["why"] == "no gateway runs"


@pytest.mark.behaviour("cli.status-policies")
@pytest.mark.behaviour("cli.status-canary")
def test_where_nothing_runs_nothing_is_known(tmp_path: Path) -> None:
    found = overview(tmp_path, standing(tmp_path), 0)
    assert {name: part["known"] for name, part in found.items()} == dict.fromkeys(
        ["approvals", "policies", "canary", "sinks", "integrations", "anchors", "capture", "deadman"], False
    ) | {"intelligence": True}  # its sources stand in a file; there are none


@pytest.mark.timeout(180)
@pytest.mark.behaviour("cli.status-policies")
@pytest.mark.behaviour("cli.status-canary")
def test_a_real_gateway_says_what_is_in_force_and_that_it_has_not_looked(tmp_path: Path) -> None:
    data, mine = tmp_path / "data", tmp_path / "mine"
    data.mkdir(mode=0o700)
    mine.mkdir()
    (mine / "mine.cedar").write_text(
        '@id("mine.try") @mode("shadow") @reason("No.") forbid (principal, action == Action::"call_tool", resource);'
    )
    with small_server() as server:
        (data / "watchkeeper.toml").write_text(
            f'[gateway]\nport = 0\n[servers.srv]\nurl = "{server.url}"\n'
            f'[policy]\npacks = ["level-3"]\nfolders = ["{mine}"]\n'
        )
        with gateway_process(tmp_path, "--data", str(data)) as running:
            running.ready  # noqa: B018 — waits until it serves
            done = command("status", "--data", str(data), "--json")
            text = command("status", "--data", str(data)).stdout
    told = json.loads(done.stdout)
    (row,) = told["policies"]["gateways"]
    assert done.returncode == 1, "watch and console are stopped"
    assert (row["packs"], row["shadow"]) == (["redaction", "level-2", "flow", "level-3"], 1)
    assert told["policies"]["alike"] is True
    assert [(one["server"], one["outcome"], one["at"]) for one in told["canary"]["servers"]] == [
        ("srv", "not_looked", None)
    ]
    assert told["approvals"]["known"] is False
    assert f"set {row['policies'][:12]}, {row['count']} policies, 1 in shadow; packs: redaction, level-2, flow" in text
    assert "srv not looked at" in text
    assert "approvals not known: the watch does not run" in text
