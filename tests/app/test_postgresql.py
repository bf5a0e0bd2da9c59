"""`watchkeeper up`, and gateways beside watches, with the control state on a real PostgreSQL server: attacked, killed,
and left alone by it."""

from __future__ import annotations

import json
import os
import signal
from collections import Counter
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from tests.app.conftest import FREE, Running, command
from tests.app.gateway_process import Client, until
from tests.app.test_up import token_of
from tests.app.test_workers import children, house, open_logs
from tests.postgres import fresh_database, server, stopped
from tests.respond.conftest import CLOCK, Estate
from tests.respond.lives import Life
from tests.respond.playbooks import hold_and_ask
from tests.respond.test_full_disk import approve
from watchkeeper.app.administration import WATCH
from watchkeeper.core.state import NOTE, STATE
from watchkeeper.operators import Roster
from watchkeeper.policy.persons import PersonRules
from watchkeeper.respond import IncidentState, RespondSettings
from watchkeeper.respond.gates.people import Electorate

pytestmark = [pytest.mark.slow, pytest.mark.timeout(600)]
NOW = {"name": "get_current_time", "arguments": {"timezone": "UTC"}}


@pytest.fixture
def own() -> Iterator[Any]:
    """A server that a test may stop."""
    with server() as running:
        yield running


def asked(data: Path, *words: str) -> Any:
    done = command(*words, "--data", str(data), "--json")
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


def gateways(data: Path) -> str:
    return str(asked_anyhow(data)["services"][0]["state"])


def asked_anyhow(data: Path) -> Any:
    return json.loads(command("status", "--data", str(data), "--json").stdout)


def is_refused(client: Client, session: str) -> bool:
    answer = client.ask("tools/call", session, **NOW)
    return answer.status >= 400 or bool(answer.json["result"].get("isError"))


@pytest.mark.behaviour("state.on-a-server")
@pytest.mark.behaviour("state.away-and-back")
def test_the_demo_passes_a_killed_watch_goes_on_and_an_absent_server_lifts_nothing(tmp_path: Path, own: Any) -> None:
    url = fresh_database(own)
    running = Running(tmp_path, "--demo", settings=f'{FREE}[state]\nurl = "{url}"\n')
    data = running.data
    try:
        running.until("Ctrl-C drains", within=200)
        assert "All of it was seen." in running.printed
        assert not (data / STATE).exists()
        assert (data / NOTE).is_file()
        (incident,) = asked(data, "incidents", "list")
        assert incident["state"] == "contained"
        until(lambda: "" not in _outcomes(data), within=60)
        runs = asked(data, "playbooks", "runs")
        assert {one["outcome"] for one in runs} == {"success"}

        os.kill(_watch(running), signal.SIGKILL)
        running.until("watch had died", within=60)
        until(lambda: {one["state"] for one in asked_anyhow(data)["services"]} == {"running"}, within=60)
        assert asked(data, "playbooks", "runs") == runs

        time = running.clients()["time"]
        client = Client(str(time["url"]), token_of(time))
        session = client.initialize()
        assert not is_refused(client, session)
        asked(data, "quarantine", "add", "quarantine_principal", "my-agent", "--reason", "a try")
        orders = asked(data, "quarantine", "list")
        assert "agent:my-agent" in {one["target"] for one in orders}
        with stopped(own):
            until(lambda: gateways(data) == "in trouble", within=60)
            assert is_refused(client, session)
            lost = command("quarantine", "list", "--data", str(data))
            assert lost.returncode != 0
            assert "state.url" in lost.stderr
            os.kill(_watch(running), signal.SIGKILL)
            running.until("watch had died and cannot start yet", within=60)
            assert is_refused(client, session)
        until(lambda: {one["state"] for one in asked_anyhow(data)["services"]} == {"running"}, within=60)
        assert asked(data, "quarantine", "list") == orders
        assert is_refused(client, session)
        client.close()
    finally:
        code = running.stop()
    assert code == 0
    assert command("journal", "verify", str(data)).returncode == 0
    looked = command("privacy", "verify", "agent:my-agent", "--data", str(data), "--json")
    assert "control state: on a server" in looked.stdout


def _outcomes(data: Path) -> list[str]:
    """How the runs ended; empty of one that goes on, behind what is contained already."""
    return [one["outcome"] for one in asked(data, "playbooks", "runs")]


def _watch(running: Running) -> int:
    """The one that is at work: a spare that took its place is called so still."""
    return next(child for child in children(running.process.pid) if WATCH in open_logs(child))


@pytest.mark.behaviour("state.two-gateways-two-watches")
def test_of_two_watches_one_goes_on_for_the_other_and_both_gateways_have_every_order_once(
    tmp_path: Path, postgres: Any, template: str
) -> None:
    url = fresh_database(postgres, template)
    (tmp_path / "data").mkdir(mode=0o700)
    (tmp_path / "data" / "watchkeeper.toml").write_text(f'[state]\nurl = "{url}"\n')
    (tmp_path / "held.yaml").write_text(hold_and_ask(server="srv", tool="echo"))
    with house(tmp_path) as gateways, closing(Estate(tmp_path / "data", url)) as estate:
        sessions = [gateways.at(1), gateways.at(2)]
        assert not any(is_barred(client, session) for client, session in sessions)
        estate.raise_alert(rule="room", server="srv", target="echo", principal="agent:desk")
        with (
            Life(estate, "hold recorded", writer="watch-a", playbooks=tmp_path, silence=30) as first,
            Life(estate, writer="watch-b", playbooks=tmp_path, silence=30, wait=True) as second,
        ):
            first.said("held")
            second.go()
            second.said("looking")
            assert first.ended()[0] == -signal.SIGKILL
            electorate = Electorate(PersonRules(), Roster(estate.database, estate.journal, CLOCK))
            persons = estate.service(settings=RespondSettings(playbooks=str(tmp_path)), electorate=electorate)
            estate.until(lambda: bool(persons.runs.gates.waiting()))
            approve(persons)
            assert second.ended() == (0, "")
        assert all(is_barred(client, session) for client, session in sessions)
        orders = Counter((one.kind.value, one.target) for one in estate.orders.all())
        assert orders == {("hold_tool", "srv/echo"): 1, ("quarantine_principal", "agent:desk"): 1}
        facts = estate.events("respond.", "gateway.order.")
        assert max(Counter(one.id for one in facts).values()) == 1
        kinds = Counter(one.kind for one in facts)
        assert kinds["respond.step.completed"] == kinds["respond.containment.verified"] == 2
        (incident,) = persons.incidents.list()
        assert incident.state is IncidentState.CONTAINED, incident.advice


def is_barred(client: Client, session: str) -> bool:
    """Whether this gateway keeps a client from calling the tool."""
    answer = client.call("echo", session)
    return answer.status >= 400 or "error" in answer.json or bool(answer.json["result"].get("isError"))
