"""The judge's word on texts that pass: results, messages and arguments in which the rules' pass saw a hint.

A clean text pays one test. What the judge says is a suspicion (label `suspected_instruction`), never more: it reads a
text without knowing what was asked for, and only a policy that asks for the label acts on it.
"""

from __future__ import annotations

import logging
from collections.abc import Callable
from itertools import accumulate

from watchkeeper.inspection.assessment import quoted
from watchkeeper.inspection.inspection import Inspection
from watchkeeper.inspection.judge import Judge
from watchkeeper.inspection.model import SUSPECTED_INSTRUCTION, Finding, Surface
from watchkeeper.inspection.scanner import MAX_FINDINGS
from watchkeeper.inspection.settings import EgressSettings
from watchkeeper.inspection.strings import Member, members_of

LONGEST = 8 * 1024
"""Characters that are judged while a message waits: about a millisecond and a half."""
_PASSING = frozenset({Surface.RESULT, Surface.MESSAGE, Surface.ARGUMENTS})
_log = logging.getLogger(__name__)


class JudgedInspection:
    """An `Inspection` that asks the judge, too. Safe for many threads."""

    def __init__(self, inspection: Inspection, judge: Callable[[], Judge]) -> None:
        self.plain = inspection
        """The rules alone."""
        self._look = inspection.look
        self._judge = judge

    def wanting(self, wanted: frozenset[str], egress: EgressSettings | None = None) -> JudgedInspection:
        """See `Inspection.wanting`."""
        return JudgedInspection(self.plain.wanting(wanted, egress), self._judge)

    def inspect(self, surface: Surface, data: bytes, most: int = MAX_FINDINGS) -> tuple[Finding, ...]:
        """See `Inspection.inspect`."""
        looked = self._look(surface, data, most)
        if not looked.is_suspicious or surface not in _PASSING:
            return looked.findings
        try:
            return looked.findings + self._second(looked.findings, data)
        except Exception:  # noqa: BLE001 — the rules have spoken; the judge's word is an addition that nothing relies on
            _log.exception("a text could not be judged")
            return looked.findings

    def _second(self, noticed: tuple[Finding, ...], data: bytes) -> tuple[Finding, ...]:
        members = [one for one in members_of(data) or [_whole(data)] if not one.is_key and one.value]
        text = "\n".join(one.value for one in members)[:LONGEST]
        opinion = self._judge().of_text(text, {finding.label for finding in noticed})
        if not opinion.is_flagged:
            return ()
        bases = [0, *accumulate(len(one.value) + 1 for one in members)]
        # a passage may run over several strings: the one that has most of it is named
        member, base = max(
            zip(members, bases, strict=False),
            key=lambda pair: min(opinion.end, pair[1] + len(pair[0].value)) - max(opinion.start, pair[1]),
        )
        start, end = max(0, opinion.start - base), min(len(member.value), opinion.end - base)
        low, high = (len(member.value[:place].encode("utf-8", "replace")) for place in (start, end))
        value = member.value.encode("utf-8", "replace")
        own = [one for one in noticed if one.path in ("", member.pointer)]
        excerpt = quoted(value, low, high, own)
        rule = f"judge.{opinion.kind}"
        return (Finding("judge", rule, SUSPECTED_INSTRUCTION, 3, member.pointer, low, high, excerpt),)


def _whole(data: bytes) -> Member:
    return Member("", "", data.decode("utf-8", "replace"))
