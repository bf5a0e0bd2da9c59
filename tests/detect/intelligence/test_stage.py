"""Intelligence as a stage, over a store on disk."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from watchkeeper.core.clock import ManualClock
from watchkeeper.core.database import Database
from watchkeeper.core.errors import Unavailable
from watchkeeper.detect.alerts.plain import PlainAdmission
from watchkeeper.detect.detector import Detector, Place
from watchkeeper.detect.intelligence.judging import severity_of
from watchkeeper.detect.intelligence.keeping.library import Library
from watchkeeper.detect.intelligence.keeping.sources import Source
from watchkeeper.detect.intelligence.model import Draft, Read, Term, Tlp, Type
from watchkeeper.detect.intelligence.sightings import Sighting, Sightings, sightings
from watchkeeper.detect.intelligence.stage import Intelligence
from watchkeeper.detect.interface import Seen
from watchkeeper.detect.model import Detection
from watchkeeper.detect.stream.judging import Court
from watchkeeper.detect.stream.loop import Loop
from watchkeeper.events import Event, Journal, JournalReader, Position, Severity, new_event
from watchkeeper.events.catalogue.fits import misfit

NOW = ManualClock().now()
DAY = 86_400_000_000


def call(text: str, *, time: int = NOW, **members: Any) -> Event:
    body = {"method": "tools/call", "status": 200, "route": "files", "rules": [], "arguments": text}
    said = {"actor": "agent:ann", "server": "files", "target": "read", "outcome": "allow"} | members
    return new_event(time, "gateway.request.decided", body=body, **said)


def draft(value: str, kind: Type = Type.DOMAIN, **more: Any) -> Draft:
    return Draft(type=kind, value=value, **more)


def stage_of(folder: Path, *drafts: Draft, **source: Any) -> tuple[Library, Intelligence]:
    library = Library(folder, ManualClock())
    library.take(Source(name="one", **source), Read(drafts=list(drafts)))
    return library, Intelligence(library, minimum=30)


def look(stage: Intelligence, event: Event) -> list[Detection]:
    return list(stage.look(Seen(event, Position("gateway", 7))))


@pytest.mark.behaviour("intel.stage")
def test_a_detection_names_the_indicator_its_sources_and_where_it_stands(tmp_path: Path) -> None:
    library, stage = stage_of(tmp_path, draft("evil.net", confidence=90, title="C2", tlp=Tlp.GREEN))
    library.take(Source(name="two", trust=50), Read(drafts=[draft("evil.net")]))
    stage = Intelligence(library, minimum=30)
    event = call('{"url":"https://www.evil.net/x"}')
    (found,) = look(stage, event)
    assert found.found == {
        "indicator": {"type": "domain", "value": "evil.net", "confidence": 90, "tlp": "green"},
        "seen": "www.evil.net",
        "sources": ["one", "two"],
        "titles": ["C2"],
        "where": "body.arguments",
        "sighting": {"first": NOW, "last": NOW, "count": 1},
    }
    assert (found.by.name, found.group, found.key, found.severity, found.position) == (
        "known_bad_domain", "d:evil.net", (event.id, "d:evil.net"), Severity.HIGH, Position("gateway", 7),
    )  # fmt: skip


@pytest.mark.behaviour("intel.stage")
def test_type_and_confidence_decide_how_bad_it_is() -> None:
    weights = (90, 60, 30)
    assert [severity_of(Type.DOMAIN, weight).name for weight in weights] == ["HIGH", "MEDIUM", "LOW"]
    assert [severity_of(Type.DEFINITION, weight).name for weight in weights] == ["CRITICAL", "HIGH", "MEDIUM"]


@pytest.mark.behaviour("intel.stage")
def test_an_indicator_holds_by_the_events_time_and_from_the_least_confidence_on(tmp_path: Path) -> None:
    _, stage = stage_of(
        tmp_path,
        draft("ended.net", valid_until=NOW + DAY),
        draft("later.net", valid_from=NOW + DAY),
        draft("doubted.net", confidence=29),
        draft("enough.net", confidence=30),
    )
    text = "ended.net later.net doubted.net enough.net"
    assert [found.group for found in look(stage, call(text))] == ["d:ended.net", "d:enough.net"]
    assert [found.group for found in look(stage, call(text, time=NOW + DAY))] == ["d:enough.net", "d:later.net"]
    assert list(stage.look(Seen(call(text), Position("gateway", 1), is_mine=False))) == []


@pytest.mark.behaviour("intel.stage")
@pytest.mark.parametrize(
    ("term", "text", "is_found"),
    [
        (Term(Type.IP, "=", "1.2.3.4"), "evil.net 1.2.3.4", True),
        (Term(Type.IP, "=", "1.2.3.4"), "evil.net", False),
        (Term(Type.IP, "=", "1.2.3.4", True), "evil.net 1.2.3.4", False),
        (Term(Type.NETWORK, "=", "1.2.0.0/16"), "evil.net 1.2.9.9", True),
        (Term(Type.NETWORK, "=", "1.2.0.0/16"), "evil.net 1.3.9.9", False),
        (Term(Type.URL, "LIKE", "http%/gate_.php"), "http://evil.net/gate7.php", True),
        (Term(Type.URL, "LIKE", "http%/gate_.php"), "http://evil.net/gate77.php", False),
        (Term(Type.URL, "MATCHES", "gate[0-9]+"), "http://evil.net/gate77", True),
        (Term(Type.DOMAIN, "=", "other.org"), "evil.net www.other.org", True),
        (Term(Type.PACKAGE, "=", "npm/tool"), "evil.net npx tool@1.2", True),
        (Term(Type.SERVER, "=", "files"), "evil.net", True),
    ],
    ids=range(11),
)
def test_the_rest_of_a_pattern_must_hold_too(tmp_path: Path, term: Term, text: str, is_found: bool) -> None:
    _, stage = stage_of(tmp_path, draft("evil.net", also=(term,)))
    assert bool(look(stage, call(text))) is is_found


@pytest.mark.behaviour("intel.reload")
def test_new_indicators_are_looked_for_and_a_damaged_index_is_told_once(tmp_path: Path) -> None:
    library, stage = stage_of(tmp_path, draft("evil.net"))
    assert look(stage, call("worse.net")) == []
    library.take(Source(name="two"), Read(drafts=[draft("worse.net")]))
    assert list(stage.pass_time(NOW)) == []
    assert len(look(stage, call("worse.net evil.net"))) == 2
    (tmp_path / "damaged").write_bytes(b"nothing")
    (tmp_path / "damaged").replace(library.index_path)
    with pytest.raises(Unavailable):
        list(stage.pass_time(NOW))
    assert list(stage.pass_time(NOW)) == []
    assert len(look(stage, call("worse.net"))) == 1
    damaged = Intelligence(library)
    with pytest.raises(Unavailable):
        list(damaged.pass_time(NOW))


@pytest.mark.behaviour("intel.sightings")
def test_sightings_are_counted_by_tenant_and_restored(tmp_path: Path) -> None:
    _, stage = stage_of(tmp_path, draft("evil.net"))
    for second in range(3):
        look(stage, call("evil.net", time=NOW + second))
    look(stage, call("evil.net", tenant="other"))
    kept = {key: row for key, row in stage.changes().items() if row is not None}
    assert (len(kept), stage.changes()) == (2, {})
    _, again = stage_of(tmp_path)
    again.restore(kept)
    (found,) = look(again, call("evil.net", time=NOW + 9))
    assert found.found["sighting"] == {"first": NOW, "last": NOW + 9, "count": 4}


@pytest.mark.behaviour("intel.sightings")
def test_the_longest_unseen_goes_when_there_is_no_room() -> None:
    memory = Sightings(most=2)
    for key in ("d:a", "d:b", "d:a", "d:c"):
        memory.note(Sighting("default", key, 1, 1, 1))
    changed = memory.changes()
    assert sorted((key.rpartition("\x1f")[2], row is None) for key, row in changed.items()) == [
        ("d:a", False), ("d:b", True), ("d:c", False),
    ]  # fmt: skip


@pytest.mark.behaviour("intel.stage", "intel.sightings")
def test_in_the_stream_an_indicator_raises_an_alert_that_fits_the_catalogue(tmp_path: Path) -> None:
    library = Library(tmp_path, ManualClock())
    library.take(Source(name="one", confidence=90), Read(drafts=[draft("evil.net")]))
    database = Database.at(tmp_path / "state.db")
    database.create_missing_tables()
    journal = Journal.open(tmp_path, "watch")
    journal.record(call("go to evil.net"))
    journal.record(call("go to good.net"))
    court = Court(Loop(()), (Intelligence(library),), PlainAdmission())
    detector = Detector(court, Place(journal, JournalReader(tmp_path), database), clock=ManualClock())
    detector.step()
    detector.save()
    journal.close()
    records = JournalReader(tmp_path).read({}, limit=100)
    alerts = [one.event for one in records if one.event and one.event.kind == "detect.alert.raised"]
    assert [(alert.body["name"], alert.body["group"], misfit(alert)) for alert in alerts] == [
        ("known_bad_domain", "d:evil.net", "")
    ]
    seen = sightings(database)["d:evil.net"]
    assert (seen.count, seen.server, seen.actor, sightings(database, "other")) == (1, "files", "agent:ann", {})
    database.close()
