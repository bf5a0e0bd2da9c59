"""What people decide about an incident itself: severity, status, owner, its end, and when things happened."""

from __future__ import annotations

from sqlalchemy import select

from watchkeeper.core.clock import to_iso
from watchkeeper.core.errors import Conflict, Invalid
from watchkeeper.events.model import SEVERITIES, Severity
from watchkeeper.respond.cases._store import HistoryRow
from watchkeeper.respond.cases.model import Disposition
from watchkeeper.respond.cases.registrar import HOOK, Registrar, Work, operator_named, require_open, said
from watchkeeper.respond.model import Incident, IncidentState, Status

CHANGED = "respond.incident.changed"
MOMENTS = {"first_event": "first_event_at", "recovered": "recovered_at"}
"""What a person can say of when something happened, by the member that keeps it."""
_MOVES = (Status.IN_PROGRESS, Status.ON_HOLD, Status.RESOLVED)


class Deciding:
    """Decisions, each with who made it and what was before.

    Who changes what somebody else decided shows the revision that they saw; otherwise two people overwrite each other.
    """

    def __init__(self, registrar: Registrar) -> None:
        self._open = registrar.opened

    def acknowledge(self, name: str, by: str) -> Incident:
        """Say that you have seen it; it is yours unless it is somebody's. Raises `Conflict` the second time.

        Another system's word (`webhook:NAME`) says that somebody has, and makes nobody its owner: that is a person.
        """
        with self._open(name, by, may_hook=True) as work:
            row = work.row
            require_open(row)
            if row.acknowledged_at:
                raise Conflict(f"{row.acknowledged_by} acknowledged {row.number} at {to_iso(row.acknowledged_at)}")
            row.acknowledged_at, row.acknowledged_by = work.now, by
            _change(work, "acknowledged", by, "", "")
            if not row.assignee and not by.startswith(HOOK):
                row.assignee = by
                work.change("assignee", by, "by acknowledging it", "")
            if row.status == Status.NEW.value:
                _move(work, Status.IN_PROGRESS, "by acknowledging it")
            work.tell(CHANGED, f"{by} acknowledged it", _body("acknowledged", "", by, ""))
            return work.incident

    def assign(self, name: str, by: str, to: str, *, revision: int = 0, reason: str = "") -> Incident:
        """Make it somebody's, or nobody's. Raises `Conflict` when it is somebody else's and no revision is shown."""
        to = operator_named(to)
        with self._open(name, by, revision=revision) as work:
            require_open(work.row)
            was = work.row.assignee
            if was == to:
                raise Conflict(f"{work.row.number} is {to or 'nobody'}'s already")
            if was not in ("", by) and not revision:
                raise _unseen(work, f"it is {was}'s")
            work.row.assignee = to
            reason = _change(work, "assignee", to, reason, was)
            what = f"{by} gave it to {to}" if to else f"{by} took it from {was}"
            work.tell(CHANGED, _because(what, reason), _body("assignee", was, to, reason))
            return work.incident

    def set_severity(self, name: str, by: str, severity: int, reason: str, *, revision: int = 0) -> Incident:
        """Say how bad it is (1 to 5) and why. Later alerts raise it again only if they are worse than any before."""
        reason = said(reason, "the reason")
        try:
            level = Severity(severity)
        except ValueError as error:
            raise Invalid(f"there is no severity {severity}", hint="1 (informational) to 5 (critical)") from error
        with self._open(name, by, revision=revision) as work:
            require_open(work.row)
            was = work.row.severity
            if was == level:
                raise Conflict(
                    f"{work.row.number} is {SEVERITIES[was]} already", hint="see `watchkeeper incidents show`"
                )
            _require_seen(work, "severity", revision)
            work.row.severity = int(level)
            _change(work, "severity", str(int(level)), reason, str(was))
            what = f"{by} set the severity from {SEVERITIES[was]} to {SEVERITIES[level]}"
            work.tell(CHANGED, _because(what, reason), _body("severity", str(was), str(int(level)), reason))
            return work.incident

    def set_status(self, name: str, by: str, status: str, *, reason: str = "", revision: int = 0) -> Incident:
        """Move it to `in_progress`, `on_hold` or `resolved`; the ends are `close` and `reopen`."""
        if status not in _MOVES:
            hint = "`close` and `reopen` are commands of their own" if status == Status.CLOSED else ""
            names = ", ".join(one.value for one in _MOVES)
            raise Invalid(f"an incident is not moved to {status!r}", hint=hint or f"one of {names}")
        reason = said(reason, "the reason", may_lack=status != Status.ON_HOLD)
        with self._open(name, by, revision=revision) as work:
            require_open(work.row)
            was = work.row.status
            if was == status:
                raise Conflict(f"{work.row.number} is {status} already")
            _require_seen(work, "status", revision)
            _move(work, Status(status), reason)
            what = f"{by} moved it from {was} to {status}"
            work.tell(CHANGED, _because(what, reason), _body("status", was, status, reason))
            return work.incident

    def close(self, name: str, by: str, reason: str, disposition: str = "") -> Incident:
        """End it. Its orders stay in force: lifting them is a decision of its own."""
        kind, reason = disposition_of(disposition), said(reason, "the reason")
        with self._open(name, by) as work:
            row = work.row
            if row.state == IncidentState.CLOSED.value:
                raise Conflict(f"{row.number} is closed already")
            was = row.status
            row.state, row.status = IncidentState.CLOSED.value, Status.CLOSED.value
            row.closed_by, row.close_reason, row.advice, row.disposition = by, reason, "", kind
            row.closed_at = work.now
            work.change("status", Status.CLOSED.value, reason, was)
            if kind:
                work.change("disposition", kind, reason, "")
            work.tell("respond.incident.updated", f"closed by {by}: {reason}")
            return work.incident

    def relabel(self, name: str, by: str, disposition: str, reason: str) -> Incident:
        """Say of a closed incident that it was something else; what was said before stays in its history."""
        kind, reason = disposition_of(disposition), said(reason, "the reason")
        with self._open(name, by) as work:
            was = work.row.disposition
            if work.row.state != IncidentState.CLOSED.value:
                raise Conflict(f"{work.row.number} is not closed", hint="say what it was when you close it")
            if not kind or kind == was:
                raise Conflict(f"{work.row.number} is {was or 'not judged'} already")
            work.row.disposition = kind
            work.change("disposition", kind, reason, was)
            what = f"{by} says it was {kind}, not {was}" if was else f"{by} says it was {kind}"
            work.tell(CHANGED, _because(what, reason), _body("disposition", was, kind, reason))
            return work.incident

    def reopen(self, name: str, by: str, reason: str) -> Incident:
        """Take an end back. What it contained has to be proven anew: an order may have been lifted since."""
        reason = said(reason, "the reason")
        with self._open(name, by) as work:
            row = work.row
            if row.state != IncidentState.CLOSED.value:
                raise Conflict(f"{row.number} is not closed")
            row.state, row.status = IncidentState.OPEN.value, Status.IN_PROGRESS.value
            row.round += 1  # playbooks may have to contain anew what was lifted meanwhile
            row.closed_at, row.closed_by, row.close_reason = 0, "", ""
            if row.disposition:
                work.change("disposition", "", reason, row.disposition)
                row.disposition = ""
            row.advice = "It was reopened. Check which orders are in force, contain by hand what is not."
            work.change("status", Status.IN_PROGRESS.value, reason, Status.CLOSED.value)
            work.tell("respond.incident.reopened", f"{by} reopened it: {reason}", {"reason": reason})
            return work.incident

    def stamp(self, name: str, by: str, what: str, at: int, reason: str) -> Incident:
        """Say when the first malicious event was, or when the systems ran safely again (microseconds)."""
        member, reason = MOMENTS.get(what), said(reason, "the reason")
        if member is None:
            raise Invalid(f"there is no moment {what!r}", hint=f"one of {', '.join(MOMENTS)}")
        with self._open(name, by) as work:
            row = work.row
            if not 0 < at <= work.now:
                raise Invalid("this time has not come yet", hint="a time that has passed")
            if what == "first_event" and row.alerted_at and at > row.alerted_at:
                raise Invalid("the first event is not after the first alert", hint="see `incidents show`")
            if what == "recovered" and at < row.first_event_at:
                hint = f"it began at {to_iso(row.first_event_at)}: say a later time"
                raise Invalid("nothing recovers before it began", hint=hint)
            was = getattr(row, member)
            setattr(row, member, at)
            told = to_iso(at)
            _change(work, what, told, reason, to_iso(was) if was else "")
            said_of = "the first malicious event was" if what == "first_event" else "safe operation was restored"
            body = _body(what, to_iso(was) if was else "", told, reason)
            work.tell(CHANGED, _because(f"{by} says {said_of} at {told}", reason), body)
            return work.incident


def disposition_of(text: str) -> str:
    """A disposition, written with `-` or `_`; empty stays empty. Raises `Invalid`."""
    try:
        return Disposition(text.replace("-", "_")).value if text else ""
    except ValueError as error:
        names = ", ".join(one.value for one in Disposition)
        raise Invalid(f"no incident is {text!r}", hint=f"one of {names}") from error


def _move(work: Work, status: Status, reason: str) -> None:
    was, work.row.status = work.row.status, status.value
    if status is Status.IN_PROGRESS and not work.row.analysed_at:
        work.row.analysed_at = work.now
    work.change("status", status.value, reason, was)


def _change(work: Work, field: str, becomes: str, reason: str, was: str) -> str:
    reason = said(reason, "the reason", may_lack=True)
    work.change(field, becomes, reason, was)
    return reason


def _require_seen(work: Work, field: str, revision: int) -> None:
    if revision:
        return
    last = select(HistoryRow.by).where(HistoryRow.incident == work.row.id, HistoryRow.field == field)
    by = work.session.scalar(last.order_by(HistoryRow.seq.desc()).limit(1))
    if by not in (None, work.by):
        raise _unseen(work, f"{by} decided its {field}")


def _unseen(work: Work, why: str) -> Conflict:
    number, revision = work.row.number, work.row.revision
    return Conflict(
        f"{number}: {why}",
        hint=f"look at it (`watchkeeper incidents show {number}`), then say that you saw it: --revision {revision}",
    )


def _because(what: str, reason: str) -> str:
    return f"{what}: {reason}" if reason else what


def _body(field: str, was: str, becomes: str, reason: str) -> dict[str, str]:
    told = {"field": field, "was": was, "becomes": becomes}
    return told | ({"reason": reason} if reason else {})
