"""One comparison as a test of a record's fields, read plainly: what the fast matcher is held against.

Text compares without regard to case unless `cased`; a field with several values matches when one of them does.
"""

from __future__ import annotations

import ipaddress
import operator
from collections.abc import Callable
from typing import Any

from watchkeeper.detect.conditions.fields import Fields, Scalar
from watchkeeper.detect.conditions.model import Comparison, Operator
from watchkeeper.detect.conditions.patterns import TextTest, like, regex
from watchkeeper.detect.conditions.times import part_of

Test = Callable[[Fields], bool]


def comparison_test(said: Comparison) -> Test:
    """The test that a comparison stands for. Raises `Unsupported` for a pattern that cannot run."""
    if said.operator in (Operator.EXISTS, Operator.ABSENT):
        return _existence(said.field, wanted=said.operator is Operator.EXISTS)
    if said.operator in _REFERENCES:
        return _reference(said.field, str(said.value), _REFERENCES[said.operator])
    if said.part:
        return _time_part(said)
    if said.operator in _COMPARES:
        return _compare(said.field, _COMPARES[said.operator], said.value)
    if said.operator is Operator.EQUALS and is_number(said.value):
        return _number(said.field, said.value)
    return _text(said)


def text_test(said: Comparison) -> TextTest:
    """The test of one text, case-folded before unless the comparison is cased."""
    if said.operator is Operator.REGEX:
        return regex(str(said.value), said.flags)
    if said.operator is Operator.LIKE:
        return like(said.parts)
    if said.operator is Operator.CIDR:
        return _inside(str(said.value))
    literal = truth(said.value) if isinstance(said.value, bool) else str(said.value)
    if said.operator is Operator.CONTAINS:
        return lambda text: literal in text
    if said.operator is Operator.STARTS_WITH:
        return lambda text: text.startswith(literal)
    if said.operator is Operator.ENDS_WITH:
        return lambda text: text.endswith(literal)
    return lambda text: text == literal


def _text(said: Comparison) -> Test:
    field, test = said.field, text_test(said)
    as_written = said.cased or said.operator in (Operator.REGEX, Operator.CIDR)
    if not field and as_written:
        return lambda fields: any(test(text) for text in fields.everything())
    if not field:
        return lambda fields: any(test(text.casefold()) for text in fields.everything())
    if as_written:
        return lambda fields: any(test(text) for text in fields.texts(field))
    return lambda fields: any(test(text) for text in fields.folded(field))


def _existence(field: str, *, wanted: bool) -> Test:
    if not field:
        return lambda fields: bool(fields.everything()) is wanted
    return lambda fields: bool(fields.values(field)) is wanted


def _number(field: str, wanted: Any) -> Test:
    as_text = str(wanted)
    return lambda fields: any(v == wanted if is_number(v) else v == as_text for v in fields.values(field))


def _compare(field: str, holds: Callable[[Any, Any], bool], limit: Any) -> Test:
    return lambda fields: any(is_number(v) and holds(v, limit) for v in fields.values(field))


def _time_part(said: Comparison) -> Test:
    holds = operator.eq if said.operator is Operator.EQUALS else _COMPARES[said.operator]
    field, part, limit = said.field, said.part, said.value

    def test(value: Scalar) -> bool:
        found = part_of(part, value)
        return found is not None and holds(found, limit)

    return lambda fields: any(test(value) for value in fields.values(field))


def _reference(field: str, other: str, holds: Callable[[str, str], bool]) -> Test:
    return lambda fields: any(holds(a, b) for a in fields.folded(field) for b in fields.folded(other))


def _inside(network: str) -> TextTest:
    inside = ipaddress.ip_network(network)

    def test(text: str) -> bool:
        try:
            return ipaddress.ip_address(text) in inside
        except ValueError:
            return False

    return test


def is_number(value: Any) -> bool:
    """Truth is no number."""
    return isinstance(value, (int, float)) and not isinstance(value, bool)


def truth(value: bool) -> str:
    """As JSON writes it."""
    return "true" if value else "false"


_COMPARES: dict[Operator, Callable[[Any, Any], bool]] = {
    Operator.LESS: operator.lt,
    Operator.LESS_EQUAL: operator.le,
    Operator.GREATER: operator.gt,
    Operator.GREATER_EQUAL: operator.ge,
    Operator.NOT_EQUAL: operator.ne,
}
_REFERENCES: dict[Operator, Callable[[str, str], bool]] = {
    Operator.SAME_AS: operator.eq,
    Operator.SAME_START: str.startswith,
    Operator.SAME_END: str.endswith,
    Operator.SAME_PART: operator.contains,
}
