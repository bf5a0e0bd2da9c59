"""Rules against a text: one multi-pattern pass over each reading, and a closer look only at what hit.

Clean text costs the pass and nothing else. After a hit the text is parsed, the rule's own pattern is run over each
string (with its key, so that `"password": "…"` is seen), the match is checked again, and a safe excerpt is made.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import re2

from watchkeeper.inspection.excerpts import masked, shown
from watchkeeper.inspection.matcher import Matcher, make_matcher
from watchkeeper.inspection.model import SECRET, Finding, Surface
from watchkeeper.inspection.rules import Rule, options, portable
from watchkeeper.inspection.strings import Member, members_of
from watchkeeper.inspection.validators import CHECKS
from watchkeeper.inspection.views import bare, readings

MAX_FINDINGS = 50
"""Of one rule in one text; one more, without a place, says that there are further ones."""

OwnedRule = tuple[str, Rule]
"""An inspector's name and one of its rules."""


class Scanner:
    """Immutable and safe for many threads."""

    def __init__(self, rules: Sequence[OwnedRule], cache: Path | None = None, matcher: Matcher | None = None) -> None:
        self._rules = list(rules)
        patterns = [(portable(rule.pattern), rule.case) for _, rule in rules]
        hints = [(portable(rule.hint or rule.pattern), rule.case) for _, rule in rules]
        self._matcher = matcher or make_matcher(hints, cache)
        self._compiled: list[Any] = [re2.compile(text, options=options(case)) for text, case in patterns]
        self._wanted = {s: frozenset(i for i, (_, r) in enumerate(rules) if s in r.surfaces) for s in Surface}

    def inspect(self, surface: Surface, data: bytes) -> tuple[Finding, ...]:
        """Every finding of the rules made for `surface`, rule by rule in the order of the text."""
        texts = readings(data)
        wanted, hits = self._wanted[surface], set[int]()
        for text in texts:
            for index in self._matcher.hits(text):
                if index in wanted and index not in hits and self._compiled[index].search(text):
                    hits.add(index)
        return self._look_closer(sorted(hits), data, texts) if hits else ()

    def _look_closer(self, hits: list[int], data: bytes, texts: list[bytes]) -> tuple[Finding, ...]:
        members = members_of(data)
        found: list[Finding] = []
        for index in hits:
            places = self._in_members(index, members) if members is not None else self._in_whole(index, data, texts)
            for count, finding in enumerate(places):
                found.append(finding if count < MAX_FINDINGS else self._finding(index, "", 0, 0, ""))
                if count == MAX_FINDINGS:
                    break
        return _without_secrets_in_excerpts(found)

    def _in_members(self, index: int, members: list[Member]) -> Iterator[Finding]:
        for member in members:
            text = f'"{member.key}":"{member.value}"' if member.key else f'"{member.value}"'
            plain = text.encode("utf-8", "replace")
            offset = len(plain) - 1 - len(member.value.encode("utf-8", "replace"))
            spans = list(self._spans(index, plain))
            for start, end in spans:
                is_inside = start >= offset and end < len(plain) and not member.is_key
                low, high = (start - offset, end - offset) if is_inside else (0, 0)
                yield self._finding(
                    index, "" if member.is_key else member.pointer, low, high, self._excerpt(index, plain[start:end])
                )
            if not spans and (bared := bare(plain)) != plain:
                for start, end in self._spans(index, bared):
                    excerpt = self._excerpt(index, bared[start:end])
                    yield self._finding(index, "" if member.is_key else member.pointer, 0, 0, excerpt)

    def _in_whole(self, index: int, data: bytes, texts: list[bytes]) -> Iterator[Finding]:
        for text in texts:
            spans = list(self._spans(index, text))
            for start, end in spans:
                low, high = (start, end) if text is data else (0, 0)
                yield self._finding(index, "", low, high, self._excerpt(index, text[start:end]))
            if spans:
                return

    def _spans(self, index: int, text: bytes) -> Iterator[tuple[int, int]]:
        check = CHECKS[self._rules[index][1].check]
        for match in self._compiled[index].finditer(text):
            start, end = match.span(1) if match.re.groups and match.span(1)[0] >= 0 else match.span()
            if check(text[start:end]):
                yield start, end

    def _excerpt(self, index: int, text: bytes) -> str:
        return masked(text) if self._rules[index][1].label == SECRET else shown(text)

    def _finding(self, index: int, path: str, start: int, end: int, excerpt: str) -> Finding:
        inspector, rule = self._rules[index]
        return Finding(inspector, rule.id, rule.label, rule.severity, path, start, end, excerpt)


def _without_secrets_in_excerpts(found: list[Finding]) -> tuple[Finding, ...]:
    """A sentence that was quoted may hold a secret that another rule found: then it is not quoted."""
    risky = {finding.path for finding in found if finding.label == SECRET}
    return tuple(
        Finding(f.inspector, f.rule, f.label, f.severity, f.path, f.start, f.end, "(not shown: it holds a secret)")
        if f.label != SECRET and risky and (f.path in risky or not f.path or "" in risky)
        else f
        for f in found
    )
