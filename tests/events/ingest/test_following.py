"""Following a file through everything that happens to logs."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from watchkeeper.core.clock import SystemClock
from watchkeeper.events import Journal, JournalReader
from watchkeeper.events.ingest import Intake, SourceSettings
from watchkeeper.events.ingest.following import Followed
from watchkeeper.events.ingest.formats.agentgateway import AgentGateway
from watchkeeper.events.ingest.recent import Recent
from watchkeeper.inspection.inspection import Inspection


def line(number: int) -> str:
    return f"2025-07-03T16:56:34.{number:06d}Z\tinfo\trequest mcp.method.name=tools/call gen_ai.tool.name=t{number}\n"


@pytest.fixture
def journal(tmp_path: Path) -> Iterator[Journal]:
    journal = Journal.open(tmp_path / "data", "ingest")
    yield journal
    journal.close()


@pytest.fixture
def follow(tmp_path: Path, journal: Journal) -> Callable[..., Followed]:
    """A follower as a process that has just begun makes it."""

    def make(longest: int = 4096) -> Followed:
        recent = Recent()
        recent.seed(tmp_path / "data", "ingest")
        source = SourceSettings(format="agentgateway")
        intake = Intake(
            "agents", source, journal=journal, inspection=Inspection([]), clock=SystemClock(), recent=recent
        )
        return Followed(intake, AgentGateway, tmp_path / "agw.log", tmp_path / "data" / "place.json", longest)

    return make


def read(file: Followed, journal: Journal) -> None:
    while file.step():
        if file.unsaved is not None:
            journal.wait(file.unsaved)
        file.save()


def seen(tmp_path: Path) -> list[str]:
    events = [record.event for record in JournalReader(tmp_path / "data").read({}, limit=10_000)]
    return [event.target for event in events if event and event.kind == "gateway.request.observed"]


@pytest.mark.behaviour("ingest.followed")
def test_what_is_appended_is_read_once_whole_lines_only(
    tmp_path: Path, journal: Journal, follow: Callable[..., Followed]
) -> None:
    log, file = tmp_path / "agw.log", follow()
    assert not file.step()
    assert "cannot read" in file.failure
    log.write_text(line(0) + line(1)[:30])
    read(file, journal)
    assert (seen(tmp_path), file.failure) == (["t0"], "")
    with log.open("a") as more:
        more.write(line(1)[30:] + line(2))
    read(file, journal)
    assert seen(tmp_path) == ["t0", "t1", "t2"]


@pytest.mark.behaviour("ingest.followed")
def test_a_restart_goes_on_where_it_was_also_when_the_file_was_rotated_meanwhile(
    tmp_path: Path, journal: Journal, follow: Callable[..., Followed]
) -> None:
    log = tmp_path / "agw.log"
    log.write_text(line(0))
    first = follow()
    read(first, journal)
    first.close()
    with log.open("a") as more:
        more.write(line(1))
    log.rename(tmp_path / "agw.log.1")
    log.write_text(line(2))
    second = follow()
    read(second, journal)
    assert seen(tmp_path) == ["t0", "t1", "t2"]
    assert second._intake.tally.refused == {}


@pytest.mark.behaviour("ingest.followed")
def test_what_was_read_and_not_yet_remembered_is_not_doubled_after_a_crash(
    tmp_path: Path, journal: Journal, follow: Callable[..., Followed]
) -> None:
    (tmp_path / "agw.log").write_text(line(0) + line(1))
    crashed = follow()
    assert crashed.step()
    assert crashed.unsaved is not None
    journal.wait(crashed.unsaved)  # and dies before `save`
    crashed.close()
    again = follow()
    read(again, journal)
    assert seen(tmp_path) == ["t0", "t1"]
    assert again._intake.tally.doubled == 2


@pytest.mark.behaviour("ingest.followed")
def test_rotation_and_truncation_while_it_runs(
    tmp_path: Path, journal: Journal, follow: Callable[..., Followed]
) -> None:
    log, file = tmp_path / "agw.log", follow()
    log.write_text(line(0))
    read(file, journal)
    with log.open("a") as more:
        more.write(line(1).rstrip("\n"))  # the last line of a file that is rotated may have no end
    log.rename(tmp_path / "agw.log.1")
    log.write_text(line(2) + line(3))
    read(file, journal)
    assert seen(tmp_path) == ["t0", "t1", "t2", "t3"]
    log.write_text(line(4))  # cut back and written anew, as `copytruncate` does
    read(file, journal)
    assert seen(tmp_path)[-1] == "t4"


def test_a_file_that_went_away_unread_is_counted(
    tmp_path: Path, journal: Journal, follow: Callable[..., Followed]
) -> None:
    log = tmp_path / "agw.log"
    log.write_text(line(0))
    first = follow()
    read(first, journal)
    first.close()
    log.rename(tmp_path / "elsewhere")
    log.write_text(line(1))
    second = follow()
    read(second, journal)
    assert second._intake.tally.refused == {"rotated away unseen": 1}
    assert seen(tmp_path) == ["t0", "t1"]


@pytest.mark.behaviour("ingest.bounded")
def test_lines_that_are_too_long_or_none_are_counted_and_the_rest_is_read(
    tmp_path: Path, journal: Journal, follow: Callable[..., Followed]
) -> None:
    (tmp_path / "agw.log").write_bytes(
        b"x" * 10_000 + b"\n" + line(0).encode() + b"garbage \xff\n\n" + line(1).encode()
    )
    file = follow(longest=2000)
    read(file, journal)
    assert seen(tmp_path) == ["t0", "t1"]
    assert file._intake.tally.refused == {"too long": 1, "no line of agentgateway: a time, a level, a scope": 1}
