"""A query as a question of one row in memory: what `sql` asks of the lake, asked of what the lake does not hold yet.

Patterns run on an engine without backtracking, as the lake's do: no query makes one row take for ever. Pure.
"""

from __future__ import annotations

import operator
from collections.abc import Callable, Mapping
from typing import Any, TypeAlias

import re2

from watchkeeper.events.query import needles
from watchkeeper.events.query.fields import Field, field_of
from watchkeeper.events.query.model import All, AnyOf, Compare, Contains, Expr, Has, Is, Not, Pattern

Row: TypeAlias = Mapping[str, Any]
Question: TypeAlias = Callable[[Row], bool]
_SIGNS: Mapping[str, Callable[[int, int], bool]] = {
    "=": operator.eq,
    "<": operator.lt,
    "<=": operator.le,
    ">": operator.gt,
    ">=": operator.ge,
}


def question(where: Expr) -> Question:
    """The query, made ready to be asked of many rows."""
    match where:
        case All(parts):
            every = [question(part) for part in parts]
            return lambda row: all(ask(row) for ask in every)
        case AnyOf(parts):
            some = [question(part) for part in parts]
            return lambda row: any(ask(row) for ask in some)
        case Not(part):
            inner = question(part)
            return lambda row: not inner(row)
        case Contains(text):
            return contains_any(text)
        case Compare(name, sign, number):
            return _compared(_known(name).column, _SIGNS[sign], number)
        case Has(name):
            return _present(_known(name))
        case Is(name, values):
            each = [_is(_known(name), value) for value in values]
            return lambda row: any(ask(row) for ask in each)


def contains_any(text: str) -> Question:
    """Whether any searched column says this, letters of either case."""
    spoken = needles.spoken(text)
    return lambda row: any(
        needle in hay for hay in (row[name].lower() for name in needles.SEARCHED if row[name]) for needle in spoken
    )


def _known(name: str) -> Field:
    field = field_of(name)
    assert field is not None  # the reader of queries made this tree
    return field


def _is(field: Field, value: Pattern) -> Question:
    name, text = field.column, value.text
    if field.type == "member":
        found = _search(needles.member(name, value))
        return lambda row: found(row["body"])
    if field.type == "list":
        if not value.is_wild:
            return lambda row: text in row[name]
        listed = _search(needles.listed(text))
        return lambda row: listed(needles.BETWEEN.join(row[name]))
    if field.name == "kind" or value.is_wild:
        whole = needles.kind(text) if field.name == "kind" else needles.wildcard(text)
        matched = _search(f"^(?:{whole})$")
        return lambda row: matched(row[name] or "")
    return lambda row: (row[name] or "") == text


def _compared(name: str, holds: Callable[[int, int], bool], number: int) -> Question:
    return lambda row: row[name] is not None and holds(row[name], number)


def _present(field: Field) -> Question:
    name = field.column
    if field.type == "member":
        found = _search(needles.present(name))
        return lambda row: found(row["body"])
    if field.type in ("list", "text"):
        return lambda row: bool(row[name])
    return lambda row: row[name] is not None


def _search(pattern: str) -> Callable[[str], bool]:
    compiled = re2.compile(pattern)
    return lambda text: compiled.search(text) is not None
