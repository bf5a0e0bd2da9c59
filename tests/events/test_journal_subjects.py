"""Subjects' keys: durable first, private, and gone when erased."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from watchkeeper.core.clock import ManualClock
from watchkeeper.core.errors import Invalid, NotFound, Untrusted
from watchkeeper.events import Event, Journal, JournalReader
from watchkeeper.events.journal import prove, verify
from watchkeeper.events.journal.forms.frame import parse
from watchkeeper.events.journal.segments import path_of
from watchkeeper.events.journal.subjects import KEY_LIFETIME, SubjectKeys

Make = Callable[..., Event]


@pytest.mark.behaviour("journal.erasure")
def test_an_erased_subject_is_unreadable_and_its_log_still_proves_everything(data_dir: Path) -> None:
    ada = next(r for r in JournalReader(data_dir).read({}) if r.event and r.event.actor == "agent:ada")
    journal = Journal.open(data_dir, "gateway")
    assert journal.erase("agent:ada", by="operator:olga") == 1
    journal.close()
    records = JournalReader(data_dir).read({})
    actors = [record.event.actor if record.event else None for record in records]
    assert "agent:ada" not in actors
    assert actors.count(None) == 10
    assert all(record.record == b"" for record in records if record.event is None)
    assert actors.count("agent:bob") == 10
    last = records[-1].event
    assert last is not None
    assert (last.kind, last.actor) == ("journal.subject.erased", "operator:olga")
    report = verify(data_dir)
    assert (report.code, report.logs[0].erased, report.logs[0].records) == (0, 10, 33)
    assert ada.event is not None
    with pytest.raises(NotFound):
        prove(data_dir, ada.event.id)
    everything = b"".join(path.read_bytes() for path in data_dir.rglob("*") if path.is_file())
    assert b"agent:ada" not in everything


def test_a_reader_that_read_before_the_erasure_cannot_read_after_it(data_dir: Path) -> None:
    reader = JournalReader(data_dir)
    assert all(record.event for record in reader.read({}))
    journal = Journal.open(data_dir, "watch")
    journal.erase("agent:ada", by="operator:olga")
    assert sum(record.event is None for record in reader.read({})) == 10
    journal.close()


def test_a_live_writer_notices_that_another_process_erased_a_subject(tmp_path: Path, make_event: Make) -> None:
    journal = Journal.open(tmp_path, "gateway")
    journal.record(make_event(1))
    code = f"""
from pathlib import Path
from watchkeeper.events import Journal
journal = Journal.open(Path({str(tmp_path)!r}), "cli")
assert journal.erase("agent:ada", by="operator:olga") == 1
journal.close()
"""
    subprocess.run([sys.executable, "-c", code], check=True)
    journal.record(make_event(2))
    journal.close()
    events = [record.event for record in JournalReader(tmp_path).read({"gateway": 1, "cli": 9})]
    assert events[0] is None
    assert events[1] is not None
    assert events[1].body["number"] == 2


def test_the_logs_own_records_cannot_be_erased(tmp_path: Path) -> None:
    journal = Journal.open(tmp_path, "gateway")
    with pytest.raises(Invalid):
        journal.erase("", by="operator:olga")
    journal.close()


@pytest.mark.behaviour("journal.keys-others-can-read-are-refused")
@pytest.mark.parametrize("name", ["subjects.db", "journal-gateway.pem"])
def test_keys_that_others_can_read_are_refused(data_dir: Path, name: str) -> None:
    (data_dir / "keys" / name).chmod(0o640)
    with pytest.raises(Untrusted):
        Journal.open(data_dir, "gateway")
    assert verify(data_dir).code in (1, 2)


def test_a_key_is_replaced_before_its_nonces_could_repeat(tmp_path: Path) -> None:
    clock = ManualClock()
    keys = SubjectKeys(tmp_path, create=True)
    first = keys.for_sealing(["agent:ada"], "gateway", clock.now())["agent:ada"].id
    assert keys.for_sealing(["agent:ada"], "gateway", clock.now())["agent:ada"].id == first
    assert keys.for_sealing(["agent:ada"], "watch", clock.now())["agent:ada"].id != first
    clock.advance(KEY_LIFETIME + 1)
    assert keys.for_sealing(["agent:ada"], "gateway", clock.now())["agent:ada"].id != first
    assert keys.for_opening(first) is not None
    assert keys.erase("agent:ada") == 3
    assert keys.for_opening(first) is None
    keys.close()


def test_no_nonce_and_no_entry_is_used_twice(one_file: Path) -> None:
    content = path_of(one_file / "journal" / "gateway", 0).read_bytes()
    nonces, entries = [], []
    while content:
        frame = parse(content)
        content = content[frame.size :]
        nonces += [block.nonce for block in frame.blocks]
        entries += frame.entries
    assert len(nonces) == len(set(nonces)) == 16
    assert len(entries) == len(set(entries)) == 31


def test_a_key_is_durable_before_the_first_record_under_it(tmp_path: Path, make_event: Make) -> None:
    journal = Journal.open(tmp_path, "gateway")
    journal.record(make_event(1))
    code = f"""
import sqlite3
rows = sqlite3.connect("file:{tmp_path}/keys/subjects.db?mode=ro", uri=True).execute("SELECT subject FROM keys")
print(sorted(row[0] for row in rows))
"""
    seen = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert seen.stdout == "['agent:ada', 'system:gateway']\n"
    journal.close()
