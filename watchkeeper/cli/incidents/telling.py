"""An incident in lines for a terminal."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from watchkeeper.cli.output import moment
from watchkeeper.core.text import visible
from watchkeeper.events.model import SEVERITIES

SHORT = 12
"""Characters of an id's end: ids begin with the time, and would look alike."""


def page(found: dict[str, Any]) -> Iterator[str]:
    """Everything about one incident."""
    about = found["incident"]
    severity = SEVERITIES.get(about["severity"], about["severity"])
    yield f"{about['number']}  {about['state']}  {severity}  {_line(about['title'])}"
    yield from _standing(found)
    if about["advice"]:
        yield f"  what to do: {about['advice']}"
    yield from _tasks(found)
    yield from _rest(found)
    yield ""
    for entry in found["timeline"]:
        yield f"  {moment(entry['time'])}  {_line(entry['what'])}"
    if found["entries"] > len(found["timeline"]):
        yield f"  … {found['entries']} lines: `watchkeeper incidents timeline {about['number']} --offset …`"
    yield f"\nProve any of it: watchkeeper journal prove EVENT_ID (ids: incidents show {about['number']} --json)"


def _standing(found: dict[str, Any]) -> Iterator[str]:
    about = found["incident"]
    owner = about["assignee"].removeprefix("operator:") or "nobody"
    yield f"  status: {about['status']}, owner: {owner}, revision: {about['revision']}"
    if about["merged_into"]:
        yield f"  merged into {found['into']}: its alerts, tasks and notes are there"
    if about["disposition"]:
        yield f"  it was: {about['disposition']}"
    if about["source"]:
        yield f"  imported from {_line(about['source'])}, where it is {_line(about['external_id'])}"
    for name, label in (("ttd_ms", "detected after"), ("ttc_ms", "contained after")):
        value = found[name]
        yield f"  {label}: {'not known' if value is None else f'{value:.0f} ms'}"
    stamps = [f"{stamp['category']} {moment(stamp['at'])}" for stamp in found["phases"] if stamp["at"]]
    if stamps:
        yield f"  phases: {', '.join(stamps)}"


def _tasks(found: dict[str, Any]) -> Iterator[str]:
    for task in found["tasks"]:
        is_overdue = 0 < task["due_at"] < found["now"] and not task["done_at"]
        state = "done" if task["done_at"] else "OVERDUE" if is_overdue else "to do"
        whose = task["assignee"].removeprefix("operator:") or "nobody"
        due = f", due {moment(task['due_at'])}" if task["due_at"] else ""
        yield f"  task {task['id'][-SHORT:]} ({state}, {whose}{due}): {_line(task['title'])}"


def _rest(found: dict[str, Any]) -> Iterator[str]:
    for note in found["notes"]:
        corrects = f" corrects {note['corrects'][-SHORT:]}" if note["corrects"] else ""
        yield f"  {note['kind']} {note['id'][-SHORT:]}{corrects}, {note['by']}: {_line(note['text'])}"
    for link in found["links"]:
        title = f" ({_line(link['title'])})" if link["title"] else ""
        yield f"  linked: {link['kind']} {_line(link['value'])}{title}"
    for one in found["merged"]:
        yield f"  took over {one['number']}: {_line(one['title'])}"
    minutes = sum(effort["minutes"] for effort in found["effort"])
    if minutes:
        yield f"  hours worked: {minutes / 60:.1f}"


def _line(text: str) -> str:
    """A text of somebody's on one line: a line break in it makes no line of ours."""
    return visible(text)
