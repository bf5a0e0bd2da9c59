"""Rules against a text: one multi-pattern pass over each reading, and a closer look only at what hit.

Clean text costs the pass and nothing else. After a hit the text is parsed, the rule's own pattern is run over each
string (with its key, so that `"password": "…"` is seen), the match is checked again, and a safe excerpt is made.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from itertools import islice
from pathlib import Path
from typing import Any, NamedTuple

from watchkeeper.inspection.decodings import hidden_in
from watchkeeper.inspection.excerpts import masked, shown
from watchkeeper.inspection.matcher import Matcher, make_matcher
from watchkeeper.inspection.model import ENCODED, PERSONAL, SUSPICION, UNSHOWN, Finding, Looked, Surface
from watchkeeper.inspection.quotation import is_quoted
from watchkeeper.inspection.rules import Rule, compiled, loosened, portable
from watchkeeper.inspection.strings import Digits, Member, Piece, members_of, pieces_of
from watchkeeper.inspection.validators import CHECKS
from watchkeeper.inspection.views import bare, readings

MAX_FINDINGS = 50
"""Of one rule in one text; one more, without a place, says that there are further ones."""

MOST_TRIES = 2_000
"""What looks like personal data in one message and fails its check; one more of the kind is taken for it, unchecked: a
check takes up to twenty microseconds, and of so many numbers made by chance some would pass it."""
MOST_HIDDEN = 64 * 1024
"""Characters of one message that are looked through for texts that hide in them, all its strings together: it takes up
to four microseconds each. Beyond them, what may hide something is said to be suspicious."""

NOTHING = Looked((), False)
OwnedRule = tuple[str, Rule]
"""An inspector's name and one of its rules."""


class Place(NamedTuple):
    """Where a rule matched, and what."""

    rule: int
    path: str
    start: int
    end: int
    text: bytes


class Scanner:
    """Immutable and safe for many threads."""

    def __init__(self, rules: Sequence[OwnedRule], cache: Path | None = None, matcher: Matcher | None = None) -> None:
        self._rules = list(rules)
        hints = [(portable(rule.hint or loosened(rule.pattern), rule.case), rule.case) for _, rule in rules]
        self._matcher = matcher or make_matcher(hints, cache)
        self._compiled: list[Any] = [compiled(rule.pattern, rule.case) for _, rule in rules]
        self._of_numbers = frozenset(i for i, (_, rule) in enumerate(rules) if rule.label == PERSONAL)
        """Rules that look at numbers, too; the others speak of text."""
        self._across = frozenset(i for i, (_, rule) in enumerate(rules) if rule.across)
        self._suspicious = frozenset(i for i, (_, rule) in enumerate(rules) if rule.label == SUSPICION)
        self._encoded = frozenset(i for i, (_, rule) in enumerate(rules) if rule.label == ENCODED)
        self._hints = self._suspicious | self._encoded
        self._sure = frozenset(
            i for i in self._hints if not rules[i][1].hint and loosened(rules[i][1].pattern) == rules[i][1].pattern
        )
        """Hints that the fast pass reads as they are written: nothing is left to look up."""
        self._wanted = {s: frozenset(i for i, (_, r) in enumerate(rules) if s in r.surfaces) for s in Surface}

    def inspect(self, surface: Surface, data: bytes, most: int = MAX_FINDINGS) -> tuple[Finding, ...]:
        """Every finding of the rules made for `surface`, in the order of the text; of each rule at most so many."""
        return self.look(surface, data, most).findings

    def look(self, surface: Surface, data: bytes, most: int = MAX_FINDINGS) -> Looked:
        """The same, and whether the text is worth a second look: one pass says both."""
        texts = readings(data)
        touched = [(text, indexes) for text in texts if (indexes := self._matcher.hits(text))]
        if not touched:
            return NOTHING
        wanted = self._wanted[surface]
        hits: set[int] = set()
        for text, indexes in touched:
            for index in indexes:
                if index not in wanted or index in hits:
                    continue
                if index in self._sure or self._compiled[index].search(text):
                    hits.add(index)
        if not hits:
            return NOTHING
        is_suspicious = not self._suspicious.isdisjoint(hits)
        is_encoded = not self._encoded.isdisjoint(hits)
        if is_suspicious or is_encoded:
            hits -= self._hints
        found = self._look_closer(hits, data, texts, most) if hits else ()
        if is_encoded:
            unveiled = list(self._unveil_all(pieces_of(data), surface))
            is_suspicious = is_suspicious or bool(unveiled)
            found += self._findings([place for place in unveiled if place.rule >= 0], most)
        return Looked(found, is_suspicious or bool(found))

    def _unveil_all(self, pieces: Iterable[Piece], surface: Surface) -> Iterator[Place]:
        """What the rules find in the texts that are hidden in these strings, as far as `MOST_HIDDEN` goes; rule -1
        when it is only something readable, or was not looked at."""
        left = MOST_HIDDEN
        for piece in pieces:
            if self._encoded.isdisjoint(self._matcher.hits(piece.value.encode("utf-8", "replace"))):
                continue
            if len(piece.value) > left:
                yield Place(-1, piece.pointer, 0, 0, b"")
            yield from self._unveil(piece._replace(value=piece.value[:left]), surface)
            left -= len(piece.value)
            if left <= 0:
                return

    def _unveil(self, piece: Piece, surface: Surface) -> Iterator[Place]:
        wanted = self._wanted[surface] - self._hints
        seen: set[int] = set()
        for hidden in hidden_in(piece.value):
            yield Place(-1, piece.pointer, 0, 0, b"")
            text = f'"{hidden.text}"'.encode("utf-8", "replace")
            for index in wanted.intersection(self._matcher.hits(text)) - seen:
                for start, end in self._spans(index, text, Counter()):
                    seen.add(index)
                    yield Place(index, piece.pointer, 0, 0, text[start:end])

    def _look_closer(self, hits: set[int], data: bytes, texts: list[bytes], most: int) -> tuple[Finding, ...]:
        members = members_of(data)
        if members is None:
            places = list(self._in_whole(hits, data, texts, most))
        else:
            places = list(self._in_members(hits, members, most))
            placeless = (hits & self._across).difference(place.rule for place in places)
            places += [place._replace(start=0, end=0) for place in self._in_whole(placeless, data, texts, most)]
        return self._findings(places, most)

    def _findings(self, places: Iterable[Place], most: int) -> tuple[Finding, ...]:
        counts: Counter[int] = Counter()
        found: list[Finding] = []
        for place in places:
            counts[place.rule] += 1
            if counts[place.rule] <= most:
                found.append(self._finding(place))
            elif counts[place.rule] == most + 1:
                found.append(self._finding(Place(place.rule, "", 0, 0, b"")))
        return _without_secrets_in_excerpts(found)

    def _in_members(self, hits: set[int], members: list[Member], most: int) -> Iterator[Place]:
        """Where the rules match; one that matched more than `most` times is not looked for any more."""
        counts: Counter[int] = Counter()
        tries: Counter[int] = Counter()
        for member in members:
            plain = (f'"{member.key}":"{member.value}"' if member.key else f'"{member.value}"').encode(
                "utf-8", "replace"
            )
            offset = len(plain) - 1 - len(member.value.encode("utf-8", "replace"))
            path = "" if member.is_key else member.pointer
            seen: set[int] = set()
            looked_for = hits & self._of_numbers if isinstance(member.value, Digits) else hits
            for index in sorted(looked_for.intersection(self._matcher.hits(plain))):
                for start, end in islice(self._spans(index, plain, tries), most + 1 - counts[index]):
                    seen.add(index)
                    counts[index] += 1
                    is_exact = start >= offset and end < len(plain) and not member.is_key
                    low, high = (start - offset, end - offset) if is_exact else (0, 0)
                    yield Place(index, path, low, high, plain[start:end])
            if any(counts[index] > most for index in seen):
                hits = {index for index in hits if counts[index] <= most}
            if plain.isascii() and b"\\" not in plain and b"\x1b" not in plain:
                continue  # nothing there could be a disguise
            bared = bare(plain)
            if bared == plain:
                continue
            for index in sorted(hits.intersection(self._matcher.hits(bared)) - seen):
                for start, end in islice(self._spans(index, bared, tries), most + 1 - counts[index]):
                    counts[index] += 1
                    yield Place(index, path, 0, 0, bared[start:end])

    def _in_whole(self, hits: set[int], data: bytes, texts: list[bytes], most: int) -> Iterator[Place]:
        """A text without addressable strings: exact only where it was read as it came."""
        tries: Counter[int] = Counter()
        for index in sorted(hits):
            for text in texts:
                for start, end in islice(self._spans(index, text, tries), most + 1):
                    low, high = (start, end) if text is data else (0, 0)
                    yield Place(index, "", low, high, text[start:end])

    def _spans(self, index: int, text: bytes, tries: Counter[int]) -> Iterator[tuple[int, int]]:
        rule = self._rules[index][1]
        check = CHECKS[rule.check]
        for match in self._compiled[index].finditer(text):
            start, end = match.span(1) if match.re.groups and match.span(1)[0] >= 0 else match.span()
            is_tried = tries[index] < MOST_TRIES or index not in self._of_numbers
            if is_tried and not check(text[start:end]):
                tries[index] += 1
            elif not (rule.unquoted and is_quoted(text, start, end)):
                yield start, end

    def _finding(self, place: Place) -> Finding:
        inspector, rule = self._rules[place.rule]
        excerpt = masked(place.text) if rule.label in UNSHOWN else shown(place.text)
        return Finding(inspector, rule.id, rule.label, rule.severity, place.path, place.start, place.end, excerpt)


def _without_secrets_in_excerpts(found: list[Finding]) -> tuple[Finding, ...]:
    """A sentence that was quoted may hold a secret that another rule found: then it is not quoted."""
    risky = {finding.path for finding in found if finding.label in UNSHOWN}
    return tuple(
        Finding(f.inspector, f.rule, f.label, f.severity, f.path, f.start, f.end, "(not shown: it holds a secret)")
        if f.label not in UNSHOWN and risky and (f.path in risky or not f.path or "" in risky)
        else f
        for f in found
    )
