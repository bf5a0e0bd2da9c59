"""What a person may do with an alert, and where it stands afterwards. Pure."""

from __future__ import annotations

from enum import StrEnum

import msgspec

from watchkeeper.core.errors import Conflict, Denied, Invalid
from watchkeeper.detect.alerts.queue.model import Alert, Disposition, Queued, State

_NOTE = 4_000
_HINT = "see `watchkeeper alerts show`"


class Act(StrEnum):
    """What is done."""

    ACKNOWLEDGE = "acknowledge"
    ASSIGN = "assign"
    CLOSE = "close"
    REOPEN = "reopen"


class Wish(msgspec.Struct, frozen=True):
    """What somebody wants done."""

    act: Act
    by: str
    to: str = ""
    """Whose it shall be; empty for nobody's."""
    disposition: str = ""
    note: str = ""


def wish_of(act: str, by: str, *, to: str = "", disposition: str = "", note: str = "") -> Wish:
    """Raises `Invalid` for what nobody can do, and `Denied` for an agent."""
    if by.startswith("agent:"):
        raise Denied("an agent says nothing about alerts", rule="detect.operators-assess")
    if act not in list(Act):
        raise Invalid(f"nobody can {act[:40]!a} an alert", hint=f"choose one of {', '.join(Act)}")
    if act == Act.CLOSE and disposition not in list(Disposition):
        raise Invalid("say what the alert was", hint=f"choose one of {', '.join(Disposition)}")
    if len(note) > _NOTE or len(to) > 128:
        raise Invalid(f"a note has at most {_NOTE} characters, a name 128", hint="say it shorter")
    if to and not to.startswith("operator:"):
        raise Invalid(f"{to[:80]!a} is no operator", hint="write operator:NAME")
    return Wish(Act(act), by, to, disposition if act == Act.CLOSE else "", note.strip())


def moved(alert: Alert, wish: Wish, now: int) -> Alert:
    """The alert after it. Raises `Conflict` where it cannot be done."""
    state, assignee = _after(alert, wish)
    return msgspec.structs.replace(
        alert,
        state=state,
        assignee=assignee,
        disposition=wish.disposition,
        note=wish.note or ("" if wish.act is Act.REOPEN else alert.note),
        assessed_by=wish.by[:128],
        assessed_at=now,
    )


def _after(alert: Alert, wish: Wish) -> tuple[str, str]:
    is_closed = alert.state == State.CLOSED
    if alert.kind == Queued.EXCEPTED:
        raise Conflict("an exception holds this one back: it waits for nobody", hint="see `alerts exceptions list`")
    if (wish.act is Act.REOPEN) != is_closed:
        raise Conflict(f"this alert is {alert.state}", hint="reopen it first" if is_closed else _HINT)
    if wish.act is Act.ACKNOWLEDGE and alert.state != State.NEW:
        raise Conflict(f"this alert is {alert.state} already", hint=_HINT)
    if wish.act is Act.CLOSE:
        return State.CLOSED, alert.assignee
    assignee = wish.to if wish.act is Act.ASSIGN else alert.assignee
    return (State.ASSIGNED if assignee else State.ACKNOWLEDGED), assignee
