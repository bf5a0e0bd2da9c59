"""Which rules a value of one field speaks for: by the whole value, by the last name of a path, by what stands in it.

Marks are the bits of one number, a bit for each rule of a table: to join what several fields say is one *or*.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable
from typing import Any

from watchkeeper.detect.conditions.fields import LONGEST, Fields, Record
from watchkeeper.detect.conditions.needs import Atom, Clause, How, spellings, tail_of
from watchkeeper.detect.matching.counts import Counts
from watchkeeper.detect.matching.scanning import Scanner, encoded, make_scanner

_REMEMBERED = 4096
"""Values of one field."""
WORTH_REMEMBERING = 1024
"""Characters of a value."""


class Probe:
    """The index of one field. What it says of a value is remembered, in bounds."""

    def __init__(self, field: str, atoms: Iterable[tuple[Atom, int]], counts: Counts) -> None:
        self.field = field
        self._counts = counts
        self.memo: dict[str | int, int] = {}
        """What was found for texts and whole numbers, as a record has them."""
        self._present = 0
        self._exact: dict[str, int] = defaultdict(int)
        self._tails: dict[str, int] = defaultdict(int)
        parts: dict[str, int] = defaultdict(int)
        for atom, marks in atoms:
            if atom.how is How.PRESENT or not atom.text.strip("\0"):
                self._present |= marks
            else:
                {How.EXACT: self._exact, How.TAIL: self._tails, How.PART: parts}[atom.how][atom.text] |= marks
        self._exact, self._tails = dict(self._exact), dict(self._tails)
        self._has_wholes = bool(self._exact or self._tails)
        self._scanner: Scanner | None = make_scanner(parts) if parts else None

    def find(self, text: str) -> int:
        """The marks of one text."""
        if not text:
            return 0
        if len(text) > LONGEST:
            self._counts.cut += 1
            text = text[:LONGEST]
        marks = self._present
        if self._has_wholes:
            folded = text.casefold()
            marks |= self._exact.get(folded, 0)
            if self._tails:
                marks |= self._tails.get(tail_of(folded), 0)
        return marks | self._scanner.marks(encoded(text)) if self._scanner is not None else marks

    def learn(self, value: str | int) -> int:
        """The marks of a text or a whole number that is not remembered yet."""
        found = self.find(value if isinstance(value, str) else _digits(value))
        if isinstance(value, str) and len(value) > WORTH_REMEMBERING:
            return found
        if len(self.memo) >= _REMEMBERED:
            self.memo.clear()
        self.memo[value] = found
        return found

    def find_other(self, value: Any, record: Record) -> int:
        """The marks of a value that is neither; of a list, those of its items."""
        if not isinstance(value, (list, tuple)):
            return self._find_scalar(value)
        marks, fields = 0, Fields(record)
        for item in fields.values(self.field):
            marks |= self._find_scalar(item)
        self._counts.cut += fields.cut
        return marks

    def _find_scalar(self, value: Any) -> int:
        kind = type(value)
        if kind is str or kind is int:
            known = self.memo.get(value)
            return self.learn(value) if known is None else known
        if kind is bool:
            return self.learn("true" if value else "false")
        if isinstance(value, float):
            marks = 0
            for text in spellings(value):
                marks |= self.learn(text)
            return marks
        # kinds of number that only our own structs hold
        return self.learn(int(value)) if isinstance(value, int) else 0


def _digits(value: int) -> str:
    try:
        return str(value)
    except ValueError:  # thousands of digits
        return hex(value)


def atoms_by_field(clauses: Iterable[Clause | None]) -> tuple[dict[str, dict[Atom, int]], int]:
    """The marks of each atom, for each field, and those of rules that need nothing; a rule's place is its bit."""
    always = 0
    by_field: dict[str, dict[Atom, int]] = defaultdict(lambda: defaultdict(int))
    for bit, clause in enumerate(clauses):
        if clause is None:
            always |= 1 << bit
        else:
            for atom in clause:
                by_field[atom.field][atom] |= 1 << bit
    return by_field, always
