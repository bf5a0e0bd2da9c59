"""A data folder with the real tables and journal, a clock that is moved, and a receiver of pages over HTTP."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.respond.webhooks.conftest import SECRET, Elsewhere, another_system
from watchkeeper.core.clock import SECOND, ManualClock
from watchkeeper.core.database import Database
from watchkeeper.core.fetch.client import Fetcher
from watchkeeper.core.fetch.settings import FetchSettings
from watchkeeper.core.ids import derived_id
from watchkeeper.core.secrets import Secret
from watchkeeper.events import Event, Journal, JournalReader, Severity
from watchkeeper.events.model import VERSION
from watchkeeper.respond.ledger import Ledger
from watchkeeper.respond.oncall.book import OncallBook
from watchkeeper.respond.oncall.channels import Hook, HookPager
from watchkeeper.respond.oncall.delivery import Delivery
from watchkeeper.respond.oncall.handover import Handovers
from watchkeeper.respond.oncall.paging import Ground, Paging
from watchkeeper.respond.oncall.reading import plan_of
from watchkeeper.respond.oncall.settings import (
    ChannelSettings,
    LayerSettings,
    LevelSettings,
    OncallSettings,
    PersonSettings,
    RotaSettings,
)
from watchkeeper.respond.oncall.views import OncallView

MINUTE = 60 * SECOND
NAMES = ("ann", "bob", "cy")
NOON = 1_795_600_800_000_000 - 1_795_600_800_000_000 % (24 * 60 * MINUTE) + 12 * 60 * MINUTE


def settings_of(**more: Any) -> OncallSettings:
    """Ann's week is the first; level 2 is bob, the fallback cy."""
    people = {name: PersonSettings(channels=("pager",)) for name in NAMES} | more.pop("people", {})
    layers = more.pop("layers", (LayerSettings(people=("ann",)),))
    given = {
        "people": people,
        "channels": {"pager": ChannelSettings()},
        "rotas": {"main": RotaSettings(layers=layers)},
        "levels": (LevelSettings(page=("rota:main",)), LevelSettings(page=("person:bob",), after_minutes=5)),
        "repeats": 0,
        "fallback": ("person:cy",),
        "fallback_minutes": 30,
    }
    return OncallSettings(**(given | more))


class World:
    """On-call on one folder; made anew over the same folder, it is the next life of the process."""

    def __init__(self, data: Path, settings: OncallSettings, url: str, start: int = NOON) -> None:
        self.data = data
        self.clock = ManualClock(start)
        self.database = Database.at(data / "state.db")
        self.database.create_missing_tables()
        self.journal = Journal.open(data, "watch", self.clock)
        self.reader = JournalReader(data)
        self.ledger = Ledger(self.database, self.journal, self.reader)
        self.gone: set[str] = set()
        plan = plan_of(settings)
        on = Ground(self.database, self.ledger, self.clock, self.gone.__contains__)
        self.book = OncallBook(self.database, self.ledger, self.clock, plan)
        self.paging = Paging(on, plan)
        hooks = {name: Hook(url, Secret(SECRET)) for name in settings.channels}
        fetcher = Fetcher(FetchSettings(allow_hosts=(url.removesuffix("/in").removeprefix("http://"),)))
        self.delivery = Delivery(on, HookPager(hooks, fetcher, self.clock, lambda: "https://console.example"))
        self.sources: dict[str, Any] = {"orders": lambda: [{"order": "ord-1"}]}
        self.handovers = Handovers(on, plan, self.sources)
        self.view = OncallView(on, plan)
        self._heard = 0

    def close(self) -> None:
        self.delivery.close()
        self.reader.close()
        self.journal.close()
        self.database.close()

    def incident(self, number: int = 1, severity: int = 4, state: str = "open", **more: Any) -> Event:
        """An event of an incident, recorded by nobody and heard once."""
        kind = "respond.incident.opened" if state == "open" else "respond.incident.updated"
        self._heard += 1
        event = Event(
            v=VERSION,
            id=derived_id("event", number, self._heard, self.clock.now()),
            time=more.pop("time", self.clock.now()),
            kind=kind,
            actor=more.pop("actor", "system:respond"),
            target=f"incident-{number}",
            severity=Severity(severity),
            labels=more.pop("labels", ()),
            body={"number": f"INC-2026-{number:04}", "title": f"something {number}", "state": state, **more},
        )
        self.book.hear(event, {"watch": self._heard})
        return event

    def look(self) -> None:
        """One look of the caller, to its end."""
        self.paging.round()
        self.handovers.round()
        for future in self.delivery.round():
            future.result(20)

    def after(self, minutes: float) -> None:
        self.clock.advance(int(minutes * MINUTE))
        self.look()

    def events(self, prefix: str) -> list[Event]:
        found = [record.event for record in self.reader.read({}, 10_000) if record.event]
        return [event for event in found if event.kind.startswith(prefix)]


@pytest.fixture
def pager() -> Iterator[Elsewhere]:
    with another_system() as elsewhere:
        yield elsewhere


@pytest.fixture
def world(tmp_path: Path, pager: Elsewhere) -> Iterator[Callable[..., World]]:
    made: list[World] = []

    def make(settings: OncallSettings | None = None, start: int = NOON) -> World:
        for one in made:
            one.close()
        made.clear()
        made.append(World(tmp_path, settings or settings_of(), pager.url, start))
        return made[0]

    yield make
    for one in made:
        one.close()


def people(pager: Elsewhere) -> list[str]:
    """Who was paged for incidents, in order."""
    return [body["data"]["person"] for body in pager.bodies() if body["type"] == "incident.page"]
