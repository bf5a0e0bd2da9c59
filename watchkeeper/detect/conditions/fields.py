"""An event as rules see it: fields by dotted path, lists meaning any of their items.

Members of the event by name (`kind`, `server`, `labels`), members of its body by path (`body.findings.label`). An
absent field, a null and an empty text are the same to a rule: nothing is there. Pure.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import msgspec

from watchkeeper.events import Event

Path = tuple[str, ...]
Scalar = str | int | float | bool

MEMBERS = frozenset(field.name for field in msgspec.structs.fields(Event)) - {"body", "v"}


def is_field(path: Path) -> bool:
    """Whether an event can have a field of this name; positions in lists are no fields."""
    if len(path) == 1:
        return path[0] in MEMBERS
    return path[0] == "body" and all(part and not part.isdigit() for part in path)


def text_of(value: Scalar) -> str:
    """A value as rules compare it with text: numbers and truth as JSON writes them."""
    if isinstance(value, str):
        return value
    if isinstance(value, bool):
        return "true" if value else "false"
    return str(value)


class Fields:
    """One event's fields, each looked up once however many rules ask."""

    def __init__(self, event: Event) -> None:
        self._event = event
        self._values: dict[Path, list[Scalar]] = {}
        self._texts: dict[Path, list[str]] = {}
        self._folded: dict[Path, list[str]] = {}

    def values(self, path: Path) -> list[Scalar]:
        """What is there; empty when nothing is."""
        found = self._values.get(path)
        if found is None:
            start: Any = self._event.body if path[0] == "body" else getattr(self._event, path[0])
            found = self._values[path] = list(_walk(start, path[1:]))
        return found

    def texts(self, path: Path) -> list[str]:
        """The values as text."""
        found = self._texts.get(path)
        if found is None:
            found = self._texts[path] = [text_of(value) for value in self.values(path)]
        return found

    def folded(self, path: Path) -> list[str]:
        """The values as text without regard to case."""
        found = self._folded.get(path)
        if found is None:
            found = self._folded[path] = [text.casefold() for text in self.texts(path)]
        return found

    def everything(self) -> list[str]:
        """Every text of the event, for keywords."""
        found = self._texts.get(())
        if found is None:
            found = [text for name in sorted(MEMBERS) for text in self.texts((name,))]
            found += [text_of(value) for value in _leaves(self._event.body)]
            self._texts[()] = found
        return found


def _walk(value: Any, path: Path) -> Iterator[Scalar]:
    if isinstance(value, (list, tuple)):
        for item in value:
            yield from _walk(item, path)
    elif path:
        if isinstance(value, dict):
            yield from _walk(value.get(path[0]), path[1:])
    elif isinstance(value, (str, int, float)) and value != "":
        yield value


def _leaves(value: Any) -> Iterator[Scalar]:
    if isinstance(value, (list, tuple)):
        for item in value:
            yield from _leaves(item)
    elif isinstance(value, dict):
        for item in value.values():
            yield from _leaves(item)
    elif isinstance(value, (str, int, float)) and value != "":
        yield value
