"""The values behind placeholders with several workers, as real processes, and some of them killed."""

from __future__ import annotations

import os
import signal
import sys
import threading
import time
from pathlib import Path

import pytest

from tests.app.conftest import command
from tests.app.gateway_process import Client, gateway_process, until
from tests.app.mcp_server import small_server
from tests.app.test_workers import House, children, house
from watchkeeper.app.platform import opened
from watchkeeper.gateway.redaction.placeholders import PATTERN
from watchkeeper.gateway.redaction.values import ValueRow

pytestmark = [
    pytest.mark.timeout(180),
    pytest.mark.skipif(sys.platform != "linux", reason="only Linux shares a port out among processes"),
]


def redacting(folder: Path) -> Path:
    data = folder / "data"
    data.mkdir(mode=0o700)
    (data / "watchkeeper.toml").write_text('[policy]\npacks = ["redaction"]\n')
    return folder


def say(client: Client, text: str) -> str:
    """What the agent reads when the server says this."""
    answer = client.ask("tools/call", name="echo", arguments={"say": text})
    assert answer.status == 200, answer.body
    return answer.text


def hidden(client: Client, text: str) -> str:
    token = say(client, text)
    assert PATTERN.fullmatch(token), token
    return token


def arrives(one: House, client: Client, token: str) -> str:
    """What the server gets when the agent sends this."""
    say(client, token)
    return str(one.server.got[-1]["params"]["arguments"]["say"])


@pytest.mark.behaviour("redaction.restored-elsewhere")
@pytest.mark.behaviour("redaction.kept-before-it-leaves")
def test_another_worker_restores_at_once_and_one_that_was_killed_takes_nothing_along(tmp_path: Path) -> None:
    with house(redacting(tmp_path)) as one:
        first, second = one.at(1)[0], one.at(2)[0]
        for number in range(40):  # nothing lies between the answer of the one and the request to the other
            token = hidden(first, f"{number}@lakes.test")
            assert arrives(one, second, token) == f"{number}@lakes.test"
        victim = one.pid_of(1)
        token = hidden(first, "last@lakes.test")
        os.kill(victim, signal.SIGKILL)
        assert arrives(one, second, token) == "last@lakes.test"
        until(lambda: victim not in one.pids() and len(one.pids()) == 2)
        assert arrives(one, one.at(1)[0], token) == "last@lakes.test"


@pytest.mark.behaviour("redaction.kept-before-it-leaves")
def test_killed_in_the_middle_of_many_answers_no_placeholder_that_left_is_lost(tmp_path: Path) -> None:
    with small_server() as server:
        front = ("--upstream", server.url, "--name", "srv", "--listen", "127.0.0.1:0", "--workers", "2")
        seen: dict[str, str] = {}
        with gateway_process(redacting(tmp_path), *front) as running:
            enough = threading.Event()

            def agent(number: int) -> None:
                client = running.client()
                try:
                    for turn in range(10_000):
                        text = f"{number}.{turn}@lakes.test"
                        seen[hidden(client, text)] = text
                        if len(seen) > 60:
                            enough.set()
                except (OSError, AssertionError, ValueError):
                    return  # it was killed

            agents = [threading.Thread(target=agent, args=(number,)) for number in range(4)]
            for one in agents:
                one.start()
            assert enough.wait(60)
            for pid in children(running.process.pid):
                os.kill(pid, signal.SIGKILL)
            for one in agents:
                one.join(60)
            until(lambda: len(children(running.process.pid)) == 2, within=30)
            client = running.client()
            for token, text in seen.items():
                say(client, token)
                assert server.got[-1]["params"]["arguments"]["say"] == text
            client.close()
    assert command("journal", "verify", str(running.data)).returncode == 0


@pytest.mark.behaviour("redaction.restored-elsewhere")
@pytest.mark.behaviour("redaction.forgotten-everywhere")
def test_a_restarted_gateway_restores_until_the_principal_is_erased(tmp_path: Path) -> None:
    redacting(tmp_path)
    with small_server() as server:
        front = ("--upstream", server.url, "--name", "srv", "--listen", "127.0.0.1:0", "--workers", "2")
        with gateway_process(tmp_path, *front) as running:
            client = running.client()
            token = hidden(client, "ada@lakes.test")
            client.close()
        with gateway_process(tmp_path, *front) as running:
            client = running.client()
            say(client, token)
            assert server.got[-1]["params"]["arguments"]["say"] == "ada@lakes.test"
            with opened(running.data, "tester") as platform:
                platform.journal.erase("agent:my-agent", by="operator:olga")
                with platform.database.read() as session:
                    assert list(session.query(ValueRow).where(ValueRow.name != "")) == []
            # the server repeats what it gets, and what it says is a new value: looking often would keep it alive
            until(lambda: time.sleep(0.7) or "is not kept any more" in say(client, token))
            assert b"ada@lakes.test" not in b"".join(p.read_bytes() for p in running.data.glob("state.db*"))
            client.close()


@pytest.mark.behaviour("redaction.forgotten-everywhere")
def test_a_revoked_clients_values_are_gone(tmp_path: Path) -> None:
    with house(redacting(tmp_path)) as one:
        hidden(one.client(), "ada@lakes.test")
        data = str(one.running.data)
        assert command("clients", "revoke", "my-agent", "--data", data).returncode == 0
        with opened(one.running.data, "tester") as platform, platform.database.read() as session:
            assert list(session.query(ValueRow).where(ValueRow.name != "")) == []
