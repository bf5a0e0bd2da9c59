"""Integrations from the settings on: what is refused, what a person has them do, and a watch that reaches out."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from tests.app.conftest import FREE, Running, command
from tests.respond.integrations.servers import Post, elsewhere, mail_server
from tests.respond.integrations.test_pager import EventsApi
from tests.respond.integrations.test_repository import Clone
from tests.respond.integrations.tracker import Tracker
from watchkeeper.cli import main
from watchkeeper.events import JournalReader

CHAT = '[respond.integrations.ops]\ntype = "chat"\nstyle = "slack"\nurl = "{url}"\nnotify = "low"\n'


@pytest.fixture
def data(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    for name, value in {"KEY": "routing-key-1", "TOKEN": "t0k3n"}.items():
        monkeypatch.setenv(name, value)
    monkeypatch.delenv("WATCHKEEPER_DATA", raising=False)
    monkeypatch.delenv("WATCHKEEPER_CONFIG", raising=False)
    return tmp_path


def settings(data: Path, *hosts: str, text: str) -> None:
    allowed = json.dumps([f"http://{host}" for host in hosts])
    (data / "watchkeeper.toml").write_text(f"[fetch]\nallow_hosts = {allowed}\n{text}")


def run(data: Path, *words: str) -> Result:
    result = CliRunner().invoke(main, [*words, "--data", str(data)])
    assert result.exception is None or isinstance(result.exception, SystemExit), result.exception
    return result


@pytest.mark.behaviour("integrations.tested")
def test_every_kind_is_really_tried_and_ends_what_it_made(data: Path) -> None:
    api, tracker, post, clone = EventsApi(), Tracker(), Post(), Clone(data / "clone")
    tip = clone.commit("one", config="a\n")
    with (
        elsewhere(lambda _: (200, b"ok")) as chat,
        elsewhere(api) as pager,
        elsewhere(tracker) as tickets,
        mail_server(post) as address,
    ):
        text = CHAT.format(url=chat.url)
        text += '[respond.integrations.duty]\ntype = "pager"\nstyle = "pagerduty"\n'
        text += f'url = "{pager.url}"\nsecret = "env:KEY"\n'
        text += f'[respond.integrations.tracker]\ntype = "ticket"\nurl = "{tickets.url}/tickets"\n'
        text += 'authorization = "Bearer env:TOKEN"\n'
        text += f'[respond.integrations.post]\ntype = "mail"\naddress = "{address}"\nsecurity = "none"\n'
        text += 'sender = "w@example.org"\nrecipients = ["soc@example.org"]\n'
        text += f'[respond.integrations.config]\ntype = "git"\nrepository = "{clone.folder}"\n'
        settings(data, chat.host, pager.host, tickets.host, address, text=text)
        for name, verified, reference in (
            ("ops", None, ""), ("duty", None, "watchkeeper-"), ("tracker", True, "OPS-41"), ("post", None, "4XyZ123"),
            ("config", True, tip),
        ):  # fmt: skip
            tried = run(data, "integrations", "test", name, "--json")
            found = json.loads(tried.stdout)
            assert (tried.exit_code, found["taken"], found["verified"]) == (0, True, verified), found
            assert found["reference"].startswith(reference)
    assert (len(chat.got), len(post.got)) == (1, 1)
    assert list(api.pages.values()) == ["resolved"]
    assert [ticket["status"] for ticket in tracker.tickets.values()] == ["closed"]
    assert clone.git("for-each-ref", "--format=%(refname)") == "refs/heads/main"


@pytest.mark.behaviour("integrations.tested")
def test_what_is_not_taken_is_said_with_what_to_do(data: Path) -> None:
    with elsewhere(lambda _: (200, b"<html>")) as chat:
        settings(data, chat.host, text=CHAT.format(url=chat.url))
        told = run(data, "integrations", "test", "ops")
    assert told.exit_code == 75
    assert "ops: NOT taken" in told.stdout
    assert "not what slack answers" in told.stdout
    gone = run(data, "integrations", "test", "ops")
    assert (gone.exit_code, "cannot be reached" in gone.stdout) == (75, True)
    assert run(data, "integrations", "test", "nobody").exit_code == 66
    assert run(data, "integrations", "retry", "ops").exit_code != 0


def test_without_an_integration_the_list_says_what_would_make_one(data: Path) -> None:
    told = run(data, "integrations", "list")
    assert (told.exit_code, "[respond.integrations.NAME]" in told.stdout) == (0, True)
    settings(data, text=CHAT.format(url="https://chat.example/x"))
    (row,) = json.loads(run(data, "integrations", "list", "--json").stdout)
    assert (row["name"], row["state"], row["waiting"]) == ("ops", "stopped", 0)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ('[respond.integrations.x]\ntype = "telex"\n', "respond.integrations.x.type: there is no 'telex'"),
        ('[respond.integrations.Console]\ntype = "chat"\n', "a name has lower-case letters"),
        ('[respond.integrations.console]\ntype = "chat"\n', "is not console"),
        (CHAT.format(url="http://chat.example/x"), "is not https"),
        (CHAT.format(url="https://chat.example/x") + 'secret = "hunter2"\n', "a secret is written by reference"),
        (
            '[respond.integrations.x]\ntype = "pager"\nstyle = "pagerduty"\nsecret = "env:KEY"\nnotify = "high"\n',
            "shows nobody a text",
        ),
    ],
)
def test_settings_that_cannot_work_are_refused_by_name(data: Path, text: str, said: str) -> None:
    settings(data, text=text)
    told = run(data, "config", "check")
    assert told.exit_code == 78
    assert said in told.output
    assert "hunter2" not in told.output


@pytest.mark.slow
@pytest.mark.behaviour("integrations.tested")
def test_a_running_watch_reaches_out_and_says_how_that_goes(data: Path) -> None:
    with elsewhere(lambda _: (200, b"ok")) as chat:
        section = f'[fetch]\nallow_hosts = ["http://{chat.host}"]\n' + CHAT.format(url=chat.url)
        running = Running(data, settings=FREE + section)
        where = ("--data", str(running.data))
        try:
            running.until("Ctrl-C drains")
            tried = json.loads(command("integrations", "test", "ops", *where, "--json").stdout)
            assert tried["taken"], tried
            assert "  reaching  ops well: " in command("status", *where).stdout
            (row,) = json.loads(command("integrations", "list", *where, "--json").stdout)
            assert (row["state"], row["aside"]) == ("well", 0)
            assert command("integrations", "retry", "ops", *where).stdout == "ops: nothing lay aside\n"
        finally:
            running.stop()
    assert len(chat.got) == 1
    events = [record.event for record in JournalReader(running.data).read({}) if record.event is not None]
    (tested,) = [event for event in events if event.body.get("said") == tried["said"]]
    assert (tested.kind, tested.target, tested.outcome) == ("respond.integration.tested", "integration:ops", "success")
    assert tested.actor.startswith("operator:")
