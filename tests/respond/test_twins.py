"""A process that is stopped with a fact in its hand and records it after another one did: whoever counts counts one.

Detection is not asked: it looks at no facts of response, and knows what it saw by its id (`detect.stream.duplicates`).
"""

from __future__ import annotations

from typing import Any

import msgspec
import pytest

from watchkeeper.core.ids import derived_id
from watchkeeper.events import Event, Journal
from watchkeeper.events.catalogue import example_of
from watchkeeper.events.lake.search import Search
from watchkeeper.respond.cases.exporting import Exporting
from watchkeeper.respond.exports.model import Export
from watchkeeper.respond.exports.timesketch import timeline_lines
from watchkeeper.respond.ledger import Ledger
from watchkeeper.respond.model import alert_of

FACT = derived_id("fact", "twin")


class Stopped:
    """A journal whose process is stopped just before it records, until somebody has taken over."""

    writer = "tester"

    def __init__(self, journal: Journal, takeover: Any) -> None:
        self.journal = journal
        self.takeover = takeover

    def append(self, event: Event) -> int:
        self.takeover()
        return self.journal.append(event)

    def wait(self, index: int) -> None:
        self.journal.wait(index)


@pytest.mark.behaviour("respond.counted-once")
@pytest.mark.either_state
def test_a_fact_that_two_processes_recorded_counts_once_for_every_reader(estate: Any) -> None:
    estate.rug_pull()
    estate.service().intake.take(alert_of(estate.events("detect.alert.raised")[0]))
    (incident,) = estate.service().incidents.list()
    Ledger(estate.database, estate.journal, estate.reader).flush()
    heir_journal = Journal.open(estate.data, "heir")

    def takeover() -> None:
        heir = Ledger(estate.database, heir_journal, estate.reader)
        heir.adopt("tester")
        heir.flush()

    stopped = Ledger(estate.database, Stopped(estate.journal, takeover), estate.reader)
    fact = msgspec.structs.replace(example_of("respond.incident.noted"), id=FACT)
    with estate.database.write() as session:
        stopped.stage(session, fact, incident.id, "it happened")
    stopped.flush()
    stopped.flush()
    try:
        twins = [one for one in estate.events("respond.incident.noted") if one.id == FACT]
        assert twins == [fact, fact]  # nobody can take a record out of a log
        shown = estate.service().incidents.show(incident.id)
        assert [line.what for line in shown.timeline].count("it happened") == 1
        (line,) = [one for one in shown.timeline if one.event == FACT]
        assert (line.writer, line.index) == where_of(estate, line.writer)
        (case,) = Exporting(estate.database).page().exported
        lines = timeline_lines(Export(case.file, tuple(shown.timeline)))
        assert [line.get("event_id") for line in lines].count(FACT) == 1
        found = Search(estate.data).events(unbounded=True, limit=1000)
        assert [event.id for event in found].count(FACT) == 1
    finally:
        heir_journal.close()


def where_of(estate: Any, writer: str) -> tuple[str, int]:
    """Where a log has the fact."""
    cursor: dict[str, int] = {}
    while batch := estate.reader.read(cursor):
        for record in batch:
            cursor[record.position.writer] = record.position.index + 1
            if record.event and record.event.id == FACT and record.position.writer == writer:
                return record.position.writer, record.position.index
    raise AssertionError(writer)
