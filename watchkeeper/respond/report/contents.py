"""From an incident's records to what its report says (NIST SP 800-61r3, and the terms of architecture's KPIs)."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from watchkeeper.core.clock import to_iso
from watchkeeper.events.model import SEVERITIES
from watchkeeper.respond.cases.model import CaseFile, Link, LinkKind, NoteKind, Task
from watchkeeper.respond.exports.model import Export
from watchkeeper.respond.model import EXERCISE, Entry, Incident, IncidentState, Run, StepResult
from watchkeeper.respond.report.model import Report, Section

NOT_KNOWN = "not known"
_TRUTHS = {True: "proven", False: "NOT proven", None: "-"}
_CONTAINMENT = {
    IncidentState.OPEN: "Nothing was contained yet.",
    IncidentState.CONTAINED: "Contained: a probe of each order was refused.",
    IncidentState.PARTLY_CONTAINED: "Contained in part only: at least one order is proven, and at least one is not.",
    IncidentState.UNVERIFIED: "Containment was tried, and none of it is proven.",
    IncidentState.CLOSED: "",
}


def contents_of(export: Export, now: int, by: str) -> Report:
    """The report of an incident as it is now. `now`: microseconds; `by`: who asks for it."""
    file = export.file
    return Report(
        number=file.incident.number,
        title=file.incident.title,
        made_at=_moment(now),
        by=by,
        warnings=tuple(_warnings(file)),
        sections=(
            _summary(file),
            _times(file),
            _phases(file),
            _reach(file),
            _alerts(file),
            *(_run(run) for run in file.runs),
            _people(file),
            _notes(file),
            _tasks(file, now),
            _lessons(file, now),
            _timeline(export.timeline),
        ),
    )


def _warnings(file: CaseFile) -> Iterable[str]:
    incident = file.incident
    if EXERCISE in incident.labels:
        yield "This was an exercise."
    if not incident.closed_at:
        yield "The incident is not closed: this report may change."
    unproven = [step for run in file.runs for step in run.steps if step.contains and step.verified is not True]
    unproven = [step for step in unproven if step.state != "skipped"]
    if unproven:
        yield f"Not proven to be contained: {', '.join(step.contains for step in unproven)}."
    if incident.source:
        yield f"Imported from {incident.source}: what it says of the time before is that system's word."


def _summary(file: CaseFile) -> Section:
    one = file.incident
    facts = (
        ("severity", SEVERITIES.get(one.severity, str(one.severity))),
        ("containment", _contained(one)),
        ("status", one.status.value.replace("_", " ")),
        ("what it was", one.disposition.replace("_", " ") or "not decided"),
        ("owner", one.assignee or "nobody"),
        ("tenant", one.tenant),
        ("labels", ", ".join(one.labels) or "-"),
        ("merged into it", ", ".join(other.number for other in file.merged) or "-"),
        ("closed by", f"{one.closed_by}: {one.close_reason}" if one.closed_at else "-"),
        ("owed next", one.advice or "-"),
    )
    return Section("Summary", words=_told(file), facts=facts)


def _contained(one: Incident) -> str:
    if one.state is not IncidentState.CLOSED:
        return one.state.value.replace("_", " ")
    return "was verified before it was closed" if one.contained_at else "was never verified"


def _told(file: CaseFile) -> str:
    """A few plain sentences, each from a record."""
    one = file.incident
    said = []
    if file.alerts:
        first = min(file.alerts, key=lambda alert: (alert.time, alert.id))
        more = f", the first of {len(file.alerts)} alerts" if len(file.alerts) > 1 else ""
        about = " and ".join(part for part in (one.server and f"server {one.server}", one.principal) if part)
        said.append(f"{_moment(first.time)}: {first.title or first.name or first.rule}{more}.")
        said.append(f"It is about {about}." if about else "")
        passed = sum(not alert.was_stopped for alert in file.alerts)
        said.append(f"The gateway let {passed} of the calls that alerts speak of through." if passed else "")
        said.append("" if passed else "The gateway had stopped everything that the alerts speak of.")
    else:
        said.append("No alert belongs to it.")
    if one.state is IncidentState.OPEN and one.contained_at:
        said.append("It is open again, and what contained it may have been lifted since.")
    else:
        said.append(_CONTAINMENT[one.state])
    if one.contained_at:
        said.append(f"Containment was verified at {_moment(one.contained_at)}.")
    return " ".join(part for part in said if part)


def _times(file: CaseFile) -> Section:
    one = file.incident
    taken = min((at for at in (one.acknowledged_at, *(run.begun_at for run in file.runs)) if at), default=0)
    rows = (
        ("first malicious event", _moment(one.first_event_at)),
        ("first alert", _moment(one.alerted_at)),
        ("taken by a person or a playbook", _moment(taken)),
        ("containment verified", _moment(one.contained_at)),
        ("safe operation", _moment(one.recovered_at)),
        ("closed", _moment(one.closed_at)),
        ("time to detect: first malicious event to first alert", _span(one.first_event_at, one.alerted_at)),
        ("time to acknowledge: first alert to a person or a playbook", _span(one.alerted_at, taken)),
        ("time to contain: first alert to verified containment", _span(one.alerted_at, one.contained_at)),
        ("time to recover: first alert to safe operation", _span(one.alerted_at, one.recovered_at)),
        ("dwell: first malicious event to verified containment", _span(one.first_event_at, one.contained_at)),
    )
    return Section("Times", words="All times are UTC.", facts=rows)


def _phases(file: CaseFile) -> Section:
    return Section(
        "Course, by the categories of CSF 2.0 (NIST SP 800-61r3)",
        head=("category", "name", "reached", "by"),
        rows=tuple((one.category, one.name, _moment(one.at), one.source) for one in file.phases),
        widths=(1, 3, 2, 3),
        empty="Nothing is known of it.",
    )


def _reach(file: CaseFile) -> Section:
    """What alerts and people name."""
    alerts = file.alerts
    found = {
        "servers": {alert.server for alert in alerts},
        "tools and other targets": {f"{alert.server}/{alert.target}" for alert in alerts if alert.target},
        "principals": {alert.principal for alert in alerts},
        "sessions": {alert.session for alert in alerts},
        "definitions": {alert.fingerprint for alert in alerts},
        "techniques": {tag for alert in alerts for tag in alert.tags},
        "indicators": {f"{kind} {value}" for alert in alerts for kind, value, _ in alert.indicators},
    }
    links = [(kind.value, [link for link in file.links if link.kind is kind]) for kind in LinkKind]
    linked = [(f"linked: {kind}", ", ".join(_link(one) for one in some)) for kind, some in links if some]
    facts = [(name, ", ".join(sorted(values - {""})) or "-") for name, values in found.items()]
    return Section("What it reached", facts=(*facts, *linked))


def _link(one: Link) -> str:
    return f"{one.value} ({one.title})" if one.title else one.value


def _alerts(file: CaseFile) -> Section:
    rows = tuple(
        (
            _moment(alert.time),
            alert.title or alert.name or alert.rule,
            SEVERITIES.get(alert.severity, str(alert.severity)),
            "/".join(part for part in (alert.server, alert.target) if part) or "-",
            alert.principal or "-",
            "stopped" if alert.was_stopped else "passed",
            _position(alert.writer, alert.index),
        )
        for alert in sorted(file.alerts, key=lambda alert: (alert.time, alert.id))
    )
    return Section(
        "Alerts",
        head=("time", "alert", "severity", "where", "who", "gateway", "journal"),
        rows=rows,
        widths=(8, 10, 4, 10, 8, 4, 6),
        empty="No alert belongs to this incident.",
    )


def _run(run: Run) -> Section:
    asked = f"asked for by {run.asked_by}" if run.asked_by else "begun by an alert"
    since = f"since {_moment(run.begun_at)}" if run.begun_at else "since when is not known"
    ended = f"ended {_moment(run.finished_at)}, {run.outcome}" if run.finished_at else f"not ended: {run.state}"
    words = f"Version {run.version}, {run.hash or 'hash not known'}; {asked}; {since}; {ended}."
    if run.ending:
        words += f" It ended before its last step: {run.ending.why}."
    return Section(
        f"Playbook {run.playbook}",
        words=words,
        head=("step", "action", "state", "contains", "effect", "took", "what was done"),
        rows=tuple(_step(step) for step in run.steps),
        widths=(30, 42, 24, 38, 20, 18, 58),
        empty="No step has ended yet.",
    )


def _step(step: StepResult) -> tuple[str, ...]:
    took = f"{step.duration_us / 1000:.0f} ms" if step.duration_us else "-"
    effect = _TRUTHS[step.verified] if step.contains else "-"
    if step.contains and step.state == "skipped":
        effect = "-"
    return (step.step, step.action, step.state, step.contains or "-", effect, took, step.summary or "-")


def _people(file: CaseFile) -> Section:
    minutes = sum(one.minutes for one in file.effort)
    words = f"Hours told: {minutes / 60:.1f}." if file.effort else "Nobody told how long they worked on it."
    return Section(
        "Decisions of people",
        words=words,
        head=("time", "who", "what", "was", "became", "why"),
        rows=tuple(
            (_moment(one.time), one.by, one.field, one.was_told or "-", one.becomes_told or "-", one.reason or "-")
            for one in file.history
        ),
        widths=(4, 3, 3, 3, 3, 5),
        empty="No person decided anything.",
    )


def _notes(file: CaseFile) -> Section:
    notes = [one for one in file.notes if one.kind is not NoteKind.LESSON]
    return Section(
        "Notes",
        head=("time", "who", "note"),
        rows=tuple((_moment(one.time), one.by, one.text) for one in notes),
        widths=(3, 2, 10),
        empty="Nobody wrote a note.",
    )


def _tasks(file: CaseFile, now: int) -> Section:
    return Section(
        "Tasks",
        head=("task", "whose", "due", "state"),
        rows=tuple(_task(task, now) for task in file.tasks if not task.lesson),
        widths=(8, 3, 3, 3),
        empty="Nobody was given a task.",
    )


def _task(task: Task, now: int) -> tuple[str, ...]:
    state = f"done {_moment(task.done_at)}" if task.done_at else "OVERDUE" if task.is_overdue(now) else "open"
    return (task.title, task.assignee or "nobody", _moment(task.due_at) if task.due_at else "-", state)


def _lessons(file: CaseFile, now: int) -> Section:
    rows: list[tuple[str, ...]] = []
    for note in (one for one in file.notes if one.kind is NoteKind.LESSON):
        actions = [task for task in file.tasks if task.lesson == note.id]
        rows += [(note.text, *_task(task, now)) for task in actions] or [(note.text, "nothing follows yet", "", "", "")]
    return Section(
        "Lessons, and what follows from them",
        head=("lesson", "action", "whose", "due", "state"),
        rows=tuple(rows),
        widths=(6, 6, 3, 3, 3),
        empty="No lesson was written yet: `watchkeeper incidents lessons add` writes one.",
    )


def _timeline(entries: Sequence[Entry]) -> Section:
    return Section(
        "Timeline",
        words="A line with a position stands in the journal; `watchkeeper journal verify` proves that it was not "
        "changed since.",
        head=("time", "what", "kind", "journal"),
        rows=tuple(
            (_moment(one.time), one.what, one.mark.value or "-", _position(one.writer, one.index)) for one in entries
        ),
        widths=(4, 10, 2, 3),
        empty="The timeline is empty.",
    )


def _position(writer: str, index: int) -> str:
    return f"{writer}/{index}" if index >= 0 else "-"


def _moment(at: int) -> str:
    return to_iso(at)[:19].replace("T", " ") if at else NOT_KNOWN


def _span(since: int, until: int) -> str:
    """In the unit that people would say it in; a negative one is shown as it is, since a record is then wrong."""
    if not since or not until:
        return NOT_KNOWN
    seconds = (until - since) / 1_000_000
    for unit, size in (("d", 86_400), ("h", 3_600), ("min", 60)):
        if abs(seconds) >= 2 * size:
            return f"{seconds / size:.1f} {unit}"
    return f"{seconds:.2f} s"
