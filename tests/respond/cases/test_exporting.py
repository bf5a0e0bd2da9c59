"""The export's cursor: nothing is missed, whoever writes meanwhile."""

from __future__ import annotations

import threading

import pytest

from tests.respond.cases.conftest import ADA, Cases
from watchkeeper.core.clock import SECOND
from watchkeeper.core.errors import Invalid


def everything(cases: Cases, cursor: str = "", limit: int = 2) -> tuple[list[str], str]:
    """Numbers in the order of the export, by pages, and the cursor behind them."""
    numbers: list[str] = []
    while True:
        page = cases.book.exporting.page(cursor, limit=limit)
        numbers += [one.file.incident.number for one in page.exported]
        cursor = page.cursor
        if page.is_last:
            return numbers, cursor


@pytest.mark.behaviour("cases.export-misses-nothing")
def test_only_what_changed_comes_again_and_merges_are_shown(either: Cases) -> None:
    a, b, c = (either.alert(at, server=f"s{at}") for at in (1, 2, 3))
    numbers, cursor = everything(either)
    assert numbers == [a, b, c]
    assert everything(either, cursor) == ([], cursor)
    either.book.noting.note(b, ADA, "something")
    assert everything(either, cursor)[0] == [b]
    either.book.merging.merge(a, ADA, c, "the same")
    changed, cursor = everything(either, cursor)
    assert changed[0] == b
    assert set(changed[1:]) == {a, c}
    last = {one.file.incident.number: one.file for one in either.book.exporting.page(limit=10).exported}
    assert last[a].incident.merged_into == last[c].incident.id
    for bad in ("c2-1", "yesterday", "c1--1", "c1-"):
        with pytest.raises(Invalid):
            either.book.exporting.page(bad)


def test_an_export_since_a_time_has_what_was_updated_then_or_later(cases: Cases) -> None:
    cases.alert(1)
    cases.clock.advance(10 * SECOND)
    since = cases.clock.now()
    late = cases.alert(2, server="mail")
    assert [one.file.incident.number for one in cases.book.exporting.page(since=since).exported] == [late]


@pytest.mark.behaviour("cases.export-misses-nothing")
def test_who_follows_the_cursor_sees_every_last_state_while_others_write(either: Cases) -> None:
    names = [either.alert(at, server=f"s{at}") for at in range(4)]
    seen: dict[str, int] = {}
    cursor, is_over, failed = "", threading.Event(), []

    def write(writer: int) -> None:
        try:
            for at in range(12):
                either.book.noting.note(names[(writer + at) % 4], f"operator:w{writer}", f"note {at}")
        except Exception as error:
            failed.append(error)

    writers = [threading.Thread(target=write, args=(number,)) for number in range(3)]
    for thread in writers:
        thread.start()

    def follow() -> None:
        nonlocal cursor
        page = either.book.exporting.page(cursor, limit=3)
        for one in page.exported:
            seen[one.file.incident.number] = len(one.file.notes)
        cursor = page.cursor

    while any(thread.is_alive() for thread in writers):
        follow()
    is_over.set()
    for _ in range(4):
        follow()
    assert failed == []
    assert seen == {name: len(either.book.reading.open(name).notes) for name in names}
    assert sum(seen.values()) == 36
