"""Writing a suppression from a scan: only of what this very scan found, bound to the definition that it saw."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path

import msgspec

from watchkeeper.app.scan.model import Judged, Report
from watchkeeper.app.suppressing import add_entry
from watchkeeper.core.clock import Clock, SystemClock
from watchkeeper.core.errors import Invalid, NotFound
from watchkeeper.inspection.suppressing import NEVER, day_of
from watchkeeper.inspection.suppression import Suppression


class Answered(msgspec.Struct, frozen=True, kw_only=True):
    """Somebody answers for a finding."""

    what: str
    """`SERVER/NAME=RULE`."""
    reason: str
    days: int
    by: str


def answer_for(report: Report, answer: Answered, path: Path, clock: Clock | None = None) -> Suppression:
    """Append the entry to a file. Raises `Invalid`, `Misconfigured`; `NotFound` when the scan has no such finding."""
    where, _, rule = answer.what.rpartition("=")
    server, _, name = where.partition("/")
    if not (rule and server and name):
        raise Invalid(f"{answer.what!r} is no SERVER/NAME=RULE", hint="see the rules with --verbose")
    one = _found(report, server, name, rule)
    time = clock or SystemClock()
    entry = Suppression(
        rule=rule,
        server=server,
        name=name,
        reason=answer.reason,
        expires=day_of(time) + timedelta(days=answer.days),
        by=answer.by,
        fingerprint=one.fingerprint,
    )
    add_entry(path, entry, time)
    return entry


def _found(report: Report, server: str, name: str, rule: str) -> Judged:
    for one in report.judged:
        for reason in one.reasons:
            if (one.source.name, one.name, reason.rule) != (server, name, rule):
                continue
            if reason.label in NEVER:
                raise Invalid(f"{reason.label} is never suppressed", hint="take it out of the definition")
            return one
    raise NotFound(f"this scan did not find {rule} in {server}/{name}", hint="see what it found with --verbose")
