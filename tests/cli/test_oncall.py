"""`watchkeeper oncall` on a folder where no service runs: who is on call, taking on, standing in, quiet, handover."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tests.cli.conftest import Command
from tests.respond.webhooks.conftest import SECRET, another_system
from watchkeeper.app.platform import opened
from watchkeeper.core.ids import derived_id
from watchkeeper.events import JournalReader, Severity
from watchkeeper.events.model import VERSION, Event
from watchkeeper.respond.ledger import Ledger
from watchkeeper.respond.oncall.book import OncallBook
from watchkeeper.respond.oncall.model import Plan

SETTINGS = """
[respond.oncall]
levels = [{ page = ["rota:primary"] }, { page = ["person:bob"], after_minutes = 5 }]

[respond.oncall.channels.pager]
url = "https://pager.example/in"
secret = "env:PAGER_SECRET"

[respond.oncall.people.ann]
channels = ["pager"]

[respond.oncall.people.bob]
channels = ["pager"]

[respond.oncall.rotas.primary]
zone = "Europe/Berlin"
layers = [{ people = ["ann", "bob"], handover = "mon 09:00" }]
"""


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    folder = tmp_path / "data"
    with opened(folder, "watch") as platform:
        ledger = Ledger(platform.database, platform.journal, JournalReader(folder))
        book = OncallBook(platform.database, ledger, platform.clock, Plan())
        event = Event(
            v=VERSION,
            id=derived_id("opened"),
            time=platform.clock.now(),
            kind="respond.incident.opened",
            actor="system:respond",
            target="incident-1",
            severity=Severity.HIGH,
            body={"number": "INC-2026-0001", "title": "a tool changed", "state": "open"},
        )
        book.hear(event, {"watch": 1})
    (folder / "watchkeeper.toml").write_text(SETTINGS, encoding="utf-8")
    return folder


def test_without_a_rota_it_is_said_what_would_make_one(run: Command, empty: Path) -> None:
    told = run("oncall", "show", "--data", empty)
    assert (told.exit_code, "docs/guides/on-call.md" in told.output) == (0, True)
    assert "No shift has ended yet" in run("oncall", "handover", "--data", empty).output
    assert "settings name nobody" in run("oncall", "handover", "--now", "--data", empty).output
    assert run("oncall", "ack", "INC-2026-0009", "--data", empty).exit_code == 66


def test_who_is_on_call_and_who_has_an_incident(run: Command, folder: Path) -> None:
    shown = run("oncall", "show", "--data", folder).output
    assert "primary: ann (layer 1)" in shown or "primary: bob (layer 1)" in shown
    assert "INC-2026-0001  high      NOBODY" in shown
    taken = run("oncall", "ack", "INC-2026-0001", "--data", folder)
    assert (taken.exit_code, "is taken by operator:" in taken.output) == (0, True)
    again = run("oncall", "ack", "INC-2026-0001", "--data", folder, "--json")
    assert json.loads(again.output)["is_new"] is False
    shifts = json.loads(run("oncall", "rota", "primary", "--days", "21", "--data", folder, "--json").output)
    assert {"ann", "bob"} == {one["person"] for one in shifts}
    assert run("oncall", "rota", "other", "--data", folder).exit_code == 66


def test_somebody_stands_in_and_asks_for_quiet(run: Command, folder: Path) -> None:
    made = run("oncall", "override", "primary", "bob", "--for", "1d", "--reason", "swap", "--data", folder, "--json")
    assert made.exit_code == 0, made.output
    shown = run("oncall", "show", "--data", folder).output
    assert "primary: bob (override)" in shown
    ended = run("oncall", "override", "--end", json.loads(made.output)["id"], "--data", folder)
    assert (ended.exit_code, "bob stands in on primary" in ended.output) == (0, True)
    assert "asked for quiet" not in run("oncall", "show", "--data", folder).output
    assert run("oncall", "quiet", "ann", "--for", "2h", "--reason", "a dentist", "--data", folder).exit_code == 0
    assert "ann asked for quiet until" in run("oncall", "show", "--data", folder).output
    assert "as usual" in run("oncall", "quiet", "ann", "--end", "--data", folder).output
    for words in (("override", "primary", "ann"), ("quiet", "ann"), ("quiet", "ann", "--for", "soon")):
        assert run("oncall", *words, "--data", folder).exit_code == 65
    assert run("oncall", "override", "primary", "eve", "--for", "1d", "--data", folder).exit_code == 66


@pytest.mark.behaviour("oncall.acknowledged")
def test_a_token_acts_within_its_owners_role_and_its_scopes(run: Command, folder: Path, tmp_path: Path) -> None:
    def token(name: str, role: str, *scopes: str) -> Path:
        run("operators", "invite", name, "--role", role, "--data", folder)
        words = [word for scope in scopes for word in ("--scope", scope)]
        made = run("operators", "token", name, *words, "--json", "--data", folder)
        path = tmp_path / f"{name}.token"
        path.write_text(json.loads(made.output)["token"], encoding="utf-8")
        path.chmod(0o600)
        return path

    viewer = token("vic", "viewer", "oncall:acknowledge")
    reader = token("rob", "admin", "oncall:read")
    ann = token("ann", "analyst", "oncall:acknowledge")
    for refused in (viewer, reader):
        told = run("oncall", "ack", "INC-2026-0001", "--token-file", refused, "--data", folder)
        assert told.exit_code == 77, told.output
    assert run("oncall", "show", "--token-file", reader, "--data", folder).exit_code == 0
    taken = run("oncall", "ack", "INC-2026-0001", "--token-file", ann, "--data", folder)
    assert "taken by operator:ann" in taken.output
    assert run("oncall", "quiet", "bob", "--for", "1h", "--token-file", ann, "--data", folder).exit_code == 77
    assert run("oncall", "quiet", "ann", "--for", "1h", "--token-file", ann, "--data", folder).exit_code == 0
    words = ("override", "primary", "bob", "--for", "1d")
    assert run("oncall", *words, "--token-file", ann, "--data", folder).exit_code == 77


@pytest.mark.behaviour("oncall.tested")
def test_where_nobody_is_on_call_the_test_says_so_and_where_to_begin(run: Command, folder: Path) -> None:
    (folder / "watchkeeper.toml").write_text("", encoding="utf-8")
    told = run("oncall", "test", "--data", folder)
    assert told.exit_code == 66
    assert "name nobody on call" in told.output
    assert "on-call.md" in told.output


@pytest.mark.behaviour("oncall.tested")
def test_everybody_is_called_for_a_test_and_who_does_not_take_it_is_told(
    run: Command, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with another_system() as pager:
        settings = SETTINGS.replace("https://pager.example/in", pager.url)
        (folder / "watchkeeper.toml").write_text(settings, encoding="utf-8")
        monkeypatch.delenv("PAGER_SECRET", raising=False)
        told = run("oncall", "test", "--data", folder)
        assert (told.exit_code, "PAGER_SECRET is not set" in told.output) == (78, True)
        monkeypatch.setenv("PAGER_SECRET", SECRET)
        told = run("oncall", "test", "--data", folder)
        assert (told.exit_code, told.output) == (0, "ann by pager: taken\nbob by pager: taken\n")
        assert [(body["type"], body["data"]["person"]) for body in pager.bodies()] == [
            ("oncall.test", "ann"), ("oncall.test", "bob"),
        ]  # fmt: skip
        pager.statuses = [503]
        told = run("oncall", "test", "bob", "--json", "--data", folder)
        assert (told.exit_code, json.loads(told.output)) == (75, {"bob": {"pager": "it answers 503"}})
        assert run("oncall", "test", "eve", "--data", folder).exit_code == 66
    assert "No operators: ann, bob." in run("oncall", "show", "--data", folder).output
    assert run("operators", "invite", "ann", "--role", "analyst", "--data", folder).exit_code == 0
    assert "No operators: bob." in run("oncall", "show", "--data", folder).output


def test_a_handover_is_shown_as_it_would_be_now(run: Command, folder: Path) -> None:
    told = run("oncall", "handover", "primary", "--now", "--data", folder)
    assert "Open incidents: 1" in told.output
    assert "INC-2026-0001  high  taken by NOBODY" in told.output
    assert "Silent: NOT KNOWN: the dead-man's switch does not run" in told.output
    (row,) = json.loads(run("oncall", "handover", "--now", "--json", "--data", folder).output)
    assert row["others"]["silent"]["known"] is False
    assert run("oncall", "handover", "--accept", "none", "--data", folder).exit_code == 66
