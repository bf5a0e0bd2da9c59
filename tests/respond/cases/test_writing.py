"""Notes, tasks, lessons, links, hours."""

from __future__ import annotations

import pytest

from tests.respond.cases.conftest import ADA, EVE, Cases
from watchkeeper.core.clock import SECOND
from watchkeeper.core.errors import Conflict, Invalid, NotFound


@pytest.mark.behaviour("cases.notes-are-kept")
def test_a_note_is_corrected_by_another_and_both_stay(either: Cases) -> None:
    name, write = either.alert(1), either.book.noting
    first = write.note(name, ADA, "it began on Monday")
    write.note(name, EVE, "it began on Sunday", corrects=first.id)
    notes = either.book.reading.open(name).notes
    assert [(note.by, note.text, note.corrects) for note in notes] == [
        (ADA, "it began on Monday", ""),
        (EVE, "it began on Sunday", first.id),
    ]
    told = either.events("respond.incident.noted")
    assert [(event.actor, event.body["text"]) for event in told] == [(n.by, n.text) for n in notes]
    lines = either.book.reading.timeline(name).entries
    assert {line.event for line in lines} >= {event.id for event in told}
    assert all(line.index >= 0 for line in lines if line.event in {event.id for event in told})
    other = either.alert(2, server="mail")
    with pytest.raises(NotFound):
        write.note(other, ADA, "a note of another incident", corrects=first.id)
    with pytest.raises(Invalid):
        write.note(name, ADA, "x" * 10_001)


@pytest.mark.behaviour("cases.tasks")
def test_tasks_are_given_done_and_listed_when_overdue(cases: Cases) -> None:
    name, tasks = cases.alert(1), cases.book.tasks
    later = tasks.add(name, ADA, "tell the vendor", assignee="eve", due_at=cases.clock.now() + 60 * SECOND)
    tasks.add(name, ADA, "read the history")
    assert [task.title for task in tasks.list()] == ["tell the vendor", "read the history"]
    assert tasks.list(overdue=True) == []
    cases.clock.advance(61 * SECOND)
    assert [task.id for task in tasks.list(overdue=True)] == [later.id]
    assert [task.id for task in tasks.list(assignee="eve")] == [later.id]
    with pytest.raises(Conflict):
        tasks.change(later.id, ADA, was="", assignee="ada", due_at=0)
    tasks.change(later.id, ADA, was="eve", assignee="ada", due_at=0)
    done = tasks.done(later.id[-12:], ADA)
    assert (done.done_by, tasks.list(overdue=True)) == (ADA, [])
    with pytest.raises(Conflict):
        tasks.done(later.id, EVE)
    assert tasks.reopen(later.id, EVE).done_at == 0
    acts = [event.body["act"] for event in cases.events("respond.incident.tasked")]
    assert acts == ["added", "added", "changed", "done", "reopened"]
    for bad in ("", "%", "_" * 12, "nobody-has-this"):
        with pytest.raises(NotFound):
            tasks.done(bad, ADA)
    with pytest.raises(Invalid):
        tasks.add(name, ADA, "too late", due_at=1)


@pytest.mark.behaviour("cases.lessons-are-followed-up")
def test_a_lesson_is_followed_up_by_somebody_and_listed_until_it_is_done(cases: Cases) -> None:
    name = cases.alert(1)
    lesson = cases.book.noting.lesson(name, ADA, "nobody watched the pins")
    due = cases.clock.now() + SECOND
    action = cases.book.tasks.add(name, ADA, "page on a changed pin", assignee="eve", due_at=due, lesson=lesson.id)
    cases.book.deciding.close(name, ADA, "over")
    cases.clock.advance(2 * SECOND)
    assert cases.book.tasks.list() == []
    assert [task.id for task in cases.book.tasks.list(lessons=True, overdue=True)] == [action.id]
    cases.book.tasks.done(action.id, EVE)
    assert cases.book.tasks.list(lessons=True) == []
    note = cases.book.noting.note(name, ADA, "no lesson")
    with pytest.raises(NotFound):
        cases.book.tasks.add(name, ADA, "x", lesson=note.id)


@pytest.mark.behaviour("cases.links")
def test_an_incident_is_linked_with_what_it_has_to_do_with(cases: Cases) -> None:
    name, other, links = cases.alert(1), cases.alert(2, server="mail"), cases.book.links
    given = {
        "advisory": "CVE-2025-6514",
        "tool": "files/read",
        "ticket": "https://tickets.example/browse/SEC-1",
        "incident": other,
        "fingerprint": "sha256:aa",
        "hunt": "secrets",
    }
    for kind, value in given.items():
        links.add(name, ADA, kind, value)
    assert {link.kind.value: link.value for link in cases.book.reading.open(name).links} == given
    with pytest.raises(Conflict):
        links.add(name, EVE, "advisory", "CVE-2025-6514")
    links.remove(name, EVE, "ticket", given["ticket"], "the wrong one")
    assert len(cases.book.reading.open(name).links) == 5
    (gone,) = cases.events("respond.incident.unlinked")
    assert (gone.actor, gone.body["value"], gone.body["reason"]) == (EVE, given["ticket"], "the wrong one")
    with pytest.raises(NotFound):
        links.remove(name, EVE, "ticket", given["ticket"], "again")


@pytest.mark.behaviour("cases.links")
@pytest.mark.parametrize(
    ("kind", "value"),
    [
        ("ticket", "javascript:alert(1)"),
        ("ticket", "https://user:pass@tickets.example/"),
        ("ticket", "https://tickets.example/a b"),
        ("ticket", "https://tickets.example/\u202egpj"),
        ("ticket", "https://[::1"),
        ("advisory", "data:text/html://x"),
        ("advisory", "some words"),
        ("tool", "files"),
        ("server", ""),
        ("server", "x" * 513),
        ("feeling", "bad"),
    ],
)
def test_a_link_that_nobody_should_follow_is_refused(cases: Cases, kind: str, value: str) -> None:
    name = cases.alert(1)
    with pytest.raises(Invalid):
        cases.book.links.add(name, ADA, kind, value)
    assert cases.book.reading.open(name).links == ()


@pytest.mark.behaviour("cases.hours")
def test_hours_are_what_people_say_they_worked(cases: Cases) -> None:
    name = cases.alert(1)
    cases.book.noting.effort(name, ADA, 90, "read the history")
    cases.book.noting.effort(name, EVE, 30)
    efforts = cases.book.reading.open(name).effort
    assert {(effort.by, effort.minutes) for effort in efforts} == {(ADA, 90), (EVE, 30)}
    for minutes in (0, -1, 1441):
        with pytest.raises(Invalid):
            cases.book.noting.effort(name, ADA, minutes)


@pytest.mark.behaviour("cases.timeline-by-the-page")
def test_a_timeline_is_read_by_the_page_in_its_order(cases: Cases) -> None:
    name = cases.alert(1)
    for at in range(2, 30):
        cases.alert(at)
    whole = cases.book.reading.timeline(name, 1000)
    pages = [cases.book.reading.timeline(name, 7, at) for at in range(0, whole.total, 7)]
    assert tuple(line for page in pages for line in page.entries) == whole.entries
    assert [line.time for line in whole.entries] == sorted(line.time for line in whole.entries)
    assert cases.book.reading.timeline(name, 7, 10_000).entries == ()
