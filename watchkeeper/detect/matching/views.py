"""One record while its candidate rules are judged: each field fetched, written as text and folded at most once.

Generated conditions read attributes: `f3` is the field of number 3 as folded text, `t3` as text, `n3` the value itself.
They are written for one value a field; a record that has several raises `Several`, and is read plainly instead.
"""

from __future__ import annotations

from typing import Any

from watchkeeper.detect.conditions.fields import LONGEST, Fields, Record, Scalar, text_of
from watchkeeper.detect.matching.reaching import Reach, into_dict, into_event


class Several(Exception):
    """The field has more than one value."""


class Names:
    """The numbers of fields in generated code, for all rules of a matcher."""

    def __init__(self) -> None:
        self._numbers: dict[str, int] = {}
        self.slots: dict[str, tuple[str, str, Reach, Reach]] = {}
        """For each attribute of a view: its letter, its field, and how it is fetched from a dict and from an event."""

    def number(self, name: str) -> int:
        """The field's number; a new one for a new field."""
        number = self._numbers.get(name)
        if number is None:
            number = self._numbers[name] = len(self._numbers)
            for letter in "ftn":
                self.slots[f"{letter}{number}"] = (letter, name, into_dict(name), into_event(name))
        return number


class View:
    """Attributes come into being when they are read first."""

    def __init__(self, record: Record, names: Names) -> None:
        self.record = record
        self.names = names

    @property
    def was_cut(self) -> bool:
        """Whether there was too much of something."""
        return "fields" in self.__dict__ and self.fields.cut

    def __getattr__(self, attribute: str) -> Any:
        if attribute == "fields":
            value: Any = Fields(self.record)
        else:
            letter, name, from_dict, from_event = self.names.slots[attribute]
            record = self.record
            value = from_dict(record) if type(record) is dict else from_event(record)
            if type(value) is not str or len(value) > LONGEST:
                value = self._one(value, name)
            if letter == "f":
                value = (value if type(value) is str else text_of(value)).casefold()
            elif letter == "t" or value is True or value is False:  # truth is no number to a rule
                value = text_of(value)
        self.__dict__[attribute] = value
        return value

    def _one(self, value: Any, name: str) -> Scalar:
        """The one value of a field, an empty text for none. Raises `Several`."""
        if isinstance(value, (list, tuple)):
            values = self.fields.values(name)
            if len(values) > 1:
                raise Several
            return values[0] if values else ""
        if isinstance(value, str):
            self.fields.cut = True
            return value[:LONGEST]
        return value if isinstance(value, (int, float)) else ""
