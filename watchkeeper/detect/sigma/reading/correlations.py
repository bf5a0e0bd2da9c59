"""One `correlation:` document as data, its references made ids. What the types do over time is `detect.correlation`.

Read by us and not by pySigma, which knows no ids in extended conditions and no ranges (`gte` and `lt` together).
Absence has no word of its own: see `correlation.model`.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import msgspec

from watchkeeper.core.errors import Misconfigured
from watchkeeper.detect.conditions.patterns import Unsupported
from watchkeeper.detect.correlation.model import (
    Correlation,
    Every,
    Expression,
    Matched,
    Never,
    Operator,
    Some,
    Threshold,
    Type,
)
from watchkeeper.detect.sigma.files.documents import Document
from watchkeeper.detect.sigma.reading.expressions import has_never, holds_of_nothing, read_expression, rules_in
from watchkeeper.detect.sigma.reading.headings import heading_of
from watchkeeper.detect.sigma.reading.timespans import microseconds

Resolve = Callable[[str], str]
"""From what a document calls a rule to its id. Raises `Misconfigured`."""

_TEMPORAL = frozenset({Type.TEMPORAL, Type.TEMPORAL_ORDERED})
_OF_VALUES = frozenset({Type.VALUE_COUNT, Type.VALUE_SUM, Type.VALUE_AVG, Type.VALUE_PERCENTILE, Type.VALUE_MEDIAN})
_WRITTEN = tuple(kind.value for kind in Type if kind is not Type.ABSENCE)
_MOST = 1_000


class _Said(msgspec.Struct, forbid_unknown_fields=True, rename={"group_by": "group-by"}):
    type: str
    timespan: str
    rules: str | list[str] | None = None
    generate: bool = False
    group_by: str | list[str] | None = None
    aliases: dict[str, dict[str, str]] | None = None
    condition: str | dict[str, Any] | None = None


def read_correlation(document: Document, resolve: Resolve) -> Correlation:
    """The correlation of a document. Raises `Misconfigured`."""
    said = _said(document.content.get("correlation"))
    kind = _type(said.type)
    rules = tuple(resolve(name) for name in _list(said.rules))
    expression = _expression(said, kind, resolve)
    if expression is not None:
        rules = _agreed(rules, expression)
    if not rules or len(rules) > _MOST:
        raise Misconfigured(f"it refers to {len(rules)} rules", hint=f"name the rules it is about, at most {_MOST}")
    numbers = said.condition if isinstance(said.condition, dict) else {}
    correlation = Correlation(
        heading=heading_of(document, ""),
        type=kind,
        rules=rules,
        timespan=microseconds(said.timespan),
        group_by=tuple(_list(said.group_by)),
        aliases=_aliases(said.aliases or {}, rules, resolve),
        condition=() if expression is not None else _thresholds(numbers, kind, rules),
        expression=expression,
        fields=_fields(numbers, kind),
        percentile=_percentile(numbers, kind),
        generates=said.generate,
    )
    return _absence(correlation)


def _said(value: Any) -> _Said:
    if not isinstance(value, dict):
        raise Misconfigured("the correlation is no mapping", hint="write type, rules, timespan and condition")
    try:
        return msgspec.convert(value, _Said)
    except msgspec.ValidationError as error:
        raise Misconfigured(f"the correlation cannot be read: {error}", hint="see the Sigma specification") from error


def _type(word: str) -> Type:
    if word.lower() not in _WRITTEN:
        raise Unsupported(
            f"there is no correlation of type {word[:40]}",
            hint=f"one of {', '.join(_WRITTEN)}; for what stays away write temporal_ordered with `a and not b`",
        )
    return Type(word.lower())


def _list(value: str | list[str] | None) -> list[str]:
    words = [value] if isinstance(value, str) else value or []
    return list(dict.fromkeys(word.strip() for word in words if word.strip()))


def _expression(said: _Said, kind: Type, resolve: Resolve) -> Expression | None:
    if not isinstance(said.condition, str):
        return None
    if kind not in _TEMPORAL:
        raise Misconfigured(f"the condition of {kind} is a text", hint="write a mapping, e.g. `gte: 10`")
    expression = read_expression(said.condition, resolve)
    if holds_of_nothing(expression):
        raise Misconfigured("the condition is true where nothing happened", hint="ask for one rule that must match")
    return expression


def _agreed(rules: tuple[str, ...], expression: Expression) -> tuple[str, ...]:
    """The rules in the order of the list, or of the condition where there is no list."""
    named = tuple(dict.fromkeys(rules_in(expression)))
    if not rules or set(rules) == set(named):
        return rules or named
    odd = sorted(set(rules) ^ set(named))
    raise Misconfigured(f"condition and rules disagree about {', '.join(odd)}", hint="name the same rules in both")


def _thresholds(numbers: dict[str, Any], kind: Type, rules: tuple[str, ...]) -> tuple[Threshold, ...]:
    words = {operator.value for operator in Operator}
    if odd := sorted(set(numbers) - words - {"field", "percentile"}):
        raise Misconfigured(f"the condition has {odd[0]}", hint=f"one of {', '.join(sorted(words))}, field, percentile")
    said = tuple(Threshold(Operator(word), _number(word, numbers[word])) for word in numbers if word in words)
    if said:
        return said
    if kind in _TEMPORAL:
        return (Threshold(Operator.GREATER_EQUAL, len(rules)),)
    raise Misconfigured("the condition compares with nothing", hint="write e.g. `gte: 10`")


def _number(word: str, value: Any) -> int | float:
    is_number = isinstance(value, (int, float)) and not isinstance(value, bool) and math.isfinite(value)
    if not is_number or abs(value) > 1e15:
        raise Misconfigured(f"{word} of the condition is no number", hint=f"write e.g. `{word}: 10`")
    return int(value) if float(value).is_integer() else float(value)


def _fields(numbers: dict[str, Any], kind: Type) -> tuple[str, ...]:
    said = numbers.get("field")
    fields = tuple(_list(said)) if isinstance(said, str | list) else ()
    if kind not in _OF_VALUES:
        return ()
    if not fields or (len(fields) > 1 and kind is not Type.VALUE_COUNT):
        raise Misconfigured(f"{kind} needs {'fields' if kind is Type.VALUE_COUNT else 'one field'} in its condition",
                            hint="write e.g. `field: target` beside the number")  # fmt: skip
    return fields


def _percentile(numbers: dict[str, Any], kind: Type) -> float:
    if kind is not Type.VALUE_PERCENTILE:
        return 50.0
    said = _number("percentile", numbers.get("percentile"))
    if not 0 <= said <= 100:
        raise Misconfigured("percentile is not between 0 and 100")
    return float(said)


def _aliases(said: dict[str, dict[str, str]], rules: tuple[str, ...], resolve: Resolve) -> dict[str, dict[str, str]]:
    aliases = {alias: {resolve(name): field for name, field in mapping.items()} for alias, mapping in said.items()}
    for alias, mapping in aliases.items():
        if strangers := sorted(set(mapping) - set(rules)):
            raise Misconfigured(f"the alias {alias} is of {strangers[0]}, which is not among the rules")
    return aliases


def _absence(said: Correlation) -> Correlation:
    """What stays away, where that is what the words mean."""
    if said.type is Type.EVENT_COUNT and not _reaches_one(said.condition):
        return _absent(said, said.rules, said.rules)
    if said.type is not Type.TEMPORAL_ORDERED or said.expression is None or not has_never(said.expression):
        return said
    args = said.expression.args if isinstance(said.expression, Every) else ()
    first = tuple(arg.rule for arg in args if isinstance(arg, Matched))
    away = [arg.arg for arg in args if isinstance(arg, Never)]
    missing = tuple(rule for one in away for rule in (rules_in(one) if _is_plain(one) else ()))
    if not first or len(first) + len(away) != len(args) or not all(map(_is_plain, away)):
        raise Unsupported(
            "an ordered correlation with `not` has another form than `a and not b`",
            hint="write `a and not b`, or `a and b and not (c or d)`; or the type temporal",
        )
    place = {rule: at for at, rule in enumerate(said.rules)}
    if min(place[rule] for rule in missing) < max(place[rule] for rule in first):
        return said  # listed before or between: it must not have come before or between, and nothing is waited for
    return _absent(said, tuple(rule for rule in said.rules if rule in first), missing)


def _absent(said: Correlation, rules: tuple[str, ...], missing: tuple[str, ...]) -> Correlation:
    return msgspec.structs.replace(said, type=Type.ABSENCE, rules=rules, missing=missing, condition=(), expression=None)


def _is_plain(expression: Expression) -> bool:
    return isinstance(expression, Matched) or (
        isinstance(expression, Some) and all(isinstance(arg, Matched) for arg in expression.args)
    )


def _reaches_one(condition: tuple[Threshold, ...]) -> bool:
    """Whether a count of one or more can satisfy it."""
    for said in condition:
        if said.operator is Operator.LESS and said.value <= 1:
            return False
        if said.operator in (Operator.LESS_EQUAL, Operator.EQUAL) and said.value < 1:
            return False
    return True
