"""The end of a shift: what is handed over, kept, and accepted by whoever comes on."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from tests.respond.oncall.conftest import MINUTE, NOON, World, people, settings_of
from tests.respond.webhooks.conftest import Elsewhere
from watchkeeper.core.errors import Denied, NotFound, Unavailable
from watchkeeper.respond.oncall.handover import text_of
from watchkeeper.respond.oncall.settings import LayerSettings

Make = Callable[..., World]
DAILY = settings_of(layers=(LayerSettings(people=("ann", "bob"), every="day", handover="13:00"),))


@pytest.mark.behaviour("oncall.handover")
def test_the_incoming_person_gets_what_is_open_what_happened_and_what_is_not_known(
    world: Make, pager: Elsewhere
) -> None:
    here = world(DAILY)

    def broken() -> list[dict[str, str]]:
        raise Unavailable("the switch does not answer")

    here.handovers._sources["silent"] = broken
    here.handovers._sources["playbooks"] = lambda: [{"gate": f"g{number}"} for number in range(203)]
    here.look()
    outgoing = here.view.standing().seats[0].person
    incoming = {"ann": "bob", "bob": "ann"}[outgoing]
    here.incident(1)
    here.incident(2)
    here.look()
    here.book.acknowledge("INC-2026-0002", f"operator:{outgoing}")
    here.incident(3)
    here.clock.advance(1)
    here.incident(3, state="closed")
    here.clock.advance(60 * MINUTE)
    here.handovers.round()
    (report,) = here.handovers.latest("main")
    assert (report.outgoing, report.incoming, report.since, report.at) == (outgoing, incoming, NOON, here.clock.now())
    assert [(one.number, one.acknowledged_by) for one in report.incidents] == [
        ("INC-2026-0001", ""),
        ("INC-2026-0002", f"operator:{outgoing}"),
    ]
    assert report.happened == {"opened": 3, "acknowledged": 1, "closed": 1, "pages": 2, "not taken": 0}
    assert report.others["orders"].rows == ({"order": "ord-1"},)
    assert (report.others["silent"].known, report.others["silent"].why) == (False, "the switch does not answer")
    said = text_of(report)
    assert "taken by NOBODY" in said
    assert ("Playbooks that wait for a person: 203" in said, "  and 3 more" in said) == (True, True)
    assert "Silent: NOT KNOWN: the switch does not answer" in said
    here.look()
    told = [body for body in pager.bodies() if body["type"] == "oncall.handover"]
    assert [(one["data"]["person"], one["data"]["level"]) for one in told] == [(incoming, 0)]


@pytest.mark.behaviour("oncall.handover")
def test_only_the_incoming_person_accepts_it_and_once(world: Make) -> None:
    here = world(DAILY)
    here.look()
    here.after(60)
    (report,) = here.handovers.latest()
    for by in (f"operator:{report.outgoing}", "agent:claude", "operator:root"):
        with pytest.raises(Denied):
            here.handovers.accept(report.id, by)
    with pytest.raises(NotFound):
        here.handovers.accept("none", f"operator:{report.incoming}")
    accepted = here.handovers.accept(report.id, f"operator:{report.incoming}")
    here.clock.advance(MINUTE)
    again = here.handovers.accept(report.id, f"operator:{report.incoming}")
    assert again.accepted_at == accepted.accepted_at > 0
    assert len(here.events("respond.handover.accepted")) == 1


@pytest.mark.behaviour("oncall.handover")
def test_the_first_look_and_a_clock_that_is_put_back_hand_nothing_over_twice(world: Make) -> None:
    here = world(DAILY)
    here.look()
    here.look()
    assert here.handovers.latest() == ()
    here.after(60)
    here = world(DAILY, NOON)
    here.look()
    here.look()
    assert len(here.handovers.latest()) == 2
    with pytest.raises(NotFound):
        here.handovers.report("other")


def test_the_view_says_who_is_on_call_and_who_follows(world: Make, pager: Elsewhere) -> None:
    here = world(DAILY)
    here.incident(1)
    here.look()
    standing = here.view.standing()
    (seat,) = standing.seats
    assert {seat.person, seat.next} == {"ann", "bob"}
    assert seat.since <= here.clock.now() < seat.until
    (held,) = standing.escalations
    assert (held.number, held.state, held.steps) == ("INC-2026-0001", "open", 1)
    assert held.next_at == here.clock.now() + 5 * MINUTE
    assert [one.person for one in here.view.calendar("main", 2)] == [seat.person, seat.next, seat.person]
    assert [one.state for one in here.view.pages_of("INC-2026-0001")] == ["sent"]
    assert people(pager) == [seat.person]
