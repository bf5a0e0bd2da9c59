"""From observations to events: bounded, redacted, inspected, each fact once, with what was left out counted.

What foreign records say passes the same inspectors as our own traffic, so that the same rules see it; no secret found
in it is kept. Nothing here is believed: not the time, not the name of who acted.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import Any

import msgspec

from watchkeeper.core.clock import SECOND, Clock
from watchkeeper.core.ids import derived_id, observed_id
from watchkeeper.events.ingest.lines import Line
from watchkeeper.events.ingest.model import Malformed, Observation, Reader
from watchkeeper.events.ingest.recent import Recent
from watchkeeper.events.ingest.settings import SourceSettings
from watchkeeper.events.journal.writing.writer import Journal
from watchkeeper.events.model import VERSION, Event, Severity
from watchkeeper.inspection.inspection import Inspection
from watchkeeper.inspection.model import UNSHOWN, Finding, Surface
from watchkeeper.inspection.redaction import redact

REQUEST = "gateway.request.observed"
OTHER = "ingest.event.received"
WRITER = "ingest"
"""The log of the process that takes records in while the service runs."""
AHEAD = 300 * SECOND
"""How far ahead of ours another clock may be before its word is set aside."""
EXCERPT = 2048
"""Characters kept of arguments, a result and what else a record said."""
_LONGEST = 512
_MOST_DEPTH = 32
_TRACE = re.compile(r"[0-9a-f]{32}(-[0-9a-f]{16})?")
_SHORT = 12
"""Characters that no secret fits into."""


class Tally(msgspec.Struct):
    """What became of a source's records."""

    taken: int = 0
    passed_over: int = 0
    """Of no interest here: they tell of no MCP."""
    doubled: int = 0
    """Told before."""
    flagged: int = 0
    """Taken, and something was found in them."""
    refused: dict[str, int] = {}
    """Why → how many."""

    def refuse(self, why: str, count: int = 1) -> None:
        self.refused[why] = self.refused.get(why, 0) + count


class Intake:
    """One source's way into the journal. Belongs to one thread."""

    def __init__(
        self,
        name: str,
        settings: SourceSettings,
        *,
        journal: Journal,
        inspection: Inspection,
        clock: Clock,
        recent: Recent,
    ) -> None:
        self.name = name
        self.tally = Tally()
        self._settings = settings
        self._journal = journal
        self._inspection = inspection
        self._clock = clock
        self._recent = recent

    def take(self, observations: Iterable[Observation], place: str = "") -> int | None:
        """Append what is new; the index of the last event, to wait for. `place` names where the records stand (file and
        offset), which tells equal ones apart. Raises `Unavailable`: the rest has to be offered again."""
        last: int | None = None
        for number, one in enumerate(observations):
            event = self.event_of(one, f"{place}#{number}" if place else "")
            if not self._recent.is_new(event.id):
                self.tally.doubled += 1
                continue
            try:
                last = self._journal.append(event)
            except BaseException:
                self._recent.forget(event.id)
                raise
            self.tally.taken += 1
            self.tally.flagged += "findings" in event.body
        return last

    def take_line(self, reader: Reader, line: Line, place: str = "") -> int | None:
        """What a line of a stream tells, taken; one that is too long, of no interest or none of its format, counted."""
        if line.is_too_long:
            self.tally.refuse("too long")
            return None
        try:
            told = reader.read(line.data)
        except Malformed as error:
            self.tally.refuse(str(error))
            return None
        self.tally.passed_over += not told
        return self.take(told, place)

    def event_of(self, one: Observation, place: str = "") -> Event:
        """The event that an observation becomes."""
        now = self._clock.now()
        time, body = now, self._body(one)
        labels: tuple[str, ...] = ("ingested",)
        if one.time is None:
            body["time"] = "received"
        elif 0 < one.time <= now + AHEAD:
            time = one.time
        else:
            labels, body["said_time"] = ("ingested", "skewed"), one.time
        arguments, result = self._kept(Surface.ARGUMENTS, one.arguments), self._kept(Surface.RESULT, one.result)
        findings = [*arguments[1], *result[1]]
        for name, (kept, _) in (("arguments", arguments), ("result", result)):
            if kept:
                body[name] = kept
        if findings:
            body["findings"] = [msgspec.structs.asdict(finding) for finding in findings]
        worst = max((finding.severity for finding in findings), default=1)
        who = self._safe(one.who)
        return Event(
            v=VERSION,
            id=self._id_of(one, place),
            time=time,
            kind=REQUEST if one.is_request else OTHER,
            tenant=self._settings.tenant,
            actor=f"ingested:{self.name}/{who}" if who else "",
            claimed=self._safe(one.client),
            server=self._safe(one.server) or self._settings.server or self.name,
            target=self._safe(one.target),
            trace=one.trace if _TRACE.fullmatch(one.trace) and one.trace.strip("0-") else "",
            outcome=one.outcome,
            severity=Severity(min(5, max(1, one.severity, worst))),
            labels=labels,
            body=body,
        )

    def _body(self, one: Observation) -> dict[str, Any]:
        body: dict[str, Any] = {"source": self.name, "format": self._settings.format}
        body["method" if one.is_request else "name"] = self._safe(one.name)
        for name in ("status", "duration_us"):
            if (value := getattr(one, name)) is not None:
                body[name] = value
        for name in ("reason", "session"):
            if text := self._safe(getattr(one, name)):
                body[name] = text
        if one.id:
            body["record"] = self._safe(one.id)
        if one.more:
            body["more"], _ = self._kept(Surface.MESSAGE, _bounded(one.more))
        return body

    def _kept(self, surface: Surface, data: bytes) -> tuple[str, tuple[Finding, ...]]:
        if not data:
            return "", ()
        findings = self._inspection.inspect(surface, data)
        return redact(data, findings, EXCERPT), findings

    def _safe(self, text: str) -> str:
        """A short text without secrets."""
        text = text[:_LONGEST]
        if len(text) < _SHORT:
            return text
        data = msgspec.json.encode(text)
        findings = [f for f in self._inspection.inspect(Surface.ARGUMENTS, data) if f.label in UNSHOWN]
        return redact(data, findings, _LONGEST).strip('"') if findings else text

    def _id_of(self, one: Observation, place: str) -> str:
        if one.id:
            return derived_id("ingest", self.name, "record", one.id, one.name)
        if place:
            return derived_id("ingest", self.name, "place", place)
        if one.time is None:
            return observed_id()  # nothing tells it from another one
        content = msgspec.structs.replace(one, more={"": _bounded(one.more).decode()})
        return derived_id("ingest", self.name, "content", msgspec.json.encode(content).decode())


def _bounded(more: dict[str, Any]) -> bytes:
    """What else a record said, as JSON of bounded depth."""
    return msgspec.json.encode(_shallow(more, 0), enc_hook=str)


def _shallow(node: Any, depth: int) -> Any:
    if depth >= _MOST_DEPTH:
        return "…[deeper]"
    if isinstance(node, dict):
        return {str(key)[:128]: _shallow(value, depth + 1) for key, value in node.items()}
    if isinstance(node, list):
        return [_shallow(value, depth + 1) for value in node]
    return node
