"""What was remembered and cannot be read: told, counted, begun anew; never a crash loop, never in silence."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path

import msgspec
import pytest
from sqlalchemy import text

from tests.detect.stream.court import RULE, Bench, Counting, call, calls, court_of, drain
from watchkeeper.detect.interface import Seen
from watchkeeper.detect.keys import key_of
from watchkeeper.detect.model import Detection
from watchkeeper.detect.stream.judging import Court
from watchkeeper.detect.stream.loop import Loop
from watchkeeper.detect.stream.state import State
from watchkeeper.events import Event
from watchkeeper.events.erasure.scanning import Needle


@pytest.fixture
def bench(tmp_path: Path) -> Iterator[Bench]:
    made = Bench(tmp_path)
    yield made
    made.close()


def remembered(bench: Bench) -> None:
    """A life that saw ten calls of each kind, and ended."""
    bench.record(calls(30))
    detector = bench.detector()
    drain(detector)
    detector.save()


def damage(bench: Bench, where: str, value: bytes = b"\xff") -> None:
    with bench.database.write() as session:
        session.execute(text(f"UPDATE detect_memories SET value = :value WHERE {where}"), {"value": value})


def counts(bench: Bench) -> dict[str, int]:
    kept = State(bench.database, "detect").load().memories.get("counting", {})
    return {key: msgspec.json.decode(value) for key, value in kept.items()}


def lost(bench: Bench) -> list[dict[str, object]]:
    return [event.body for event in bench.derived() if event.kind == "detect.memory.lost"]


@pytest.mark.behaviour("detect.damaged-memory")
def test_a_damaged_row_costs_that_row_and_is_told_once(bench: Bench) -> None:
    remembered(bench)
    damage(bench, f"memory = 'counting' AND key = '{key_of('counting', 'read')}'")
    for life in range(2):
        detector = bench.detector()
        drain(detector)
        bench.record([call(10_000_000 + life)])
        drain(detector)
        detector.save()
        assert detector.progress().forgotten == 1 - life
    why = "rows are not as they were written"
    assert lost(bench) == [{"reader": "detect", "memory": "counting", "rows": 1, "kept": 2, "why": why}]
    expected = {"read": 2, "write": 10, "list": 10}
    assert counts(bench) == {key_of("counting", target): count for target, count in expected.items()}


class Forgetful(Counting):
    """Cannot read what it wrote."""

    def restore(self, kept: Mapping[str, bytes]) -> None:
        super().restore(kept)
        if kept:
            raise KeyError("a form of an older version")


@pytest.mark.behaviour("detect.damaged-memory")
def test_a_memory_that_cannot_be_read_begins_anew_and_the_others_do_not(bench: Bench) -> None:
    remembered(bench)
    detector = bench.detector(Court(Loop((RULE,)), (Forgetful(), Counting(name="other"))))
    bench.record([call(10_000_000)])
    drain(detector)
    detector.save()
    assert lost(bench) == [{"reader": "detect", "memory": "counting", "rows": 3, "kept": 0, "why": "KeyError"}]
    assert counts(bench) == {key_of("counting", "read"): 1}
    assert detector.progress().forgotten == 3


@pytest.mark.behaviour("detect.damaged-memory")
def test_an_alert_that_was_owed_and_cannot_be_read_is_told(bench: Bench) -> None:
    bench.record([call(0, outcome="deny")])
    detector = bench.detector()
    detector._outbox.publish = lambda: []  # type: ignore[method-assign]  # killed after the transaction
    drain(detector)
    with bench.database.write() as session:
        session.execute(text("UPDATE detect_outbox SET record = '{}'"))
    after = bench.detector()
    drain(after)
    after.save()
    assert [(one["memory"], one["rows"]) for one in lost(bench)] == [("outbox", 2)]
    assert State(bench.database, "detect").load().owed == ()


class Broken(Counting):
    """Fails on every second event, and on time."""

    def look(self, seen: Seen) -> Iterable[Detection]:
        found = list(super().look(seen))
        yield from found
        if seen.position.index % 2:
            raise ZeroDivisionError("hostile text")

    def pass_time(self, watermark: int) -> Iterable[Detection]:
        raise TypeError


@pytest.mark.behaviour("detect.failing-stage")
def test_a_stage_that_fails_is_recorded_once_a_minute_and_the_others_go_on(bench: Bench) -> None:
    bench.record(calls(60))
    detector = bench.detector(Court(Loop((RULE,)), (Broken(name="broken"), Counting())))
    drain(detector)
    failures = [event.body for event in bench.derived() if event.kind == "detect.stage.failed"]
    assert [(one["stage"], one["why"], one["silent"]) for one in failures] == [("broken", "ZeroDivisionError", 0)]
    assert sum(event.body.get("rule") == "counting" for event in bench.derived()) == 3 * 6
    assert detector.progress().failures >= 30


class Refusing:
    """An admission that fails."""

    name = "refusing"

    def restore(self, kept: Mapping[str, bytes]) -> None: ...

    def changes(self) -> Mapping[str, bytes | None]:
        return {}

    def admit(self, detection: Detection, now: int) -> Iterable[Event]:
        raise RuntimeError

    def pass_time(self, watermark: int, now: int) -> Iterable[Event]:
        return ()


@pytest.mark.behaviour("detect.failing-stage")
def test_an_admission_that_fails_costs_no_alert(bench: Bench) -> None:
    bench.record(calls(20))
    drain(bench.detector(Court(Loop((RULE,)), (), Refusing())))
    kinds = [event.kind for event in bench.derived()]
    assert kinds.count("detect.alert.raised") == 5
    assert kinds.count("detect.stage.failed") == 1


class Unwritable(Refusing):
    """Makes of each detection what no record can be made of."""

    def admit(self, detection: Detection, now: int) -> Iterable[Event]:
        body = {"no": object()}
        yield Event(v=1, id=f"x{detection.position.index}", time=now, kind="detect.alert.raised", body=body)


@pytest.mark.behaviour("detect.failing-stage")
def test_what_cannot_be_written_down_is_counted_and_told_and_stops_nothing(bench: Bench) -> None:
    bench.record(calls(20))
    detector = bench.detector(Court(Loop((RULE,)), (), Unwritable()))
    drain(detector)
    assert detector.progress().unrecordable == 5
    (told,) = (event.body for event in bench.derived())
    assert (told["stage"], told["why"]) == ("record detect.alert.raised", "Unrecordable")


@pytest.mark.behaviour("detect.forgets-a-person")
def test_what_is_remembered_of_somebody_is_forgotten_at_once_and_the_rest_is_not(bench: Bench) -> None:
    remembered(bench)
    detector = bench.detector()
    bench.record(calls(3, since=30))
    detector.step()
    needle = Needle("read")
    assert detector.forget(needle.count) == 2
    assert not any(needle.count(row) for row in remains(bench))
    bench.record(calls(3, since=33))
    drain(detector)
    detector.save()
    expected = {"read": 1, "write": 12, "list": 12}
    assert counts(bench) == {key_of("counting", target): count for target, count in expected.items()}


def remains(bench: Bench) -> Iterator[bytes]:
    kept = State(bench.database, "detect").load()
    for rows in kept.memories.values():
        for key, value in rows.items():
            yield key.encode() + b" " + value
    yield from (one.record for one in kept.owed)


def test_two_memories_of_one_name_are_a_mistake(bench: Bench) -> None:
    with pytest.raises(AssertionError):
        bench.detector(Court(Loop((RULE,)), (Counting(), Counting())))
    assert court_of() is not None
