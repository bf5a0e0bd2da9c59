"""`watchkeeper alerts` on a folder where no service runs: the journal alone is enough."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from tests.detect.alerts.found import a_call, a_rule
from watchkeeper.app.platform import Platform, opened
from watchkeeper.cli import main
from watchkeeper.core.errors import Denied
from watchkeeper.detect.alerts import alert_for
from watchkeeper.events import Event

RULE = a_rule()


@pytest.fixture
def platform(tmp_path: Path) -> Iterator[Platform]:
    with opened(tmp_path, "watch") as platform:
        yield platform


def run(folder: Path, *words: str) -> Result:
    at = 2 if words[0] == "exceptions" else 1
    return CliRunner().invoke(main, ["alerts", *words[:at], "--data", str(folder), *words[at:]])


def raised(platform: Platform, number: int = 0, **fields: str) -> Event:
    call = a_call(number, number, **fields)
    alert = alert_for(RULE, call, platform.journal.record(call), platform.clock.now())
    platform.journal.record(alert)
    return alert


@pytest.mark.behaviour("alerts.cli")
def test_an_empty_queue_says_how_something_comes_into_it(platform: Platform) -> None:
    told = run(platform.data_dir, "list")
    assert (told.exit_code, "watchkeeper demo" in told.output) == (0, True)
    assert json.loads(run(platform.data_dir, "list", "--json").output) == {"alerts": [], "total": 0, "counts": {}}
    assert "every alert reaches the queue" in run(platform.data_dir, "exceptions", "list").output
    assert "No rule has raised an alert" in run(platform.data_dir, "precision").output


@pytest.mark.behaviour("alerts.cli")
def test_an_alert_is_listed_shown_taken_on_and_closed(platform: Platform) -> None:
    folder, alert = platform.data_dir, raised(platform, server="evil\u202eserver")
    listed = run(folder, "list")
    assert alert.id[:13] in listed.output
    assert "\u202e" not in listed.output + run(folder, "show", alert.id[:8]).output
    page = run(folder, "show", alert.id[:8]).output
    for part in ("A call", "agent:ann", "state       new", "event-0"):
        assert part in page
    assert "is acknowledged" in run(folder, "ack", alert.id[:8], "--note", "mine").output
    assert "is assigned (operator:zoe)" in run(folder, "assign", alert.id, "--to", "zoe").output
    closed = run(folder, "close", alert.id, "--as", "benign-true-positive", "--note", "planned")
    assert "is closed (benign true positive)" in closed.output
    assert "planned" in run(folder, "show", alert.id).output
    assert run(folder, "close", alert.id, "--as", "duplicate").exit_code == 73
    assert run(folder, "reopen", alert.id).exit_code == 0
    assert run(folder, "show", "ffffffff").exit_code == 66


@pytest.mark.behaviour("alerts.cli")
def test_precision_never_comes_without_its_n(platform: Platform) -> None:
    folder, alert = platform.data_dir, raised(platform)
    assert "not known (n = 0)" in run(folder, "precision").output
    run(folder, "close", alert.id, "--as", "true-positive")
    assert "100% (21%-100%, n = 1)" in run(folder, "precision").output
    (row,) = json.loads(run(folder, "precision", "--rule", "a_call", "--json").output)
    assert (row["right"]["of"], row["worth"]["hits"]) == (1, 1)


@pytest.mark.behaviour("alerts.cli")
def test_an_exception_is_tried_added_listed_and_removed(platform: Platform) -> None:
    folder = platform.data_dir
    for number in range(3):
        raised(platform, number, actor="agent:ann" if number else "agent:bob")
    where = ("--where", "actor|startswith=agent:ann", "--where", "server=files", "--where", "server=mail")
    tried = run(folder, "exceptions", "test", *where)
    assert "Of the 3 alerts of the last 30 days it would have held 2." in tried.output
    added = json.loads(
        run(folder, "exceptions", "add", *where, "--rule", "a_call", "--reason", "r", "--days", "7", "--json").output
    )
    one = added["exception"]
    assert (one["where"], one["rule"], added["impact"]["would_hold"]) == (
        {"actor|startswith": "agent:ann", "server": ["files", "mail"]}, RULE.id, 2,
    )  # fmt: skip
    assert one["id"] in run(folder, "exceptions", "list").output
    assert run(folder, "exceptions", "remove", one["id"], "--because", "over").exit_code == 0
    assert one["id"] not in run(folder, "exceptions", "list").output
    assert "removed" in run(folder, "exceptions", "list", "--all").output


@pytest.mark.behaviour("alerts.cli")
@pytest.mark.parametrize(
    ("words", "code"),
    [
        (("exceptions", "test", "--where", "server"), 65),
        (("exceptions", "test", "--where", "nobody=1"), 65),
        (("exceptions", "test", "--where", "server=a", "--rule", "no such rule"), 65),
        (("exceptions", "add", "--where", "server=a", "--reason", " ", "--days", "1"), 65),
        (("exceptions", "add", "--where", "server=a", "--reason", "r"), 2),
        (("exceptions", "remove", "ffffffff"), 66),
        (("close", "abcdef12"), 2),
    ],
    ids=range(7),
)
def test_bad_input_is_told_with_what_to_do(platform: Platform, words: tuple[str, ...], code: int) -> None:
    assert run(platform.data_dir, *words).exit_code == code


@pytest.mark.behaviour("alerts.roles")
@pytest.mark.parametrize(
    ("role", "scope", "act", "may"),
    [
        ("viewer", "alerts:read", "alerts.list", True),
        ("viewer", "alerts:assess", "alerts.assess", False),
        ("analyst", "alerts:assess", "alerts.assess", True),
        ("analyst", "alerts:except", "alerts.except", False),
        ("responder", "alerts:except", "alerts.except", True),
        ("admin", "events:read", "alerts.list", False),
    ],
)
def test_a_token_may_what_role_and_scope_permit(platform: Platform, role: str, scope: str, act: str, may: bool) -> None:
    from watchkeeper.app.desk import Desk

    alert = raised(platform)
    desk = Desk(platform)
    platform.roster.invite("zoe", role, "operator:root")
    minted = desk.acts["operators.token"](
        {"operator": "zoe", "name": "zoe", "scopes": [scope], "seconds": 3600, "by": "operator:root"}
    )
    asked = {"alerts": [alert.id], "act": "acknowledge", "where": {"server": "x"}, "reason": "r", "days": 1,
             "credential": minted["token"]}  # fmt: skip
    if act == "alerts.assess":
        from watchkeeper.app.alerts.acts import Alerting

        Alerting(platform, is_alone=True).list({})
    if may:
        desk.acts[act](asked)
    else:
        with pytest.raises(Denied):
            desk.acts[act](asked)
