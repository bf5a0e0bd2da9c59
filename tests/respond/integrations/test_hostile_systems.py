"""Every integration before a system that hangs, drips, breaks off, lies, floods, redirects or is not the one it says.

Playbooks ask all of them, each in a way of its own to misbehave; then all behave, and what was left over is brought.
What each system has in the end is what counts: one page, one ticket, one commit, and no message twice that does not say
so. Tokens at their issuers have a table of their own (`tests/app/test_revoking.py`).
"""

from __future__ import annotations

import re
import shutil
import ssl
import sys
import threading
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from tests.gateway.certificates import Authority
from tests.respond.conftest import CLOCK, Estate, Gate
from tests.respond.integrations.conftest import made
from tests.respond.integrations.hostile import MODES, System, http_system, mail_system
from tests.respond.integrations.servers import Post, Request, elsewhere, mail_server
from tests.respond.integrations.test_pager import AlertApi, EventsApi
from tests.respond.integrations.test_repository import Clone
from tests.respond.integrations.tracker import Tracker
from watchkeeper.core.clock import SECOND, Clock
from watchkeeper.respond import RespondSettings
from watchkeeper.respond.errands import Delivery, State
from watchkeeper.respond.integrations import Integration, IntegrationSettings, Outbox
from watchkeeper.respond.integrations._store import DeliveryRow, delivery_of
from watchkeeper.respond.integrations.minutes import Minutes
from watchkeeper.respond.integrations.wording import AGAIN
from watchkeeper.respond.ledger import Ledger
from watchkeeper.respond.model import StepResult
from watchkeeper.respond.service import Connections, RespondService

PATIENT, IMPATIENT = 20.0, 0.4
"""Seconds that an integration waits for an answer; the short ones are for systems that never give one."""
SILENT = ("hangs", "drips")
pytestmark = [pytest.mark.slow, pytest.mark.timeout(120)]  # fifty systems are asked, and asked again, in one go
HEAD = """
id: {id}
version: 1
title: Reach out
description: Ask other systems.
severity: high
when: incident.alerts.exists(a, a.playbook == "{id}")
blast_radius: {{}}
steps:
"""
STEP = "  - {{id: {id}, deadline: {deadline}, on_failure: [{other}], action: {action}}}\n"
OTHER = "{{id: {id}_else, deadline: 5s, on_failure: continue, action: notify, with: {{text: another way}}}}"


class Later(Clock):
    """The system's clock, moved on by the test."""

    def __init__(self) -> None:
        self.ahead = 0

    def now(self) -> int:
        return CLOCK.now() + self.ahead


@dataclass
class Cell:
    """One integration before one system that misbehaves."""

    kind: str
    name: str
    asks: str
    """Action and parameters; `{name}` is the integration's."""
    heal: Callable[[], None]
    many: Callable[[], int]
    """How many effects there are at the system; a copy that says of itself that it is one is none."""


PAGE = "page, with: {{through: {name}, text: wake up}}"
TICKET = "open_ticket, with: {{through: {name}, text: look at it}}"
TELL = "notify, with: {{text: it happened, channels: [{name}]}}"


class Table:
    """All cells, and the one house they are asked from."""

    def __init__(self, estate: Estate, folder: Path, stack: ExitStack) -> None:
        self.estate, self.folder, self.stack = estate, folder, stack
        self.clock = Later()
        self.cells: list[Cell] = []
        self.remotes: list[str] = []
        self.made: dict[str, tuple[IntegrationSettings, Integration]] = {}
        self.inside = stack.enter_context(elsewhere(lambda _: (200, b"ok")))
        """Where redirects lead; nobody may come."""
        self.authority, self.other = Authority(folder / "ca"), Authority(folder / "other", "other-ca")
        pair = self.authority.issue("there", ips=["127.0.0.1"])
        self.tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        self.tls.load_cert_chain(pair.certificate, pair.key)
        self.clone, self.bare, self.bad = _repository(folder)
        for mode in MODES:
            for kind, asks, system, settings in self.http_kinds(mode):
                self.add_http(kind, asks, system, settings)
            self.add_mail(mode)
            self.add_git(mode)
        self.add_late()
        minutes = Minutes(Ledger(estate.database, estate.journal, estate.reader), self.clock)
        self.outbox = Outbox(estate.database, minutes, self.clock, self.made)

    def http_kinds(self, mode: str) -> Iterator[tuple[str, str, System, dict[str, Any]]]:
        pager = {"type": "pager", "secret": "env:KEY"}
        yield "webhook", TELL, System(Heard(), mode), {"type": "webhook", "secret": "env:HOOK"}
        yield "chat", TELL, System(Heard(), mode, "no_service"), {"type": "chat", "style": "slack"}
        yield "pagerduty", PAGE, System(EventsApi(), mode), pager | {"style": "pagerduty"}
        yield "opsgenie", PAGE, System(AlertApi(), mode), pager | {"style": "opsgenie"}
        yield "ticket", TICKET, System(Tracker(), mode), {"type": "ticket", "authorization": "Bearer env:TOKEN"}

    def add_http(self, kind: str, asks: str, system: System, settings: dict[str, Any], timeout: float = 0) -> None:
        system.elsewhere = self.inside.url
        is_tls = system.mode == "untrusted"
        host = self.stack.enter_context(http_system(system, self.tls if is_tls else None))
        url = f"http{'s' if is_tls else ''}://{host}" + ("/tickets" if kind == "ticket" else "")
        name, allowed = f"{kind}_{system.mode}", (host, self.inside.host)
        how = settings | {"url": url, "tls_ca": str(self.other.path) if is_tls else ""}
        how["timeout_seconds"] = timeout or (IMPATIENT if system.mode in SILENT else PATIENT)
        self.add(name, allowed, how)

        def heal() -> None:
            system.mode = "well"
            system.over.set()
            self.put_right(name, allowed, how | {"tls_ca": str(self.authority.path) if is_tls else ""})

        self.cells.append(Cell(kind, name, asks, heal, lambda: effects(system.does)))

    def add_mail(self, mode: str) -> None:
        how: dict[str, Any] = {"type": "mail", "sender": "w@example.org", "recipients": ("soc@example.org",)}
        how["timeout_seconds"] = IMPATIENT if mode in SILENT else PATIENT
        system, post, name = System(Heard(), mode), Post(), f"mail_{mode}"
        if mode == "untrusted":
            host = self.stack.enter_context(mail_server(post, starttls=self.tls))
            how |= {"security": "starttls", "tls_ca": str(self.other.path), "address": host}
        else:
            host = self.stack.enter_context(mail_system(system))
            how |= {"security": "none", "address": host}
        self.add(name, (host,), how)

        def heal() -> None:
            system.mode = "well"
            system.over.set()
            self.put_right(name, (host,), how | ({"tls_ca": str(self.authority.path)} if "tls_ca" in how else {}))

        def many() -> int:
            return copies([one.content for one in post.got] + [request.body for request in system.got])

        self.cells.append(Cell("mail", name, TELL, heal, many))

    def add_git(self, mode: str) -> None:
        """A remote over HTTPS that misbehaves, and in the end a bare repository in its place."""
        clone, bare = Clone.__new__(Clone), self.folder / f"bare-{mode}.git"
        clone.folder, name = self.folder / f"clone-{mode}", f"git_{mode}"
        shutil.copytree(self.clone, clone.folder)
        shutil.copytree(self.bare, bare)
        hook = bare / "hooks" / "pre-receive"
        if mode == "errs":
            hook.parent.mkdir(exist_ok=True)
            hook.write_text("#!/bin/sh\necho no >&2\nexit 1\n")
            hook.chmod(0o755)
            clone.git("remote", "add", "origin", str(bare))
        else:
            system = System(lambda _: (404, b""), mode)
            system.elsewhere = self.inside.url
            host = self.stack.enter_context(http_system(system, self.tls))
            ca = self.other.path if mode == "untrusted" else self.authority.path
            clone.git("config", "http.sslCAInfo", str(ca))
            clone.git("remote", "add", "origin", f"https://{host}/repo.git")
            self.remotes.append(host)
        is_silent = mode in (*SILENT, "floods")
        how = {"type": "git", "repository": str(clone.folder), "remote": "origin"}
        self.add(name, (), how | {"timeout_seconds": 1.5 if is_silent else PATIENT})

        def heal() -> None:
            hook.unlink(missing_ok=True)
            clone.git("remote", "set-url", "origin", str(bare))
            self.put_right(name, (), how)

        def many() -> int:
            there = Clone.__new__(Clone)
            there.folder = bare
            return int(there.git("rev-list", "--count", "--all", "--grep=^Watchkeeper-Key: "))

        asks = f'revert_commit, with: {{{{through: {{name}}, commit: "{self.bad}", reason: evil}}}}'
        self.cells.append(Cell("git", name, asks, heal, many))

    def add_late(self) -> None:
        """One whose own patience is longer than the step's."""
        how = {"type": "pager", "style": "pagerduty", "secret": "env:KEY"}
        self.add_http("late", PAGE, System(EventsApi(), "hangs"), how, timeout=3.0)

    def add(self, name: str, allowed: tuple[str, ...], how: dict[str, Any]) -> None:
        self.made[name] = IntegrationSettings(**how), _made(allowed, how)

    def put_right(self, name: str, allowed: tuple[str, ...], how: dict[str, Any]) -> None:
        """The same line, as after a restart with other settings."""
        self.outbox._lines[name].integration = _made(allowed, how | {"timeout_seconds": PATIENT})

    # -- asking them

    def ask_all(self) -> dict[str, StepResult]:
        """Every step of the runs that asked them."""
        playbooks = self.folder / "playbooks"
        playbooks.mkdir()
        names = ("one", "two", "three", "four")  # a playbook may have 64 steps; runs go side by side
        for at, name in enumerate(names):
            text = HEAD.format(id=name)
            for cell in self.cells[at :: len(names)]:
                deadline = "1s" if cell.kind == "late" else "10s"
                other, action = OTHER.format(id=cell.name), cell.asks.format(name=cell.name)
                text += STEP.format(id=cell.name, deadline=deadline, other=other, action=action)
            (playbooks / f"{name}.yaml").write_text(text)
        estate = self.estate
        settings = RespondSettings(
            playbooks=str(playbooks), integrations={name: how for name, (how, _) in self.made.items()}
        )
        connections = Connections(
            estate.database, estate.journal, estate.reader, estate.orders, estate.pins, errands=self.outbox
        )
        service = RespondService(estate.data, settings, connections)
        stop = threading.Event()
        thread = threading.Thread(target=service.run, args=(stop,), daemon=True)
        thread.start()
        try:
            for number, name in enumerate(names):
                estate.raise_alert(number, playbook=name, target=name)
            estate.until_finished(len(names))
            cases = [service.incidents.show(one.number) for one in service.incidents.list()]
            self.lines = [entry.what for case in cases for entry in case.timeline]
            return {step.step: step for case in cases for run in case.runs for step in run.steps}
        finally:
            stop.set()
            thread.join(20)

    def deliveries(self) -> dict[str, Delivery]:
        with self.estate.database.read() as session:
            rows = session.query(DeliveryRow).all()
        return {row.integration: delivery_of(row) for row in rows}

    def round(self, names: Iterable[str]) -> None:
        with ThreadPoolExecutor(8) as pool:
            list(pool.map(self.outbox.round, names))


class Heard:
    """A system that takes whatever it is told."""

    def __init__(self) -> None:
        self.got: list[Request] = []

    def __call__(self, request: Request) -> Any:
        self.got.append(request)
        return 200, b"ok"


def _made(allowed: tuple[str, ...], how: dict[str, Any]) -> Integration:
    return made(how["type"], *allowed, **{name: value for name, value in how.items() if name != "type"})


def _repository(folder: Path) -> tuple[Path, Path, str]:
    """A clone, an empty bare repository, and the commit to take back."""
    clone, bare = Clone(folder / "clone"), folder / "bare.git"
    clone.commit("one", config="a\n")
    bad = clone.commit("two", config="evil\n")
    clone.git("init", "-q", "--bare", str(bare))
    return clone.folder, bare, bad


def commands() -> list[str]:
    """The command line of every process of this host."""
    found = []
    for file in Path("/proc").glob("[0-9]*/cmdline"):
        with suppress(OSError):
            found.append(file.read_bytes().decode(errors="replace"))
    return found


def effects(system: Any) -> int:
    """How many things the system has of it."""
    if isinstance(system, EventsApi):
        return system.paged
    if isinstance(system, AlertApi):
        return len(system.alerts)
    if isinstance(system, Tracker):
        return system.created
    ids = {request.headers["webhook-id"] for request in system.got if "webhook-id" in request.headers}
    return len(ids) or copies([request.body for request in system.got])


def copies(bodies: list[Any]) -> int:
    """Messages of which a reader could not tell that they were sent again; one if there are only such."""
    texts = [body.decode() if isinstance(body, bytes) else str(body) for body in bodies]
    return max(len([text for text in texts if AGAIN not in text]), 1) if texts else 0


class Outcome:
    """What came of it: after the runs, and after all behaved."""

    def __init__(self, table: Table) -> None:
        self.steps = table.ask_all()
        self.lines = table.lines
        asked = table.deliveries()
        table.round(name for name in table.made if asked[name].attempts == 0)  # those that the outbox tells
        self.first = table.deliveries()
        self.strayed = list(table.inside.got)
        self.left = [said for said in commands() for host in table.remotes if host in said]
        for cell in table.cells:
            cell.heal()
        for name, found in self.first.items():
            if found.state is State.DEAD:
                table.outbox.retry(name)
        table.estate.until(lambda: all(one.state is not State.SENDING for one in table.deliveries().values()))
        table.clock.ahead += 60 * SECOND
        table.round(table.made)
        self.second = table.deliveries()
        self.many = {cell.name: cell.many() for cell in table.cells}


@pytest.fixture(scope="module")
def outcome(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Outcome]:
    folder = tmp_path_factory.mktemp("hostile")
    estate = Estate(folder / "data")
    try:
        with Gate(estate.data, estate.database, estate.orders), ExitStack() as stack:
            yield Outcome(Table(estate, folder, stack))
    finally:
        estate.close()


KINDS = ("webhook", "chat", "pagerduty", "opsgenie", "ticket", "mail", "git")
CELLS = [f"{kind}_{mode}" for mode in MODES for kind in KINDS]
TOLD = ("webhook", "chat", "mail")
"""Told by the outbox; the step has done its part once it is kept there."""


LATER = {State.DUE}
EXPECTED: dict[str, set[State]] = {
    "hangs": LATER,
    "drips": LATER,
    "closes": LATER,
    "untrusted": LATER,
    "floods": {State.DEAD},
    "redirects": {State.DEAD},
    "errs": LATER,
}
"""How a delivery stands before a system that misbehaves in such a way."""
ODD = {
    "late_hangs": {State.SENDING, State.DUE},  # its step is over, its attempt goes on
    "mail_floods": LATER,
    "git_floods": LATER,
    "git_redirects": LATER,
    "webhook_errs": {State.SENT},  # it has nothing but its status to say that it took one
    "chat_errs": {State.UNVERIFIED},
    "pagerduty_errs": {State.UNVERIFIED},
    "opsgenie_errs": {State.UNVERIFIED},
}
WHY = {
    "hangs": "no answer came|in time|took longer|deadline",
    "drips": "no answer came|in time|took longer",
    "closes": "closed the connection|broke off|25|did not take",
    "untrusted": "not trusted|did not take",
    "floods": "sent more than|in time|took longer",
    "redirects": "redirects a request|551|did not take",
    "errs": "not what slack answers|could not be done|452|did not take|^$",
}


@pytest.mark.behaviour("integrations.hostile-systems")
@pytest.mark.parametrize("cell", [*CELLS, "late_hangs"])
def test_a_system_that_misbehaves_costs_no_more_than_its_step_is_reported_and_has_it_once_in_the_end(
    outcome: Outcome, cell: str
) -> None:
    kind, _, mode = cell.partition("_")
    first, step = outcome.first[cell], outcome.steps[cell]
    assert first.state in ODD.get(cell, EXPECTED[mode]), first
    assert re.search(WHY[mode], first.why) or first.state is State.SENDING, first.why
    is_failed = kind not in TOLD and first.state is not State.UNVERIFIED
    assert step.state == ("failed" if is_failed else "completed"), step
    assert (f"{cell}_else" in outcome.steps) is is_failed, "the run goes on by its failure path"
    if kind not in TOLD and not is_failed:
        assert step.verified is False
    if is_failed:
        assert any(step.summary[:60] in line for line in outcome.lines), "the incident says so"
    second = outcome.second[cell]
    assert second.state is (State.UNVERIFIED if cell == "chat_errs" else State.SENT), second
    assert outcome.many[cell] == (0 if cell in ("chat_errs", "webhook_errs") else 1)


@pytest.mark.behaviour("integrations.hostile-systems")
def test_a_step_ends_at_its_deadline_though_its_integration_would_wait_longer(outcome: Outcome) -> None:
    assert "deadline" in outcome.steps["late_hangs"].summary


@pytest.mark.skipif(sys.platform != "linux", reason="processes are looked up in /proc")
@pytest.mark.behaviour("integrations.hostile-systems")
def test_no_program_that_waits_for_a_remote_is_left_behind(outcome: Outcome) -> None:
    assert outcome.left == []


@pytest.mark.behaviour("integrations.hostile-systems")
def test_nothing_goes_where_a_system_redirects_to(outcome: Outcome) -> None:
    assert outcome.strayed == []
