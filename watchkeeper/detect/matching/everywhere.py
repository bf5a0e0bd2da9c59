"""Keywords: texts that may stand in any value of a record.

The record is written as JSON by one call, and its bytes are scanned at once: names of members may be mistaken for
values, nothing is missed. A keyword that JSON may write in another way (a piece of a number) always makes its rule a
candidate; a record that cannot be written (half a surrogate pair) is looked at value by value.
"""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Iterable

import msgspec

from watchkeeper.detect.conditions.fields import Fields, Record
from watchkeeper.detect.conditions.needs import Atom, How
from watchkeeper.detect.matching.scanning import Database, Scanner, encoded, make_scanner

_NUMBER = re.compile(r"[0-9.e+-]+|[infa-]{1,4}")
"""What can be a piece of a number with a fraction."""
_encode = msgspec.json.Encoder().encode


class Everywhere:
    """The index of all values of a record."""

    def __init__(self, atoms: Iterable[tuple[Atom, int]]) -> None:
        self._present = 0
        written: dict[str, int] = defaultdict(int)
        parts: dict[str, int] = defaultdict(int)
        for atom, marks in atoms:
            if atom.how is How.PRESENT or not atom.text.strip("\0"):
                self._present |= marks
                continue
            parts[atom.text] |= marks
            written[_inside(atom.text)] |= marks
            if _NUMBER.fullmatch(atom.text):
                self._present |= marks
        self._escaped = 1 << max((marks.bit_length() for marks in written.values()), default=0)
        self._written: Scanner = Database(written, self._escaped)
        self._parts: Scanner = make_scanner(parts)

    def find(self, record: Record, raw: bytes | None = None) -> int:
        """The marks of all that stands in the record; `raw` is the JSON text that it was read from."""
        marks = self._escaped if raw is None else self._written.marks(raw)
        if marks & self._escaped:
            try:
                marks = self._written.marks(_encode(record)) & ~self._escaped
            except (ValueError, TypeError, OverflowError, RecursionError):
                return self._value_by_value(record)
        return marks | self._present

    def _value_by_value(self, record: Record) -> int:
        marks = self._present
        for text in Fields(record).everything():
            marks |= self._parts.marks(encoded(text))
        return marks


def _inside(text: str) -> str:
    """As the text stands between the quotes of JSON text."""
    return _encode(text.encode(errors="replace").decode()).decode()[1:-1]
