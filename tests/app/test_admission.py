"""Who may do what over the administration socket: every act is decided, every no is recorded."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from tests.app.conftest import FREE, Running
from tests.respond.integrations.servers import elsewhere
from watchkeeper.app.admission import Access
from watchkeeper.app.desk import Desk
from watchkeeper.app.platform import Platform, opened
from watchkeeper.cli import main
from watchkeeper.core.errors import Denied
from watchkeeper.events import Event, JournalReader
from watchkeeper.operators import SCOPES, Role

CHAT = '[respond.integrations.ops]\ntype = "chat"\nstyle = "slack"\nurl = "{url}"\n'
ELSEWHERE = ("integrations.status", "integrations.test", "integrations.retry")
READS = {
    "quarantine.list", "quarantine.show", "sessions.list", "integrations.status",
}  # fmt: skip
CONTAINS = {
    "quarantine.add", "quarantine.lift", "sessions.hold", "sessions.release", "sessions.kill", "sessions.drain",
    "integrations.test", "integrations.retry", "deadman.pause", "deadman.resume", "playbooks.run", "playbooks.cancel",
    "incidents.merge", "incidents.split", "incidents.import", "oncall.override", "oncall.override_end",
}  # fmt: skip
ROOMS = ("quarantine.", "sessions.", "playbooks.", "oncall.", "incidents.", "integrations.", "deadman.")


@pytest.fixture
def platform(tmp_path: Path) -> Iterator[Platform]:
    with opened(tmp_path / "data", "watch") as platform:
        yield platform


def token(platform: Platform, name: str, role: str, *scopes: str) -> str:
    platform.roster.invite(name, role, "operator:root")
    secret, _ = platform.tokens.mint(name, scopes or tuple(SCOPES), 3600, "operator:root")
    return str(secret)


def done_by(platform: Platform, credential: str) -> set[str]:
    """The acts that go through, of all there are."""
    names = (*Desk(platform).acts, *ELSEWHERE)
    acts = Access(platform).admitted({name: lambda asked: asked["by"] for name in names})
    done = set()
    for name, act in acts.items():
        try:
            act({"credential": credential, "by": "operator:somebody-else"})
        except Denied:
            continue
        done.add(name)
    return done


def told(folder: Path, kind: str = "operators.act.refused") -> list[Event]:
    reader, cursor = JournalReader(folder), dict[str, int]()
    found: list[Event] = []
    while batch := reader.read(cursor):
        for record in batch:
            cursor[record.position.writer] = record.position.index + 1
            found += [record.event] if record.event and record.event.kind == kind else []
    return found


def refusals(folder: Path) -> list[tuple[str, str]]:
    return [(event.actor, event.body["act"]) for event in told(folder)]


@pytest.mark.behaviour("operators.every-act-is-decided")
def test_an_act_of_which_nobody_decided_who_may_do_it_lets_nothing_start(platform: Platform) -> None:
    with pytest.raises(LookupError, match=r"sessions\.borrow"):
        Access(platform).admitted({"sessions.list": lambda _: 1, "sessions.borrow": lambda _: 1})


@pytest.mark.behaviour("operators.every-act-is-decided")
def test_what_each_role_may_do_of_response_with_a_token_that_is_good_for_everything(platform: Platform) -> None:
    may = {
        role: {name for name in done_by(platform, token(platform, role, role)) if name.startswith(ROOMS)}
        for role in Role
    }
    looks = {
        "incidents.list", "incidents.show", "incidents.timeline", "incidents.tasks", "incidents.similar",
        "incidents.export", "incidents.report", "oncall.show", "oncall.calendar", "oncall.pages", "oncall.handovers",
        "playbooks.list", "playbooks.show", "playbooks.dry_run", "playbooks.runs", "playbooks.run_show",
        "playbooks.approvals", "playbooks.say",
    }  # fmt: skip
    assert may[Role.VIEWER] == looks  # `say` asks the gate itself what it demands
    assert may[Role.AUDITOR] == looks | READS
    works = {name for name in may[Role.ANALYST] if name.startswith(("incidents.", "oncall."))}
    assert may[Role.ANALYST] == looks | READS | works
    assert not may[Role.ANALYST] & CONTAINS
    assert may[Role.RESPONDER] == may[Role.ADMIN] == may[Role.ANALYST] | CONTAINS


@pytest.mark.behaviour("operators.every-act-is-decided")
def test_no_token_administers_the_host_and_every_no_is_recorded(platform: Platform, tmp_path: Path) -> None:
    credential = token(platform, "ada", "admin")
    acts = Desk(platform).acts
    hosts = {name for name in acts if name not in done_by(platform, credential)}
    assert {name.split(".")[0] for name in hosts} == {
        "baselines", "clients", "exercise", "grants", "hunts", "intelligence", "pins", "policy", "privacy", "rules",
    }  # fmt: skip
    before = len(refusals(tmp_path / "data"))
    for asked in ({"credential": credential}, {"credential": "wkop_nobodys"}, {"by": "agent:desk"}):
        with pytest.raises(Denied):
            acts["clients.list"](asked)
    assert refusals(tmp_path / "data")[before:] == [
        ("operator:ada", "clients.list"), ("nobody", "clients.list"), ("agent:desk", "clients.list"),
    ]  # fmt: skip


def run(data: Path, *words: str, secret: str = "") -> Result:
    env = {"WATCHKEEPER_OPERATOR_TOKEN": secret} if secret else {}
    return CliRunner(env=env).invoke(main, [*words, "--data", str(data)])


@pytest.mark.behaviour("operators.every-act-is-decided")
def test_orders_are_given_by_token_in_the_name_of_its_owner_and_not_by_a_viewer(
    platform: Platform, tmp_path: Path
) -> None:
    data = tmp_path / "data"
    vera, rita = token(platform, "vera", "viewer"), token(platform, "rita", "responder", "orders:give")
    words = ("quarantine", "add", "block_server", "notes", "--reason", "it leaks")
    assert run(data, *words, secret=vera).exit_code == Denied.exit_code
    assert run(data, "sessions", "list", secret=vera).exit_code == Denied.exit_code
    assert platform.orders.in_force() == ()
    given = run(data, *words, secret=rita)
    (order,) = platform.orders.in_force()
    assert (order.issued_by, order.target) == ("operator:rita", "notes"), given.output
    killed = run(data, "sessions", "kill", "--client", "desk", "--reason", "it leaks", secret=rita)
    assert killed.exit_code == Denied.exit_code
    rules = {(one.actor, one.body["act"]): one.body["rules"] for one in told(data)}
    assert rules["operator:rita", "end_sessions"] == ["operators.scope-of-ending"]
    assert ("operator:vera", "give_orders") in rules


@pytest.mark.slow
@pytest.mark.behaviour("operators.every-act-is-decided")
def test_a_running_watch_asks_who_uses_its_integrations_too(tmp_path: Path) -> None:
    with elsewhere(lambda _: (200, b"ok")) as chat:
        settings = f'{FREE}\n[fetch]\nallow_hosts = ["http://{chat.host}"]\n{CHAT.format(url=chat.url)}'
        with opened(tmp_path / "data", "cli") as platform:
            vera, rita = token(platform, "vera", "viewer"), token(platform, "rita", "responder", "integrations:use")
        running = Running(tmp_path, settings=settings)
        try:
            running.until("Ctrl-C drains")
            assert run(running.data, "integrations", "test", "ops", secret=vera).exit_code == Denied.exit_code
            assert run(running.data, "integrations", "list", secret=vera).exit_code == Denied.exit_code
            assert chat.got == []
            tried = run(running.data, "integrations", "test", "ops", secret=rita)
            assert (tried.exit_code, len(chat.got)) == (0, 1), tried.output
        finally:
            running.stop()
    (tested,) = told(running.data, "respond.integration.tested")
    assert tested.actor == "operator:rita"
