"""Files of events are read however people have them, and what is no JSON costs its line only."""

from __future__ import annotations

import gzip
import json
from pathlib import Path

import pytest

from watchkeeper.core.errors import Invalid
from watchkeeper.detect.sigma.foreign.files import files_of, items_of

A, B = {"a": 1}, {"b": [2]}
PRETTY = json.dumps(A, indent=2)

FORMS: dict[str, bytes] = {
    "lines": b'{"a":1}\n{"b":[2]}\n',
    "lines-without-an-end": b'{"a":1}\n\n{"b":[2]}',
    "lines-of-windows": b'{"a":1}\r\n{"b":[2]}\r\n',
    "an-array": json.dumps([A, B]).encode(),
    "an-array-over-lines": json.dumps([A, B], indent=1).encode(),
    "one-after-another": f"{PRETTY}\n{json.dumps(B, indent=4)}\n".encode(),
    "one-after-another-in-a-line": b'{"a":1}{"b":[2]}',
    "with-headings": f"Record 1\n{PRETTY}\nRecord 2\n{json.dumps(B, indent=2)}\n".encode(),
    "records-of-a-cloud": json.dumps({"Records": [A, B]}).encode(),
    "a-byte-order-mark": b'\xef\xbb\xbf{"a":1}\n{"b":[2]}\n',
    "utf-16-without-a-mark": '{"a":1}\n{"b":[2]}\n'.encode("utf-16-le"),
    "utf-16-the-other-way-round": '[{"a":1},\n{"b":[2]}]'.encode("utf-16-be"),
    "utf-16": '{"a":1}\n{"b":[2]}\n'.encode("utf-16"),
}


def read(path: Path) -> tuple[list[object], list[tuple[int, str]]]:
    told: list[tuple[int, str]] = []
    items = list(items_of(path, lambda _, line, why: told.append((line, why))))
    return [event for item in items for event in item.events], told


@pytest.mark.behaviour("rules.event-files")
@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("is_packed", [False, True], ids=["plain", "gzip"])
def test_the_same_events_are_read_from_every_form(tmp_path: Path, form: str, is_packed: bool) -> None:
    data = FORMS[form]
    (tmp_path / "e.json").write_bytes(gzip.compress(data) if is_packed else data)
    assert read(tmp_path / "e.json") == ([A, B], [])


@pytest.mark.behaviour("rules.event-files")
def test_one_object_over_many_lines_is_one_event(tmp_path: Path) -> None:
    (tmp_path / "e.json").write_text(PRETTY, encoding="utf-8")
    assert read(tmp_path / "e.json") == ([A], [])


@pytest.mark.behaviour("rules.event-files")
@pytest.mark.parametrize("around", ["{%s}", '{"Events":{%s}}', '{"xml":"1.0",%s}'])
def test_a_list_of_windows_events_is_so_many_events(tmp_path: Path, around: str) -> None:
    events = [{"System": {"EventID": number}, "EventData": {"Data": "x"}} for number in (1, 2)]
    (tmp_path / "e.json").write_text(around % f'"Event":{json.dumps(events)}', encoding="utf-8")
    assert read(tmp_path / "e.json") == ([{"Event": event} for event in events], [])


@pytest.mark.behaviour("rules.event-files")
def test_a_list_that_is_none_of_events_and_lists_too_deep_are_told(tmp_path: Path) -> None:
    deep = b"[" * 800 + b"]" * 800
    (tmp_path / "e.json").write_bytes(b'{"Event":[7]}\n' + deep + b'\n{"a":1}')
    events, told = read(tmp_path / "e.json")
    assert events == [A]
    assert (1, "holds a list under `Event` where an event should be") in told
    assert {line for line, _ in told} <= {1, 2}


@pytest.mark.behaviour("rules.event-files")
def test_what_cannot_be_read_is_counted_with_its_line_and_costs_no_more(tmp_path: Path) -> None:
    deep = b"[" * 100_000
    lines = [b'{"a":1}', b"words", b'{"a":', deep, b"\xff\xfe\x00", b"7", b'{"n": NaN}', b'{"b":[2]}']
    (tmp_path / "e.jsonl").write_bytes(b"\n".join(lines))
    events, told = read(tmp_path / "e.jsonl")
    assert [line for line, _ in told] == [2, 3, 4, 5, 6]
    assert (events[0], events[2]) == (A, B)


@pytest.mark.behaviour("rules.event-files")
@pytest.mark.parametrize("data", [b"\x1f\x8bno gzip", b"\x00\x01\x02", b"", b"Record 1\n<Event>"], ids=list("abcd"))
def test_a_file_that_holds_no_events_breaks_nothing(tmp_path: Path, data: bytes) -> None:
    (tmp_path / "e.json").write_bytes(data)
    events, told = read(tmp_path / "e.json")
    assert (events, bool(told)) == ([], bool(data))


@pytest.mark.behaviour("rules.event-files")
def test_a_case_keeps_its_events_together(tmp_path: Path) -> None:
    case = {"id": "c1", "label": "malicious", "data": {"events": [A, B, 7], "note": "x"}}
    (tmp_path / "e.jsonl").write_text(f"{json.dumps(case)}\n{json.dumps(A)}\n", encoding="utf-8")
    found = list(items_of(tmp_path / "e.jsonl", lambda *_: None))
    assert [(item.line, item.case, item.events) for item in found] == [(1, "c1", [A, B]), (2, "", [A])]


def test_a_folder_gives_its_files_of_events_and_counts_the_others(tmp_path: Path) -> None:
    for name in ("b.json", "a/x.jsonl.gz", "a/info.yml", "c.evtx"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).touch()
    files, others = files_of([tmp_path])
    assert ([str(path.relative_to(tmp_path)) for path in files], others) == (["a/x.jsonl.gz", "b.json"], 2)
    with pytest.raises(Invalid):
        files_of([tmp_path / "none"])
