"""What it costs to look for an atom: guessed at first, then learned from records that were seen. In microseconds.

A rule that needs any of several things is looked for by the rarest, so that it is seldom a candidate in vain; and a
field is not looked at when the rules that would be found by it can be found by other fields for less.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Sequence

from watchkeeper.detect.conditions.fields import Fields, Record
from watchkeeper.detect.conditions.model import Condition
from watchkeeper.detect.conditions.needs import Atom, Clause, How, need_of

_FAITH = 4
"""Records that a guess is worth."""
_TEXT = 4096
"""Characters of a sampled value that are learned from."""
_JUDGED = 1.0
"""To judge one candidate."""
_REACHED = 0.1
"""To fetch one field, whether it is there or not."""
_REMEMBERED = 0.05
_FOUND = 1.2
_LETTER = 0.002
_EVERYWHERE = 5.0
"""To look at all texts of a record."""
_NEVER = 1e9


class Experience:
    """A sample of the records of one log source; empty before there was one."""

    def __init__(self, sample: Sequence[Record] = ()) -> None:
        self._size = len(sample)
        self._fields = [Fields(record) for record in sample]
        self._texts: dict[str, Counter[str]] = {}
        self._shares: dict[Atom, float] = {}

    def share(self, atom: Atom) -> float:
        """How many of the records have it."""
        share = self._shares.get(atom)
        if share is None:
            texts = self._values(atom.field)
            seen = sum(times for text, times in texts.items() if _IN[atom.how](atom.text, text))
            share = self._shares[atom] = (seen + _guess(atom) * _FAITH) / (self._size + _FAITH)
        return share

    def price(self, field: str) -> float:
        """What it costs, for each record, to look at a field at all."""
        if not field:
            return _EVERYWHERE
        if not self._size:
            return _REACHED + _REMEMBERED
        texts = self._values(field)
        times = texts.total()
        if not times:
            return _REACHED
        new = len(texts) / times
        length = sum(map(len, texts)) / len(texts)
        return _REACHED + times / self._size * (_REMEMBERED + length * _LETTER / 4 + new * (_FOUND + length * _LETTER))

    def _values(self, name: str) -> Counter[str]:
        """The sampled values of a field, folded; a record with several counts with each."""
        found = self._texts.get(name)
        if found is None:
            found = self._texts[name] = Counter()
            for fields in self._fields:
                found.update(text[:_TEXT].casefold() for text in (fields.texts(name) if name else fields.everything()))
        return found


def choose(conditions: Sequence[Condition], experience: Experience) -> list[Clause | None]:
    """What each condition is looked for by."""
    chosen = [need_of(condition, experience.share) for condition in conditions]
    dear = sorted({atom.field for clause in chosen for atom in clause or ()}, key=experience.price, reverse=True)
    avoided: set[str] = set()
    for field in dear:
        using = [at for at, clause in enumerate(chosen) if clause and any(atom.field == field for atom in clause)]
        other = [need_of(conditions[at], _avoiding(experience, avoided | {field})) for at in using]
        loss = sum(_risk(new, experience) for new in other) - sum(_risk(chosen[at], experience) for at in using)
        if loss * _JUDGED < experience.price(field) and not _reads(other, avoided | {field}):
            avoided.add(field)
            for at, clause in zip(using, other, strict=True):
                chosen[at] = clause
    return chosen


def _avoiding(experience: Experience, fields: set[str]) -> Callable[[Atom], float]:
    return lambda atom: _NEVER if atom.field in fields else experience.share(atom)


def _risk(clause: Clause | None, experience: Experience) -> float:
    """How often the rule is a candidate."""
    return 1.0 if clause is None else min(1.0, sum(map(experience.share, clause)))


def _reads(clauses: Iterable[Clause | None], fields: set[str]) -> bool:
    return any(atom.field in fields for clause in clauses for atom in clause or ())


def _guess(atom: Atom) -> float:
    share = {How.EXACT: 0.003, How.TAIL: 0.01, How.PRESENT: 0.9}.get(atom.how)
    if share is None:
        return max(float(0.6 ** len(atom.text)), 0.0005)
    return share


_IN: dict[How, Callable[[str, str], bool]] = {
    How.EXACT: lambda part, text: part == text,
    How.TAIL: lambda part, text: text.endswith(part),
    How.PART: lambda part, text: part in text,
    How.PRESENT: lambda part, text: True,
}
