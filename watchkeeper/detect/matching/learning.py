"""What it costs to look for an atom: guessed at first, then learned from records that were seen. In microseconds.

A rule that needs any of several things is looked for by the rarest, so that it is seldom a candidate in vain; and a
field is not looked at when the rules that would be found by it can be found by other fields for less.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from functools import lru_cache

from watchkeeper.detect.conditions.fields import Fields, Record, text_of
from watchkeeper.detect.conditions.needs import Atom, Clause, Every, How, cheapest, tail_of
from watchkeeper.detect.matching.index import WORTH_REMEMBERING
from watchkeeper.detect.matching.reaching import reach_for

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
_HASHED = 0.0005
_EVERYWHERE = 5.0
"""To look at all texts of a record."""
_NEVER = 1e9
_ENOUGH = 32
"""Values, to say that they do not come again."""
_NEW = 0.9
_BUILT = 20.0
"""To build an index, for each atom."""
_SHORT = 64


class Sampled:
    """The values of one field in a sample of records, folded; a record with several counts with each."""

    def __init__(self, texts: Counter[str]) -> None:
        self.texts = texts
        self.total = texts.total()
        self.length = sum(map(len, texts)) / max(1, len(texts))
        """Characters, on average."""
        self._tails: Counter[str] = Counter()
        for text, times in texts.items():
            self._tails[tail_of(text)] += times
        self._joined = "\n".join(texts)

    def times(self, atom: Atom) -> int:
        """How often it is there."""
        if atom.how is How.EXACT:
            return self.texts[atom.text]
        if atom.how is How.TAIL:
            return self._tails[atom.text]
        if atom.how is How.PRESENT:
            return self.total
        if atom.text not in self._joined:
            return 0
        return sum(times for text, times in self.texts.items() if atom.text in text)


class Experience:
    """A sample of the records of one log source; empty before there was one."""

    def __init__(self, kind: type, sample: Sequence[Record] = ()) -> None:
        self._kind = kind
        self._sample = sample
        self._size = len(sample)
        self._sampled: dict[str, Sampled] = {}
        self._shares: dict[Atom, float] = {}
        self._risks: dict[Clause, float] = {}

    def share(self, atom: Atom) -> float:
        """How many of the records have it."""
        share = self._shares.get(atom)
        if share is None:
            times = self._field(atom.field).times(atom) if self._size else 0
            share = self._shares[atom] = (times + _guess(atom) * _FAITH) / (self._size + _FAITH)
        return share

    def risk(self, clause: Clause | None) -> float:
        """How often a rule that is looked for by this is a candidate."""
        if clause is None:
            return 1.0
        risk = self._risks.get(clause)
        if risk is None:
            risk = self._risks[clause] = sum(map(self.share, clause))
        return risk

    def price(self, field: str) -> float:
        """What it costs, for each record, to look at a field at all."""
        if not field:
            return _EVERYWHERE
        if not self._size:
            return _REACHED + _REMEMBERED
        seen = self._field(field)
        if not seen.total:
            return _REACHED
        new = len(seen.texts) / seen.total
        each = _REMEMBERED + seen.length * _HASHED + new * (_FOUND + seen.length * _LETTER)
        return _REACHED + seen.total / self._size * each

    def repeats(self, field: str) -> bool:
        """Whether it is worth it to remember what was found for the field's values."""
        seen = self._field(field)
        if seen.total < _ENOUGH or seen.length < _SHORT:
            return True
        return seen.length <= WORTH_REMEMBERING and len(seen.texts) < _NEW * seen.total

    def _field(self, name: str) -> Sampled:
        sampled = self._sampled.get(name)
        if sampled is None:
            texts = Counter(text[:_TEXT].casefold() for text in self._texts(name))
            sampled = self._sampled[name] = Sampled(texts)
        return sampled

    def _texts(self, name: str) -> Iterator[str]:
        reach = reach_for(self._kind, name)
        for record in self._sample:
            if not name:
                yield from Fields(record).everything()
                continue
            value = reach(record)
            if isinstance(value, (list, tuple)):
                yield from Fields(record).texts(name)
            elif isinstance(value, (str, int, float)) and value != "":
                yield text_of(value)


def choose(needs: Sequence[Every], experience: Experience) -> list[Clause | None]:
    """What each of some rules is looked for by."""
    chosen = [cheapest(need, experience.risk) for need in needs]
    dear = sorted({atom.field for clause in chosen for atom in clause or ()}, key=experience.price, reverse=True)
    avoided: set[str] = set()
    for field in dear:
        using = [at for at, clause in enumerate(chosen) if clause and field in fields_of_clause(clause)]
        cost = _avoiding(experience, frozenset(avoided | {field}))
        other = [cheapest(needs[at], cost) for at in using]
        loss = sum(map(cost, other)) - sum(experience.risk(chosen[at]) for at in using)
        if loss * _JUDGED < experience.price(field):
            avoided.add(field)
            for at, clause in zip(using, other, strict=True):
                chosen[at] = clause
    return chosen


def is_worth_it(
    chosen: Sequence[Clause | None], before: Sequence[Clause | None], experience: Experience, records: int
) -> bool:
    """Whether a new choice saves more, until the next is made after so many records, than it costs to build."""
    saved = _total(before, experience) - _total(chosen, experience)
    return saved * records > _BUILT * sum(len(clause) for clause in chosen if clause)


def _total(chosen: Sequence[Clause | None], experience: Experience) -> float:
    """What each record costs."""
    fields = frozenset[str]().union(*(fields_of_clause(clause) for clause in chosen if clause))
    return sum(map(experience.price, fields)) + _JUDGED * sum(map(experience.risk, chosen))


def _avoiding(experience: Experience, fields: frozenset[str]) -> Callable[[Clause | None], float]:
    return lambda clause: (
        _NEVER if clause and not fields.isdisjoint(fields_of_clause(clause)) else experience.risk(clause)
    )


@lru_cache(maxsize=65_536)
def fields_of_clause(clause: Clause) -> frozenset[str]:
    """The fields that its atoms are of."""
    return frozenset(atom.field for atom in clause)


def _guess(atom: Atom) -> float:
    share = {How.EXACT: 0.003, How.TAIL: 0.01, How.PRESENT: 0.9}.get(atom.how)
    if share is None:
        return max(float(0.6 ** len(atom.text)), 0.0005)
    return share
