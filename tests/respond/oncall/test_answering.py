"""A pager that carried a page is told that somebody has the incident and that it is over, over its own protocol."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.respond.integrations.servers import Reply, Request, elsewhere
from tests.respond.integrations.test_pager import EventsApi, pagerduty
from tests.respond.oncall.conftest import MINUTE, World, settings_of
from watchkeeper.respond.oncall.answering import GIVEN_UP, Answering
from watchkeeper.respond.oncall.channels import Carried, Channels
from watchkeeper.respond.oncall.delivery import Delivery
from watchkeeper.respond.oncall.paging import Ground

BY = "operator:ann"


class Flaky(EventsApi):
    """The pager, which takes nothing for a while."""

    def __init__(self) -> None:
        super().__init__()
        self.is_down = False
        self.asked: list[str] = []

    def __call__(self, request: Request) -> Reply:
        self.asked.append(request.json["event_action"])
        return (503, {"status": "down"}) if self.is_down else super().__call__(request)


@dataclass
class Duty:
    """On-call whose pages an integration carries to a real server."""

    world: World
    api: Flaky
    answering: Answering
    channels: Channels

    def look(self) -> None:
        self.world.look()
        for future in self.answering.round():
            future.result(20)

    def after(self, minutes: float) -> None:
        self.world.clock.advance(int(minutes * MINUTE))
        self.look()

    def kinds(self, prefix: str = "respond.page.") -> list[str]:
        return [event.kind.removeprefix(prefix) for event in self.world.events(prefix)]


@pytest.fixture
def duty(world: Callable[..., World], tmp_path: Path) -> Iterator[Duty]:
    api = Flaky()
    with elsewhere(api) as there:
        here = world(settings_of(most_pages=1))
        carried = Carried({"pager": "duty"}, {"duty": pagerduty(there.url, there.host)}, lambda: "")
        channels = Channels({"pager": carried})
        on = Ground(here.database, here.ledger, here.clock, here.gone.__contains__)
        here.delivery.close()
        here.delivery = Delivery(on, channels)
        answering = Answering(on, channels)
        yield Duty(here, api, answering, channels)
        answering.close()


@pytest.mark.behaviour("oncall.answered")
def test_a_pager_hears_that_somebody_has_it_and_later_that_it_is_over(duty: Duty) -> None:
    duty.world.incident(1)
    duty.look()
    duty.after(5)
    assert list(duty.api.pages.values()) == ["triggered", "triggered"]  # ann, and then bob
    duty.look()
    assert duty.api.asked == ["trigger", "trigger"]
    duty.world.book.acknowledge("INC-2026-0001", "operator:bob")
    duty.look()
    assert list(duty.api.pages.values()) == ["acknowledged", "acknowledged"]
    duty.look()
    duty.world.clock.advance(1)
    duty.world.incident(1, state="closed")
    duty.look()
    duty.look()
    assert list(duty.api.pages.values()) == ["resolved", "resolved"]
    assert duty.api.asked == ["trigger"] * 2 + ["acknowledge"] * 2 + ["resolve"] * 2
    told = duty.world.events("respond.page.answered")
    assert [(event.body["said"], event.body["by"]) for event in told] == [
        ("acknowledged", "operator:bob"), ("acknowledged", "operator:bob"),
        ("closed", "operator:bob"), ("closed", "operator:bob"),
    ]  # fmt: skip


@pytest.mark.behaviour("oncall.answered")
def test_a_pager_that_is_down_is_told_again_and_a_life_that_ended_in_between_owes_it_still(duty: Duty) -> None:
    duty.world.incident(1)
    duty.look()
    duty.world.book.acknowledge("INC-2026-0001", BY)
    duty.api.is_down = True
    for _ in range(3):
        duty.look()
    assert (duty.api.asked, duty.kinds()) == (["trigger", "acknowledge"], ["sent", "unanswered"])
    duty.after(0.5)
    duty.api.is_down = False
    duty.after(1)
    assert list(duty.api.pages.values()) == ["acknowledged"]
    assert duty.kinds() == ["sent", "unanswered", "answered"]
    duty.world.clock.advance(-60 * MINUTE)  # a clock that is put back keeps nobody waiting
    duty.world.incident(1, state="closed", time=duty.world.clock.now() + 120 * MINUTE)
    duty.look()
    assert list(duty.api.pages.values()) == ["resolved"]


@pytest.mark.behaviour("oncall.answered")
def test_what_one_message_told_of_several_is_acknowledged_once_all_of_them_are(duty: Duty) -> None:
    for number in (1, 2, 3):
        duty.world.incident(number, severity=3)
    duty.look()
    duty.after(11)
    assert list(duty.api.pages.values()) == ["triggered", "triggered"]  # the second tells of two
    for number in (1, 2):
        duty.world.book.acknowledge(f"INC-2026-{number:04}", BY)
    duty.look()
    assert list(duty.api.pages.values()) == ["acknowledged", "triggered"]
    duty.world.clock.advance(1)
    duty.world.incident(2, severity=3, state="closed")
    duty.world.book.acknowledge("INC-2026-0003", BY)
    duty.look()
    assert list(duty.api.pages.values()) == ["acknowledged", "acknowledged"]
    duty.world.incident(3, severity=3, state="closed")
    duty.look()
    assert list(duty.api.pages.values()) == ["acknowledged", "resolved"]


@pytest.mark.behaviour("oncall.answered")
def test_who_never_answers_is_given_up_and_what_is_open_again_is_not_called_acknowledged(duty: Duty) -> None:
    duty.world.incident(1, severity=3)
    duty.look()
    duty.world.book.acknowledge("INC-2026-0001", BY)
    duty.world.clock.advance(1)
    duty.world.incident(1, severity=5)  # worse: nobody has it any more
    duty.look()
    assert set(duty.api.pages.values()) == {"triggered"}
    duty.world.book.acknowledge("INC-2026-0001", BY)
    duty.api.is_down = True
    before = len(duty.api.asked)
    for _ in range(GIVEN_UP + 5):
        duty.after(1)
    assert len(duty.api.asked) - before == 2 * GIVEN_UP
    duty.api.is_down = False
    duty.world.incident(1, state="closed")
    duty.look()
    assert set(duty.api.pages.values()) == {"resolved"}
