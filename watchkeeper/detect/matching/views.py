"""One record while its candidate rules are judged: each field fetched, written as text and folded at most once.

Generated conditions read attributes: `f3` is the field of number 3 as folded text, `t3` as text, `n3` the value itself.
They are written for one value a field; a record that has several raises `Several`, and is read plainly instead.
"""

from __future__ import annotations

from typing import Any

from watchkeeper.detect.conditions.fields import LONGEST, Fields, Record, Scalar, text_of
from watchkeeper.detect.matching.reaching import Reach, reach_for


class Several(Exception):
    """The field has more than one value."""


class Names:
    """The numbers of fields in generated code, for all rules of a matcher."""

    def __init__(self) -> None:
        self._numbers: dict[str, int] = {}
        self._names: list[str] = []
        self._reaches: dict[type, list[Reach]] = {}

    def number(self, name: str) -> int:
        """The field's number; a new one for a new field."""
        if name not in self._numbers:
            self._numbers[name] = len(self._names)
            self._names.append(name)
        return self._numbers[name]

    def fetch(self, number: int, record: Record, view: View) -> Scalar:
        """The one value of a field, an empty text for none. Raises `Several`."""
        reaches = self._reaches.setdefault(type(record), [])
        while len(reaches) < len(self._names):
            reaches.append(reach_for(type(record), self._names[len(reaches)]))
        value = reaches[number](record)
        if isinstance(value, str):
            if len(value) > LONGEST:
                view.fields.cut = True
            return value[:LONGEST]
        if isinstance(value, (list, tuple)):
            values = view.fields.values(self._names[number])
            if len(values) > 1:
                raise Several
            return values[0] if values else ""
        return value if isinstance(value, (int, float)) else ""


class View:
    """Attributes come into being when they are read first."""

    def __init__(self, record: Record, names: Names) -> None:
        self.record = record
        self.names = names

    def __getattr__(self, attribute: str) -> Any:
        if attribute == "fields":
            self.fields = Fields(self.record)
            return self.fields
        number = int(attribute[1:])
        value: Any = self.names.fetch(number, self.record, self)
        # truth is no number to a rule
        setattr(self, f"n{number}", text_of(value) if isinstance(value, bool) else value)
        text = text_of(value)
        setattr(self, f"t{number}", text)
        setattr(self, f"f{number}", text.casefold())
        return getattr(self, attribute)
