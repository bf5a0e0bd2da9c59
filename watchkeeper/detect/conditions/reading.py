"""pySigma's condition of a rule, modifiers applied, as our own tree. Nothing that is not understood passes.

pySigma has resolved selections, quantifiers (`1 of`, `all of`) and most modifiers (`base64offset`, `windash`, `wide`,
`all`) into and, or, not and values; placeholders (`expand`) are resolved before a rule comes here.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

from sigma.conditions import (
    ConditionAND,
    ConditionFieldEqualsValueExpression,
    ConditionNOT,
    ConditionOR,
    ConditionValueExpression,
)
from sigma.types import (
    CompareOperators,
    SigmaBool,
    SigmaCasedString,
    SigmaCIDRExpression,
    SigmaCompareExpression,
    SigmaExists,
    SigmaExpansion,
    SigmaFieldReference,
    SigmaNull,
    SigmaNumber,
    SigmaRegularExpression,
    SigmaRegularExpressionFlag,
    SigmaString,
    SigmaTimestampPart,
    SpecialChars,
)

from watchkeeper.detect.conditions.model import (
    And,
    Comparison,
    Condition,
    Literal,
    Not,
    Operator,
    Or,
    Wild,
)
from watchkeeper.detect.conditions.patterns import Unsupported, like, regex

_DEEPEST = 100
_ANY, _ONE = Wild(), Wild(one=True)


def read_condition(node: Any, depth: int = 0) -> Condition:
    """The tree of a postprocessed condition. Raises `Unsupported`, naming what cannot be carried out."""
    if depth == _DEEPEST:
        raise Unsupported(f"the condition is more than {_DEEPEST} levels deep")
    if isinstance(node, ConditionAND):
        return _joined(And, (read_condition(arg, depth + 1) for arg in node.args))
    if isinstance(node, ConditionOR):
        return _joined(Or, (read_condition(arg, depth + 1) for arg in node.args))
    if isinstance(node, ConditionNOT):
        return Not(read_condition(node.args[0], depth + 1))
    if isinstance(node, ConditionFieldEqualsValueExpression):
        return _value(node.field, node.value)
    if isinstance(node, ConditionValueExpression):
        return _keyword(node.value)
    raise Unsupported(f"the condition holds {type(node).__name__}, which is not supported")


def either(conditions: Iterable[Condition]) -> Condition:
    """Any of several conditions, as a rule may list them."""
    return _joined(Or, conditions)


def _joined(kind: type[And | Or], args: Iterable[Condition]) -> Condition:
    several = tuple(args)
    return several[0] if len(several) == 1 else kind(several)


def _value(field: str, value: Any) -> Condition:
    if not field:
        raise Unsupported("a field has no name")
    maker = _MAKERS.get(type(value))
    if maker is None:
        raise Unsupported(f"the field {field} is compared with {_name(value)}, which is not supported")
    return maker(field, value)


def _keyword(value: Any) -> Condition:
    """A value without a field is somewhere in any text of the event."""
    if type(value) is SigmaExpansion:
        return _joined(Or, map(_keyword, value.values))
    if type(value) is SigmaRegularExpression:
        return _regular("", value)
    if type(value) is SigmaNumber:
        return Comparison("", Operator.CONTAINS, str(value.number))
    if type(value) in (SigmaString, SigmaCasedString):
        return _shaped("", [_ANY, *_parts(value), _ANY], cased=type(value) is SigmaCasedString)
    raise Unsupported(f"a keyword is {_name(value)}, which is not supported")


def _text(field: str, value: SigmaString) -> Comparison:
    parts = _parts(value)
    if not parts:
        return Comparison(field, Operator.ABSENT)
    return _shaped(field, parts, cased=False)


def _cased(field: str, value: SigmaCasedString) -> Comparison:
    return _shaped(field, _parts(value), cased=True)


def _parts(value: SigmaString) -> list[Literal | Wild]:
    return [_part(part) for part in value.s if part != ""]


def _part(part: Any) -> Literal | Wild:
    if isinstance(part, str):
        return Literal(part)
    if isinstance(part, SpecialChars):
        return _ONE if part is SpecialChars.WILDCARD_SINGLE else _ANY
    raise Unsupported(
        f"the placeholder %{getattr(part, 'name', part)}% (modifier expand) stands for nothing",
        hint="say what it stands for where rules are loaded",
    )


def _shaped(field: str, parts: list[Literal | Wild], *, cased: bool) -> Comparison:
    """The plainest comparison that says the same."""
    parts = _merged(parts, cased)
    texts = [part.text for part in parts if isinstance(part, Literal)]
    shape = "".join("t" if isinstance(part, Literal) else "?" if part.one else "*" for part in parts)
    if shape == "*":
        return Comparison(field, Operator.EXISTS)
    operator = _SHAPES.get(shape)
    if operator is not None:
        return Comparison(field, operator, "".join(texts), cased=cased)
    like(tuple(parts))  # refused now, not when an event comes
    return Comparison(field, Operator.LIKE, cased=cased, parts=tuple(parts))


_SHAPES = {
    "": Operator.EQUALS,
    "t": Operator.EQUALS,
    "t*": Operator.STARTS_WITH,
    "*t": Operator.ENDS_WITH,
    "*t*": Operator.CONTAINS,
}


def _merged(parts: list[Literal | Wild], cased: bool) -> list[Literal | Wild]:
    """Neighbouring texts are one text, several stars are one, and case is gone where it does not matter."""
    merged: list[Literal | Wild] = []
    for part in parts:
        last = merged[-1] if merged else None
        if isinstance(part, Literal):
            text = part.text if cased else part.text.casefold()
            merged[-1:] = [Literal(last.text + text)] if isinstance(last, Literal) else [*merged[-1:], Literal(text)]
        elif part.one or last != _ANY:
            merged.append(part)
    return merged


def _regular(field: str, value: SigmaRegularExpression) -> Comparison:
    if value.contains_placeholder():
        raise Unsupported(f"a placeholder of the regular expression {value.regexp.s} stands for nothing")
    source, flags = str(value.regexp), "".join(sorted(_FLAGS[flag] for flag in value.flags))
    regex(source, flags)  # refused now, not when an event comes
    return Comparison(field, Operator.REGEX, source, cased=True, flags=flags)


_FLAGS = {
    SigmaRegularExpressionFlag.IGNORECASE: "i",
    SigmaRegularExpressionFlag.MULTILINE: "m",
    SigmaRegularExpressionFlag.DOTALL: "s",
}


def _time_part(field: str, value: SigmaTimestampPart) -> Comparison:
    return Comparison(field, Operator.EQUALS, value.number, part=value.timestamp_part.name.lower())


def _compare(field: str, value: SigmaCompareExpression) -> Comparison:
    number = value.number
    part = number.timestamp_part.name.lower() if isinstance(number, SigmaTimestampPart) else ""
    return Comparison(field, _COMPARES[value.op], number.number, part=part)


_COMPARES = {
    CompareOperators.LT: Operator.LESS,
    CompareOperators.LTE: Operator.LESS_EQUAL,
    CompareOperators.GT: Operator.GREATER,
    CompareOperators.GTE: Operator.GREATER_EQUAL,
    CompareOperators.NEQ: Operator.NOT_EQUAL,
}


def _reference(field: str, value: SigmaFieldReference) -> Comparison:
    return Comparison(field, _REFERENCES[value.starts_with, value.ends_with], value.field)


_REFERENCES = {
    (False, False): Operator.SAME_AS,
    (True, False): Operator.SAME_START,
    (False, True): Operator.SAME_END,
    (True, True): Operator.SAME_PART,
}


def _expansion(field: str, value: SigmaExpansion) -> Condition:
    return _joined(Or, (_value(field, inner) for inner in value.values))


def _name(value: Any) -> str:
    return type(value).__name__.removeprefix("Sigma")


_MAKERS: dict[type, Callable[[str, Any], Condition]] = {
    SigmaString: _text,
    SigmaCasedString: _cased,
    SigmaRegularExpression: _regular,
    SigmaNumber: lambda field, value: Comparison(field, Operator.EQUALS, value.number),
    SigmaTimestampPart: _time_part,
    SigmaBool: lambda field, value: Comparison(field, Operator.EQUALS, value.boolean),
    SigmaNull: lambda field, _: Comparison(field, Operator.ABSENT),
    SigmaExists: lambda field, value: Comparison(field, Operator.EXISTS if value.exists else Operator.ABSENT),
    SigmaCIDRExpression: lambda field, value: Comparison(field, Operator.CIDR, str(value.network)),
    SigmaCompareExpression: _compare,
    SigmaFieldReference: _reference,
    SigmaExpansion: _expansion,
}
