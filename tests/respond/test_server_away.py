"""The database server goes away in the middle of a run, or takes no writing, or has no connection left, or another
takes its place: the run waits, says so once, and goes on with everything done once."""

from __future__ import annotations

import threading
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, ExitStack, contextmanager, nullcontext
from pathlib import Path
from typing import Any

import psycopg
import pytest

from tests.postgres import Pair, all_read_only, fresh_database, full_up, name_of, read_only, server, stopped
from tests.respond.conftest import CLOCK, PATIENCE, Estate, Gate
from tests.respond.playbooks import hold_and_ask
from tests.respond.test_full_disk import approve
from watchkeeper.core.errors import Stalled
from watchkeeper.gateway.orders import OrderKind
from watchkeeper.operators import Roster
from watchkeeper.policy.persons import PersonRules
from watchkeeper.respond import IncidentState
from watchkeeper.respond._dbos import DbosRunner
from watchkeeper.respond._engine_store import EngineStore
from watchkeeper.respond.gates.people import Electorate
from watchkeeper.respond.runner import Interpreter
from watchkeeper.respond.service import RespondService
from watchkeeper.respond.settings import RespondSettings

Trouble = Callable[[], AbstractContextManager[object]]


class Held:
    """An estate whose run stops at some places until it is let go on."""

    def __init__(self, folder: Path, url: str, *places: str) -> None:
        self.estate = Estate(folder / "data", url)
        (folder / "full.yaml").write_text(hold_and_ask())
        self.reached = {place: threading.Event() for place in places}
        self._released = threading.Event()
        self._settings = RespondSettings(playbooks=str(folder))

    def _watch(self, where: str) -> None:
        if where in self.reached and not self.reached[where].is_set():
            self._released.clear()
            self.reached[where].set()
            self._released.wait(PATIENCE)

    @contextmanager
    def responding(self, **more: Any) -> Iterator[RespondService]:
        estate = self.estate
        options = more | {
            "watch": self._watch,
            "settings": self._settings,
            "electorate": Electorate(PersonRules(), Roster(estate.database, estate.journal, CLOCK)),
        }
        try:
            with Gate(estate.data, estate.database, estate.orders), estate.responding(**options) as service:
                yield service
        finally:
            self._released.set()
            estate.close()

    def troubled(self, service: RespondService, trouble: Trouble) -> list[str]:
        """The run, with this trouble at each of its places; what was told of it."""
        estate = self.estate
        estate.raise_alert(rule="room", target="read_file", principal="agent:desk")
        told = []
        for reached in self.reached.values():
            assert reached.wait(PATIENCE)
            with trouble():
                self._released.set()
                estate.until(lambda: all(said_of(service)))
                with pytest.raises(Stalled, match="control state"):
                    estate.orders.issue(OrderKind.HOLD_TOOL, "files/other", reason="a try", by="operator:ann", key="no")
                told += said_of(service)
        return told

    def assert_once(self, service: RespondService) -> None:
        """It comes to its end by itself, with every effect and every fact once."""
        estate = self.estate

        def is_finished() -> bool:
            try:
                approve(service)
            except Stalled:
                return False
            return bool(estate.events("respond.playbook.finished"))

        estate.until(is_finished)
        estate.until(lambda: service.trouble == "")
        (incident,) = service.incidents.list()
        assert incident.state is IncidentState.CONTAINED, incident.advice
        orders = Counter((o.kind.value, o.target) for o in estate.orders.all())
        assert orders == {("hold_tool", "files/read_file"): 1, ("quarantine_principal", "agent:desk"): 1}
        facts = estate.events("respond.", "gateway.order.")
        assert max(Counter(e.id for e in facts).values()) == 1
        assert Counter(e.kind for e in facts if e.kind.startswith("respond.step.")) == {"respond.step.completed": 2}


def said_of(service: RespondService) -> tuple[str, str]:
    """What the engine and the whole of response say that they wait for."""
    return service._runner.trouble, service.trouble


@pytest.mark.behaviour("respond.server-read-only")
@pytest.mark.parametrize(
    ("place", "made"),
    [("hold effect", read_only), ("hold recorded", all_read_only), ("asked approval opened", read_only)],
)
def test_a_run_waits_while_its_server_takes_no_writing_and_goes_on_when_it_does(
    tmp_path: Path, postgres: Any, template: str, place: str, made: Any
) -> None:
    url = fresh_database(postgres, template)
    held = Held(tmp_path, url, place)
    with held.responding() as service:
        told = held.troubled(service, lambda: made(postgres, url))
        held.assert_once(service)
    assert all("standby or read-only" in said for said in told)


@pytest.mark.slow
@pytest.mark.behaviour("respond.server-read-only")
def test_response_that_ends_while_its_run_waits_for_its_server_leaves_it_to_the_next(
    tmp_path: Path, postgres: Any, template: str
) -> None:
    url = fresh_database(postgres, template)
    held = Held(tmp_path, url, "hold recorded")
    with ExitStack() as away, held.responding() as service:
        held.troubled(service, lambda: nullcontext(away.enter_context(read_only(postgres, url))))
    again = Held(tmp_path, url)
    with again.responding() as service:
        again.assert_once(service)


class Late(DbosRunner):
    """An engine that finds its server in trouble when it begins, though it was well a moment before."""

    def __init__(self, store: EngineStore, begin: Callable[[], object]) -> None:
        super().__init__(store)
        self._begin: Callable[[], object] | None = begin

    def open(self, interpreter: Interpreter, epoch: int = 0) -> None:
        begin, self._begin = self._begin, None
        if begin is not None:
            begin()
        super().open(interpreter, epoch)


@pytest.mark.slow
@pytest.mark.behaviour("respond.server-read-only")
def test_response_that_begins_as_its_server_stops_taking_writing_waits_and_then_begins(
    tmp_path: Path, postgres: Any, template: str
) -> None:
    url = fresh_database(postgres, template)
    held = Held(tmp_path, url)
    with ExitStack() as away:
        store = EngineStore.beside(held.estate.database, tmp_path)
        runner = Late(store, lambda: away.enter_context(read_only(postgres, url)))
        with held.responding(runner=runner) as service:
            held.estate.raise_alert(rule="room", target="read_file", principal="agent:desk")
            held.estate.until(lambda: "playbook engine" in service.failure)
            assert "read-only" in service.trouble
            assert not service.healthy
            away.close()
            held.assert_once(service)


@pytest.mark.slow
@pytest.mark.behaviour("respond.server-full-up")
def test_a_run_waits_while_its_server_has_no_connection_left_and_goes_on_when_it_has(
    tmp_path: Path, postgres: Any
) -> None:
    url = fresh_database(postgres)
    with psycopg.connect(postgres.get_uri(), autocommit=True) as link:
        link.execute("CREATE ROLE modest LOGIN")
        link.execute(f"ALTER DATABASE {name_of(url)} OWNER TO modest".encode())
    url = url.replace("postgres:@", "modest@")
    held = Held(tmp_path, url, "hold recorded")
    with held.responding() as service:
        told = held.troubled(service, lambda: full_up(postgres, url, "modest"))
        held.assert_once(service)
    assert all("connection" in said for said in told)


@pytest.fixture
def own() -> Iterator[Any]:
    """A server that a test may stop."""
    with server(is_durable=False) as running:
        yield running


@pytest.mark.slow
@pytest.mark.timeout(300)
@pytest.mark.behaviour("respond.server-away")
def test_a_run_waits_for_its_server_and_goes_on_with_everything_done_once(
    tmp_path: Path, own: Any, caplog: pytest.LogCaptureFixture
) -> None:
    held = Held(tmp_path, fresh_database(own), "hold effect", "asked approval opened")
    with held.responding() as service:

        @contextmanager
        def away() -> Iterator[None]:
            with stopped(own):
                yield
                held.estate.until(lambda: bool(service.runs.clockwork.trouble))

        held.troubled(service, away)
        held.assert_once(service)
    told = [r.getMessage() for r in caplog.records if "gates of playbooks" in r.getMessage()]
    assert len(told) == 4, "each time once when it went away, once when it was back"


@pytest.mark.slow
@pytest.mark.timeout(300)
@pytest.mark.behaviour("respond.server-failed-over")
def test_a_run_goes_on_at_the_standby_that_was_promoted_with_nothing_lost_and_nothing_twice(
    tmp_path: Path, own: Any
) -> None:
    pair = Pair(own)
    held = Held(tmp_path, pair.url(), "hold recorded")

    @contextmanager
    def failed_over() -> Iterator[None]:
        pair.fail()
        yield
        pair.promote()

    try:
        with held.responding() as service:
            held.troubled(service, failed_over)
            held.assert_once(service)
    finally:
        pair.close()
