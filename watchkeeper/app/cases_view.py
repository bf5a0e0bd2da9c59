"""One incident as the console's port wants it: the same acts as the command line's, asked by who is in."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import suppress
from typing import TYPE_CHECKING, Any

import msgspec

from watchkeeper.app.admission import Access
from watchkeeper.app.casework import Casework
from watchkeeper.app.console_views import EXERCISE, order_row
from watchkeeper.app.oncall import Oncalling
from watchkeeper.core.clock import from_iso
from watchkeeper.core.errors import Conflict, Denied, Invalid, NotFound
from watchkeeper.operators import Acting
from watchkeeper.respond.exports.formats import FORMATS
from watchkeeper.respond.model import Mark
from watchkeeper.respond.report import markdown
from watchkeeper.web.casework import LINES, CasePlace, CaseWhole

if TYPE_CHECKING:
    from watchkeeper.app.platform import Platform
    from watchkeeper.app.settings import Loaded

_ACTS: dict[str, tuple[str, ...]] = {
    "assign": ("to", "reason", "revision"),
    "severity": ("severity", "reason", "revision"),
    "status": ("status", "reason", "revision"),
    "close": ("reason", "disposition"),
    "reopen": ("reason",),
    "relabel": ("disposition", "reason"),
    "note": ("text", "corrects"),
    "lesson": ("text",),
    "effort": ("minutes", "what"),
    "add_task": ("title", "assignee", "due_at", "lesson"),
    "finish_task": ("task",),
    "reopen_task": ("task",),
    "change_task": ("task", "was", "assignee", "due_at"),
    "link": ("kind", "value", "title"),
    "unlink": ("kind", "value", "reason"),
}
"""Act → the fields of its form."""
_ARRANGING: dict[str, tuple[str, ...]] = {"merge": ("into", "reason"), "split": ("alerts", "title", "reason")}
_WHOLE = frozenset({"revision", "severity", "minutes"})
_ONE_OBJECT = frozenset({"stix", "veris", "ocsf"})


class CasesView:
    """Asks the policies about operators first."""

    def __init__(self, platform: Platform, loaded: Loaded) -> None:
        self._on = platform
        self._work = Casework(platform)
        self._oncall = Oncalling(platform, loaded)
        self._access = Access(platform)

    def show(self, acting: Acting, name: str, place: CasePlace, *, similar: bool) -> CaseWhole:
        self._access.require(acting, "read_incidents")
        reading = self._work.book.reading
        file = reading.open(name)
        mark = None if not place.mark else Mark.NOTE if place.mark == "note" else Mark(place.mark)
        parts = reading.parts(file.incident.id)
        into = file.incident.merged_into
        return CaseWhole(
            file=file,
            timeline=reading.timeline(file.incident.id, LINES, place.offset, mark),
            orders=[order_row(order) for order in self._on.orders.all() if order.incident in parts],
            similar=self._work.similar({"incident": name, "limit": 6}) if similar else (),
            people=sorted(person.name for person in self._on.roster.list() if not person.revoked_at),
            into=reading.numbers([into]).get(into, "") if into else "",
            exercise=EXERCISE in file.incident.labels,
            may_work=self._may(acting, "work_incidents"),
            may_arrange=self._may(acting, "arrange_incidents"),
        )

    def act(self, acting: Acting, name: str, said: Mapping[str, str]) -> str:
        act = said.get("act", "")
        fields = _ACTS.get(act) or _ARRANGING.get(act)
        if fields is None and act != "ack":
            raise Invalid(f"nothing is called {act[:40]!a}", hint="use a form of this page")
        self._access.require(acting, "arrange_incidents" if act in _ARRANGING else "work_incidents")
        if act == "ack":
            return self._acknowledge(acting, name)
        asked = {"incident": name, "by": acting.actor} | _read({field: said.get(field, "") for field in fields or ()})
        done = self._work.acts[f"incidents.{act}"](asked)
        return str(done.number) if act in _ARRANGING else ""

    def export(self, acting: Acting, name: str, form: str) -> bytes:
        self._access.require(acting, "read_incidents")
        if form in ("markdown", "pdf"):
            return self._report(acting, name, form)
        if form not in FORMATS:
            raise Invalid(f"there is no format {form[:40]!a}", hint=f"one of {', '.join(FORMATS)}, markdown, pdf")
        lines = self._work.export({"incident": name, "format": form, "by": acting.actor})["lines"]
        if form in _ONE_OBJECT and len(lines) == 1:
            return msgspec.json.format(msgspec.json.encode(lines[0]), indent=2) + b"\n"
        return b"".join(msgspec.json.encode(line) + b"\n" for line in lines)

    def _report(self, acting: Acting, name: str, form: str) -> bytes:
        from watchkeeper.respond.report.pdf import pdf, require  # noqa: PLC0415 — an extra

        if form == "pdf":
            require()
        found = self._work.report({"incident": name, "by": acting.actor})
        return pdf(found) if form == "pdf" else markdown(found).encode()

    def _acknowledge(self, acting: Acting, name: str) -> str:
        """The incident itself says who has it, and nobody else is paged."""
        asked = {"incident": name, "by": acting.actor}
        with suppress(NotFound):  # nobody was to be paged for it
            taken = self._oncall.acknowledge(asked)
            if not taken.is_new:
                raise Conflict(f"{taken.acknowledged_by} has it already", hint="look at it again")
            return ""
        self._work.acts["incidents.ack"](asked)
        return ""

    def _may(self, acting: Acting, act: str) -> bool:
        try:
            self._access.check(acting, act)
        except Denied:
            return False
        return True


def _read(said: Mapping[str, str]) -> dict[str, Any]:
    """The fields of a form as the acts want them."""
    asked: dict[str, Any] = dict(said)
    for name in _WHOLE & said.keys():
        asked[name] = _number(name, said[name])
    if "due_at" in said:
        asked["due_at"] = _moment(said["due_at"].strip())
    if "alerts" in said:
        asked["alerts"] = [one for one in said["alerts"].split("\n") if one]
    return asked


def _moment(text: str) -> int:
    """The end of a day (UTC), or a moment; 0 for none."""
    if not text:
        return 0
    return from_iso(f"{text}T23:59:59Z" if len(text) == len("2026-01-01") else text)


def _number(name: str, text: str) -> int:
    text = text.strip()
    if not text and name == "revision":
        return 0
    if not (text.isascii() and text.isdigit() and len(text) < 10):
        raise Invalid(f"{name} is no number", hint="whole numbers only")
    return int(text)
