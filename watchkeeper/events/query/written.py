"""A tree as the shortest text that is read as the same tree: for links, pivots and manifests. Pure."""

from __future__ import annotations

import re

from watchkeeper.events.query.fields import SEVERITIES
from watchkeeper.events.query.model import All, AnyOf, Compare, Contains, Expr, Has, Is, Not, Pattern

_PLAIN = re.compile(r"""[^\s()",*]+""")
_WORD = re.compile(r"""[^\s()",*:\-][^\s()":]*""")
_RESERVED = frozenset({"AND", "OR", "NOT"})


def written(where: Expr | None) -> str:
    """The text of a query."""
    return "" if where is None else _written(where, is_inside=False)


def term(field: str, value: object) -> str:
    """`field:value` for exactly this value, quoted when it must be: a pivot."""
    text = str(value)
    if field == "severity" and text.isdigit() and 1 <= int(text) <= len(SEVERITIES):
        text = SEVERITIES[int(text) - 1]
    return f"{field}:{_value(Pattern(text))}"


def _written(where: Expr, *, is_inside: bool) -> str:
    match where:
        case All(parts):
            text = " ".join(_written(part, is_inside=True) for part in parts)
            return f"({text})" if is_inside else text
        case AnyOf(parts):
            text = " OR ".join(_written(part, is_inside=True) for part in parts)
            return f"({text})" if is_inside else text
        case Not(part):
            return "-" + _written(part, is_inside=True)
        case Contains(text):
            plain = _WORD.fullmatch(text) and text not in _RESERVED
            return text if plain else _quoted(text)
        case Is(field, values):
            return f"{field}:{','.join(map(_value, values))}"
        case Has(field):
            return f"{field}:*"
        case Compare(field, sign, number):
            shown = SEVERITIES[number - 1] if field == "severity" and 1 <= number <= len(SEVERITIES) else str(number)
            return f"{field}:{'' if sign == '=' else sign}{shown}"


def _value(value: Pattern) -> str:
    return value.text if value.is_wild or _PLAIN.fullmatch(value.text) else _quoted(value.text)


def _quoted(text: str) -> str:
    return '"' + text.replace("\\", "\\\\").replace('"', '\\"') + '"'
