"""An event of ours is in the journal exactly once, wherever the process died."""

from __future__ import annotations

import msgspec
import pytest
from sqlalchemy import select

from watchkeeper.core.errors import Unavailable
from watchkeeper.core.ids import derived_id
from watchkeeper.events import Event, Journal
from watchkeeper.events.catalogue import example_of
from watchkeeper.respond._store import OutboxRow
from watchkeeper.respond.ledger import Ledger
from watchkeeper.respond.model import alert_of

A, B, C = (derived_id("fact", name) for name in "abc")


def fact(event_id: str) -> Event:
    return msgspec.structs.replace(example_of("respond.incident.opened"), id=event_id)


class Flaky:
    """A journal that can be full, or lose its process between append and its answer."""

    writer = "tester"

    def __init__(self, journal) -> None:
        self.journal = journal
        self.is_full = False
        self.dies_waiting = False

    def append(self, event):
        if self.is_full:
            raise Unavailable("the disk is full")
        return self.journal.append(event)

    def wait(self, index):
        self.journal.wait(index)
        if self.dies_waiting:
            raise Unavailable("nobody knows")


def staged(estate, ledger, *ids):
    with estate.database.write() as session:
        for event_id in ids:
            ledger.stage(session, fact(event_id))


def recorded(estate):
    return [event.id for event in estate.events("respond.incident.opened")]


@pytest.mark.behaviour("respond.recorded-once")
@pytest.mark.either_state
def test_what_was_recorded_before_a_crash_is_not_recorded_again_after_it(estate):
    before = Flaky(estate.journal)
    before.dies_waiting = True
    first = Ledger(estate.database, before, estate.reader)
    staged(estate, first, A, B)
    first.flush()
    after = Ledger(estate.database, Flaky(estate.journal), estate.reader)
    staged(estate, after, C)
    after.flush()
    assert recorded(estate) == [A, B, C]


def test_what_a_full_disk_refused_is_recorded_when_there_is_room(estate):
    journal = Flaky(estate.journal)
    ledger = Ledger(estate.database, journal, estate.reader)
    journal.is_full = True
    staged(estate, ledger, A)
    ledger.flush()
    assert recorded(estate) == []
    journal.is_full = False
    ledger.flush()
    assert recorded(estate) == [A]


def test_the_same_event_staged_twice_is_one(estate):
    ledger = Ledger(estate.database, estate.journal, estate.reader)
    staged(estate, ledger, A)
    ledger.flush()
    staged(estate, ledger, A)
    ledger.flush()
    assert recorded(estate) == [A]


@pytest.mark.either_state
def test_two_ledgers_of_one_journal_record_once_and_leave_the_others_alone(estate):
    one, two = (Ledger(estate.database, estate.journal, estate.reader) for _ in range(2))
    other = Flaky(estate.journal)
    other.writer = "console"
    staged(estate, Ledger(estate.database, other, estate.reader), "theirs")
    staged(estate, one, A)
    two.flush()
    one.flush()
    assert recorded(estate) == [A]


@pytest.mark.behaviour("respond.recorded-once")
@pytest.mark.either_state
def test_what_another_recorded_before_it_died_is_marked_where_it_stands(estate):
    estate.rug_pull()
    estate.service().intake.take(alert_of(estate.events("detect.alert.raised")[0]))
    (incident,) = estate.service().incidents.list()
    dying = Flaky(estate.journal)
    dying.dies_waiting = True
    first = Ledger(estate.database, dying, estate.reader)
    with estate.database.write() as session:
        first.stage(session, fact(A), incident.id, "it happened")
    first.flush()
    journal = Journal.open(estate.data, "heir")
    try:
        heir = Ledger(estate.database, journal, estate.reader)
        heir.adopt("tester")
        heir.flush()
        with estate.database.read() as session:
            assert not list(session.scalars(select(OutboxRow.id).where(OutboxRow.is_recorded.is_(False))))
    finally:
        journal.close()
    (line,) = [one for one in estate.service().incidents.show(incident.id).timeline if one.event == A]
    at = estate.reader.find(A)
    assert (line.writer, line.index) == (at.writer, at.index)
    assert line.writer == "tester"
    assert recorded(estate).count(A) == 1
