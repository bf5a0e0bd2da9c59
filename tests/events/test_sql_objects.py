"""SQL over a lake in an object store: an S3 server over real HTTP, its failure, and who can see the keys."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import pytest

pytest.importorskip("moto", reason="needs moto's S3 server")

from click.testing import CliRunner

from tests.events.object_store import Store
from watchkeeper.app.lakes import lake_in, leave_word
from watchkeeper.cli import main
from watchkeeper.core.clock import SystemClock
from watchkeeper.events.journal import Journal
from watchkeeper.events.lake.reader import LakeReader
from watchkeeper.events.lake.settings import LakeSettings, LakeStoreSettings
from watchkeeper.events.lake.sql.model import Range
from watchkeeper.events.lake.sql.running import Progress
from watchkeeper.events.model import new_event

pytestmark = pytest.mark.slow
ALL = Range()
SECRET = "0pen-sesame-of-the-store"
COUNT = "SELECT count(*) AS n, count(DISTINCT id) AS d FROM events WHERE kind = 'gateway.request.decided'"


@pytest.fixture(scope="module")
def store() -> Iterator[Store]:
    with Store() as running:
        yield running


def record(data: Path, count: int) -> None:
    journal, now = Journal.open(data, "gateway"), SystemClock().now()
    for number in range(count):
        last = journal.append(new_event(now, "gateway.request.decided", target=f"tool{number}", outcome="deny"))
    journal.wait(last)
    journal.close()


@pytest.fixture
def data(store: Store, tmp_path: Path) -> Path:
    """Thirty rows in the store and five that only the journal has; the keys lie in files."""
    for name, text in (("key", "a"), ("secret", SECRET)):
        (tmp_path / name).write_text(text)
        (tmp_path / name).chmod(0o600)
    reached = LakeStoreSettings(
        endpoint=store.url,
        access_key=f"file:{tmp_path}/key",
        secret_key=f"file:{tmp_path}/secret",
        retries=0,
        timeout_seconds=10,
    )
    data = tmp_path / "data"
    record(data, 30)
    settings = LakeSettings(url=f"s3://lake/{tmp_path.name.replace('_', '-')}", store=reached)
    place = leave_word(data, settings)
    with LakeReader(data, settings, place=place) as lake:
        lake.fill()
    record(data, 5)
    return data


@pytest.mark.behaviour("sql.object-store")
def test_a_query_reads_the_store_and_nobody_can_see_what_opens_it(data: Path) -> None:
    lake, seen = lake_in(data, "default"), set[bytes]()
    prepared = lake.prepare(COUNT, ALL)
    plan = lake.plan(prepared)
    assert (plan.files > 0, plan.rows >= 30, plan.note) == (True, True, "")

    def tell(progress: Progress) -> None:
        assert progress.bytes_read is None  # it would be the bytes of something else
        for child in Path(f"/proc/{os.getpid()}/task/{os.getpid()}/children").read_text().split():
            seen.add(Path(f"/proc/{child}/cmdline").read_bytes())
            seen.add(Path(f"/proc/{child}/environ").read_bytes())

    answer = lake.run(prepared, tell=tell)
    assert (answer.rows, answer.plan.note) == (((35, 35),), "")
    assert answer.from_journal >= 5
    assert any(b"child.py" in one for one in seen)
    assert not any(SECRET.encode() in one for one in seen)
    assert SECRET not in repr(answer)


@pytest.mark.behaviour("sql.object-store")
def test_the_commands_read_the_lake_where_it_lies(data: Path) -> None:
    asked = CliRunner().invoke(main, ["events", "sql", COUNT, "--since", "all", "--json", "--data", str(data)])
    assert (asked.stdout, asked.stderr) == ('{"n":35,"d":35}\n', "")
    planned = CliRunner().invoke(main, ["events", "sql", COUNT, "--since", "all", "--plan", "--data", str(data)])
    assert "reads   0 of 0" not in planned.stdout
    assert "note" not in planned.stdout
    hunted = CliRunner().invoke(main, ["hunts", "run", "literal_in_arguments", "--param", "needle=x", "--plan", "--data", str(data)])  # fmt: skip  # noqa: E501
    assert hunted.exit_code == 0
    assert "note" not in hunted.stdout


@pytest.mark.behaviour("sql.object-store")
def test_a_store_that_does_not_answer_is_said_and_the_journal_answers_alone(store: Store, data: Path) -> None:
    lake = lake_in(data, "default")
    store.breaks("always")
    try:
        answer = lake.run(lake.prepare(COUNT, ALL))
    finally:
        store.breaks("")
    assert answer.rows == ((35, 35),)
    assert "the lake cannot be read" in answer.plan.note
    assert SECRET not in answer.plan.note
