"""The acts about incidents: what is asked on the command line and in the console, and done by `respond.cases`."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import msgspec

from watchkeeper.core.clock import to_iso
from watchkeeper.core.errors import Invalid
from watchkeeper.events import JournalReader, Severity, new_event
from watchkeeper.respond.cases.book import CaseBook
from watchkeeper.respond.cases.model import Filter
from watchkeeper.respond.exports import Export, lines_of
from watchkeeper.respond.ledger import Ledger
from watchkeeper.respond.model import Entry
from watchkeeper.respond.report import Report, contents_of

if TYPE_CHECKING:
    from watchkeeper.app.platform import Platform

LINES = 1_000
"""Lines of a timeline that are given with an incident."""


class Casework:
    """The acts, on an open platform."""

    def __init__(self, platform: Platform) -> None:
        reader = JournalReader(platform.data_dir, pass_over_corrupt=True)
        ledger = Ledger(platform.database, platform.journal, reader)
        self.book = CaseBook(platform.database, ledger, platform.clock)
        self._on = platform
        decide, note, tasks, links = self.book.deciding, self.book.noting, self.book.tasks, self.book.links
        self.acts: dict[str, Callable[[dict[str, Any]], Any]] = {
            "incidents.list": self.list,
            "incidents.show": self.show,
            "incidents.timeline": self.timeline,
            "incidents.tasks": self.tasks,
            "incidents.open": self.open,
            "incidents.ack": _on(decide.acknowledge),
            "incidents.assign": _on(decide.assign, to="", revision=0, reason=""),
            "incidents.severity": _on(decide.set_severity, severity=..., reason=..., revision=0),
            "incidents.status": _on(decide.set_status, status=..., reason="", revision=0),
            "incidents.stamp": _on(decide.stamp, what=..., at=..., reason=...),
            "incidents.close": _on(decide.close, reason=..., disposition=""),
            "incidents.reopen": _on(decide.reopen, reason=...),
            "incidents.relabel": _on(decide.relabel, disposition=..., reason=...),
            "incidents.note": _on(note.note, text=..., corrects=""),
            "incidents.lesson": _on(note.lesson, text=...),
            "incidents.effort": _on(note.effort, minutes=..., what=""),
            "incidents.add_task": _on(tasks.add, title=..., assignee="", due_at=0, lesson=""),
            "incidents.finish_task": lambda asked: tasks.done(str(asked["task"]), asked["by"]),
            "incidents.reopen_task": lambda asked: tasks.reopen(str(asked["task"]), asked["by"]),
            "incidents.change_task": self.change_task,
            "incidents.link": _on(links.add, kind=..., value=..., title=""),
            "incidents.merge": _on(self.book.merging.merge, into=..., reason=...),
            "incidents.split": self.split,
            "incidents.similar": self.similar,
            "incidents.export": self.export,
            "incidents.report": self.report,
            "incidents.import": self.take_over,
            "incidents.unlink": _on(links.remove, kind=..., value=..., reason=...),
        }

    def list(self, asked: dict[str, Any]) -> Any:
        """The incidents that are asked for, the newest first."""
        return self.page(asked).incidents

    def page(self, asked: dict[str, Any]) -> Any:
        """The same, with how many there are."""
        wanted = _wanted(asked.get("filter") or {"state": asked.get("state", "")})
        return self.book.reading.page(wanted, int(asked.get("limit", 200)), int(asked.get("offset", 0)))

    def show(self, asked: dict[str, Any]) -> Any:
        """One with everything about it, and the first thousand lines of its timeline."""
        file = self.book.reading.open(str(asked["incident"]))
        page = self.book.reading.timeline(file.incident.id, LINES, int(asked.get("offset", 0)))
        times = {"ttd_ms": file.incident.ttd_ms, "ttc_ms": file.incident.ttc_ms, "now": self._on.clock.now()}
        into = file.incident.merged_into
        told = {
            "timeline": msgspec.to_builtins(page.entries),
            "into": self.book.reading.numbers([into]).get(into, into),
        }
        return msgspec.to_builtins(file) | told | times

    def open(self, asked: dict[str, Any]) -> Any:
        """A new one, by hand."""
        return self.book.opening.open(
            str(asked["title"]),
            asked["by"],
            severity=int(asked.get("severity", Severity.MEDIUM)),
            server=str(asked.get("server", "")),
            principal=str(asked.get("principal", "")),
            first_event_at=int(asked.get("first_event_at", 0)),
            why=str(asked.get("why", "")),
        )

    def timeline(self, asked: dict[str, Any]) -> Any:
        """Lines of a timeline."""
        limit, offset = int(asked.get("limit", LINES)), int(asked.get("offset", 0))
        return self.book.reading.timeline(str(asked["incident"]), limit, offset)

    def tasks(self, asked: dict[str, Any]) -> Any:
        """What is not done yet."""
        found = self.book.tasks.list(
            lessons=bool(asked.get("lessons")),
            overdue=bool(asked.get("overdue")),
            assignee=str(asked.get("assignee", "")),
        )
        numbers = self.book.reading.numbers([task.incident for task in found])
        now = self._on.clock.now()
        return [
            msgspec.to_builtins(task) | {"number": numbers[task.incident], "overdue": task.is_overdue(now)}
            for task in found
        ]

    def split(self, asked: dict[str, Any]) -> Any:
        """Make some alerts an incident of their own."""
        alerts = [str(one) for one in asked.get("alerts") or ()]
        title, reason = str(asked.get("title", "")), str(asked.get("reason", ""))
        return self.book.merging.split(str(asked["incident"]), asked["by"], alerts, title, reason)

    def similar(self, asked: dict[str, Any]) -> Any:
        """Incidents that have something in common with one."""
        return self.book.similar.to(str(asked["incident"]), int(asked.get("limit", 10)))

    def export(self, asked: dict[str, Any]) -> Any:
        """Some lines of an export, and the cursor behind them; each page that leaves the house is recorded."""
        form, name = str(asked.get("format", "jsonl")), str(asked.get("incident", ""))
        cursor, since = str(asked.get("cursor", "")), int(asked.get("since", 0))
        if name:
            found = [Export(file := self.book.reading.open(name), self._lines(file.incident.id))]
            end, is_last = "", True
        else:
            page = self.book.exporting.page(cursor, since, int(asked.get("limit", 100)))
            has_lines = form == "timesketch"
            found = [
                Export(one.file, self._lines(one.file.incident.id) if has_lines else (), one.cursor)
                for one in page.exported
            ]
            end, is_last = page.cursor, page.is_last
        lines = [line for one in found for line in lines_of(one, form)]
        body = {"format": form, "since": cursor or (to_iso(since) if since else ""), "incident": name}
        self._record_export(asked["by"], body)
        return {"lines": lines, "cursor": end, "is_last": is_last}

    def report(self, asked: dict[str, Any]) -> Report:
        """What the report of one says; that it leaves the house is recorded."""
        file = self.book.reading.open(str(asked["incident"]))
        found = contents_of(Export(file, self._lines(file.incident.id)), self._on.clock.now(), asked["by"])
        self._record_export(asked["by"], {"format": "report", "since": "", "incident": file.incident.number})
        return found

    def _record_export(self, by: str, body: dict[str, Any]) -> None:
        now = self._on.clock.now()
        event = new_event(now, "respond.incident.exported", actor=by, target="incidents", outcome="success", body=body)
        self._on.journal.record(event)

    def take_over(self, asked: dict[str, Any]) -> Any:
        """Numbered lines of an import."""
        lines = [(int(number), str(text)) for number, text in asked["lines"]]
        return self.book.importing.take(
            str(asked.get("source", "")), lines, asked["by"], dry_run=bool(asked.get("dry_run"))
        )

    def _lines(self, incident: str) -> tuple[Entry, ...]:
        found: list[Entry] = []
        while True:
            page = self.book.reading.timeline(incident, LINES, len(found))
            found += page.entries
            if not page.entries:
                return tuple(found)

    def change_task(self, asked: dict[str, Any]) -> Any:
        """Give a task to another, or another time."""
        return self.book.tasks.change(
            str(asked["task"]),
            asked["by"],
            was=str(asked.get("was", "")),
            assignee=str(asked.get("assignee", "")),
            due_at=int(asked.get("due_at", 0)),
        )


def _on(act: Callable[..., Any], **members: Any) -> Callable[[dict[str, Any]], Any]:
    """An act on `incident` by `by`, with these members and what they are when they are not given; `...`: needed."""

    def done(asked: dict[str, Any]) -> Any:
        given: dict[str, Any] = {}
        for name, default in members.items():
            value = asked.get(name, default)
            if value is ...:
                raise Invalid(f"{name} is not given", hint="say it")
            given[name] = int(value) if name in _NUMBERS else str(value)
        return act(str(asked["incident"]), asked["by"], **given)

    return done


_NUMBERS = frozenset({"revision", "severity", "at", "minutes", "due_at"})


def _wanted(members: dict[str, Any]) -> Filter:
    try:
        return msgspec.convert(members, Filter)
    except msgspec.ValidationError as error:
        raise Invalid(f"this filter cannot be used: {error}", hint="see `watchkeeper incidents list --help`") from error
