"""How bad a detection is here: the rule's level, moved by at most one by what is known, with the reasons. Pure.

Critical stays critical. What the rule's condition looks at itself is its author's business and moves nothing twice.
What is not known moves nothing.
"""

from __future__ import annotations

from collections.abc import Iterator

from watchkeeper.detect.alerts.model import Context, Weighed, outcome_of
from watchkeeper.detect.model import Detection, Rule
from watchkeeper.events import Severity

_RISKY = ("admin", "destroys", "executes", "identity_dependent", "lookalike", "pays", "sends")
"""Labels of a tool that make it worse when it was used."""
_CRITICAL = ("high", "critical")


def weigh(detection: Detection, context: Context) -> Weighed:
    """The severity of its alert."""
    base = detection.severity
    moves = list(_moves(detection, context))
    step = max(-1, min(1, sum(step for step, _ in moves)))
    if base is Severity.CRITICAL or not moves:
        return Weighed(base)
    lowest = min(base, Severity.LOW)
    severity = Severity(max(lowest, min(Severity.CRITICAL, base + step)))
    return Weighed(severity, tuple(f"{reason}: {_word(step)}" for step, reason in moves))


def _moves(detection: Detection, context: Context) -> Iterator[tuple[int, str]]:
    was_stopped = outcome_of(detection.event) in ("deny", "ask")
    if was_stopped and not _reads_outcome(detection):
        yield -1, "the call was stopped"
    if not was_stopped:
        labels = _said(context, "definition", "labels")
        risky = [label for label in _RISKY if isinstance(labels, list) and label in labels]
        if risky:
            yield 1, f"the tool is marked {', '.join(risky)}, and the call was not stopped"
    criticality = _said(context, "asset", "criticality")
    if criticality in _CRITICAL:
        yield 1, f"the server's criticality is {criticality}"
    elif criticality == "low":
        yield -1, "the server's criticality is low"
    if _said(context, "identity", "quarantined") is True:
        yield 1, "the principal is in quarantine"


def _reads_outcome(detection: Detection) -> bool:
    """Whether the rule was written for what was stopped, or for what was not."""
    by = detection.by
    return not isinstance(by, Rule) or bool(by.reads & {"outcome", "body.answer.outcome", "*"})


def _said(context: Context, source: str, member: str) -> object:
    fact = context.get(source)
    return fact.says.get(member) if fact is not None and fact.known else None


def _word(step: int) -> str:
    return "one level higher" if step > 0 else "one level lower"
