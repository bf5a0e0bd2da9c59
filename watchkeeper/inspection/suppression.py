"""Findings in definitions that somebody answered for: narrow, with a reason, for a time, and never out of sight.

A suppressed finding is told under the label `suppressed` with its rule, so that policies and pins do not act on it and
people still see it. What each obligation stops:

1. One rule at one server, for names that say something: no entry can switch an inspector off.
2. A reason, a name and an end within a year: nobody keeps an exception that nobody remembers.
3. With a fingerprint, it ends with the definition (a rug pull under an exception).
4. Secrets, and inspectors that failed, are never suppressed.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from datetime import date, timedelta

import msgspec

from watchkeeper.core.errors import Misconfigured

LONGEST = timedelta(days=366)
_RULE = re.compile(r"[a-z][a-z0-9_-]*(?:\.[a-z0-9_-]+)+")
_FINGERPRINT = re.compile(r"sha256:[0-9a-f]{64}")
_LEAST = 3
"""Signs of a pattern that are no wildcards."""
_SHORTEST_REASON = 10


class Suppression(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """One entry."""

    rule: str
    """A rule's id, or `judge.<class>`."""
    server: str
    """The server's name as it is."""
    name: str
    """The tool's, prompt's or resource's name; `*` and `?` stand for more. `instructions` for the server's."""
    reason: str
    expires: date
    """The last day on which it holds, UTC."""
    by: str
    """Who answers for it."""
    fingerprint: str = ""
    """Of the one definition that is meant."""

    @property
    def words(self) -> str:
        """For whoever sees the finding."""
        return f"{self.reason} (by {self.by}, until {self.expires.isoformat()})"


def check_suppressions(where: str, entries: Iterable[Suppression], today: date) -> None:
    """Raises `Misconfigured` for an entry that is too broad, says too little, or would hold too long."""
    for number, entry in enumerate(entries, 1):
        if problem := _problem(entry, today):
            raise Misconfigured(
                f"{where}, entry {number} ({entry.rule} at {entry.server}): {problem}",
                hint="one rule, one server, a name, a reason, an end within a year, and who answers for it",
            )


def _problem(entry: Suppression, today: date) -> str:
    literal = entry.name.translate(str.maketrans("", "", "*?[]"))
    if not _RULE.fullmatch(entry.rule):
        return "it names no single rule"
    if not entry.server or any(sign in entry.server for sign in "*?["):
        return "it names no single server"
    if len(literal) < min(_LEAST, len(entry.name)) or (literal != entry.name and len(literal) < _LEAST) or not literal:
        return f"its name has fewer than {_LEAST} signs that are no wildcards: too broad"
    if len(entry.reason.strip()) < _SHORTEST_REASON:
        return "its reason says too little"
    if not entry.by.strip():
        return "nobody answers for it"
    if entry.fingerprint and not _FINGERPRINT.fullmatch(entry.fingerprint):
        return "its fingerprint is none"
    if entry.expires - today > LONGEST:
        return "it would hold for more than a year"
    return ""
