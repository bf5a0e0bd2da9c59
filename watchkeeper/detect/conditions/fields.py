"""A record as rules see it: fields by name, lists meaning any of their items.

A record is one of our own events (members by name: `kind`, `server`, `labels`; members of its body by path:
`body.findings.label`) or a foreign one, a plain dict. There a name means the member of that very name where there is
one (`cs-uri-query`, `userIdentity.type` of a flat record), else the path that its dots describe. An absent field, a
null and an empty text are the same to a rule: nothing is there. Pure.

What a hostile record has too much of is not looked at, and `cut` says so: `LONGEST`, `MOST`, `DEEPEST`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import msgspec

from watchkeeper.events import Event

Record = Event | dict[str, Any]
Scalar = str | int | float | bool

LONGEST = 1_048_576
"""Characters of one text."""
MOST = 10_000
"""Values of one field, and of a whole record for keywords."""
DEEPEST = 64
"""Lists and members inside one another."""

MEMBERS = frozenset(field.name for field in msgspec.structs.fields(Event)) - {"body", "v"}


def is_field(name: str) -> bool:
    """Whether an event of ours can have a field of this name; positions in lists are no fields."""
    first, dot, rest = name.partition(".")
    if not dot:
        return name in MEMBERS
    return first == "body" and all(part and not part.isdigit() for part in rest.split("."))


def text_of(value: Scalar) -> str:
    """A value as rules compare it with text: numbers and truth as JSON writes them."""
    if isinstance(value, str):
        return value
    if isinstance(value, bool):
        return "true" if value else "false"
    try:
        return str(value)
    except ValueError:  # thousands of digits
        return hex(int(value))


class Fields:
    """One record's fields, each looked up once however many rules ask."""

    def __init__(self, record: Record) -> None:
        self._record = record
        self._values: dict[str, list[Scalar]] = {}
        self._texts: dict[str, list[str]] = {}
        self._folded: dict[str, list[str]] = {}
        self._everything: list[str] | None = None
        self.cut = False
        """Whether something was too long, too many or too deep to be looked at as a whole."""

    def values(self, name: str) -> list[Scalar]:
        """What is there; empty when nothing is."""
        found = self._values.get(name)
        if found is None:
            start, rest = event_member(self._record, name) if isinstance(self._record, Event) else (self._record, name)
            found = self._values[name] = self._bounded(walk(start, rest, self._overflow))
        return found

    def texts(self, name: str) -> list[str]:
        """The values as text."""
        found = self._texts.get(name)
        if found is None:
            found = self._texts[name] = [text_of(value) for value in self.values(name)]
        return found

    def folded(self, name: str) -> list[str]:
        """The values as text without regard to case."""
        found = self._folded.get(name)
        if found is None:
            found = self._folded[name] = [text.casefold() for text in self.texts(name)]
        return found

    def everything(self) -> list[str]:
        """Every text of the record, for keywords."""
        if self._everything is None:
            values = self._bounded(leaves(self._record, self._overflow))
            self._everything = [text_of(value) for value in values]
        return self._everything

    def _bounded(self, values: Iterator[Scalar]) -> list[Scalar]:
        found: list[Scalar] = []
        for value in values:
            if len(found) == MOST:
                self.cut = True
                break
            if isinstance(value, str) and len(value) > LONGEST:
                self.cut = True
                found.append(value[:LONGEST])
            else:
                found.append(value)
        return found

    def _overflow(self) -> None:
        self.cut = True


def event_member(event: Event, name: str) -> tuple[Any, str]:
    """Where to begin with a name in an event of ours, and what is left of the name then."""
    first, _, rest = name.partition(".")
    if first == "body":
        return event.body, rest
    return (getattr(event, first), rest) if first in MEMBERS else (None, "")


def walk(value: Any, name: str, too_deep: Callable[[], None], depth: int = 0) -> Iterator[Scalar]:
    """The values that a name means in here; of an empty name, the value itself."""
    if isinstance(value, (list, tuple, dict)) and depth == DEEPEST:
        too_deep()
    elif isinstance(value, (list, tuple)):
        for item in value:
            yield from walk(item, name, too_deep, depth + 1)
    elif name:
        if isinstance(value, dict):
            first, rest = (name, "") if name in value else _split(name)
            yield from walk(value.get(first), rest, too_deep, depth + 1)
    elif isinstance(value, (str, int, float)) and value != "":
        yield value


def leaves(value: Any, too_deep: Callable[[], None], depth: int = 0) -> Iterator[Scalar]:
    """Every value in here, in order."""
    if isinstance(value, Event):
        for member in sorted(MEMBERS):
            yield from leaves(getattr(value, member), too_deep, depth + 1)
        yield from leaves(value.body, too_deep, depth + 1)
    elif isinstance(value, (list, tuple, dict)):
        if depth == DEEPEST:
            too_deep()
            return
        for item in value.values() if isinstance(value, dict) else value:
            yield from leaves(item, too_deep, depth + 1)
    elif isinstance(value, (str, int, float)) and value != "":
        yield value


def _split(name: str) -> tuple[str, str]:
    first, _, rest = name.partition(".")
    return first, rest
