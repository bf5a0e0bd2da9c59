"""One value of a Sigma rule as a test of one field. What Sigma calls a modifier has been applied by pySigma before.

Text compares without regard to case unless `cased`; regular expressions run on RE2, which cannot be made to hang;
nothing that is not understood passes: it raises `Unsupported`.
"""

from __future__ import annotations

import ipaddress
import operator
from collections.abc import Callable
from typing import Any

import re2
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
    SpecialChars,
)

from watchkeeper.core.errors import Misconfigured
from watchkeeper.detect.conditions.fields import Fields, Path, Scalar, is_field

Test = Callable[[Fields], bool]
TextTest = Callable[[str], bool]


class Unsupported(Misconfigured):
    """The rule says something this engine does not carry out."""


def field_test(path: Path, value: Any) -> Test:
    """The test that `field: value` stands for. Raises `Unsupported`."""
    maker = _MAKERS.get(type(value))
    if maker is None:
        raise Unsupported(f"the field {'.'.join(path)} is compared with {_name(value)}, which is not supported")
    return maker(path, value)


def keyword_test(value: Any) -> Test:
    """The test that a value without a field stands for: somewhere in any text of the event. Raises `Unsupported`."""
    if type(value) is SigmaExpansion:
        tests = [keyword_test(inner) for inner in value.values]
        return lambda fields: any(test(fields) for test in tests)
    if type(value) is SigmaRegularExpression:
        found = _regex(value)
        return lambda fields: any(found(text) for text in fields.everything())
    if type(value) is SigmaNumber:
        needle = str(value.number)
        return lambda fields: any(needle in text for text in fields.everything())
    if type(value) not in (SigmaString, SigmaCasedString):
        raise Unsupported(f"a keyword is {_name(value)}, which is not supported")
    wrapped = SpecialChars.WILDCARD_MULTI + value + SpecialChars.WILDCARD_MULTI
    if type(value) is SigmaCasedString:
        cased = text_test(wrapped.s)
        return lambda fields: any(cased(text) for text in fields.everything())
    test = text_test(_fold(wrapped.s))
    return lambda fields: any(test(text.casefold()) for text in fields.everything())


def text_test(parts: list[Any]) -> TextTest:
    """The test of a text with `*` and `?`. Raises `Unsupported` for placeholders."""
    star = SpecialChars.WILDCARD_MULTI
    for part in parts:
        if not isinstance(part, (str, SpecialChars)):
            raise Unsupported(f"the placeholder %{getattr(part, 'name', part)}% (modifier expand) is not supported")
    literals = [part for part in parts if isinstance(part, str)]
    shape = ["text" if isinstance(part, str) else part for part in parts]
    if shape in ([], ["text"]):
        wanted = "".join(literals)
        return lambda text: text == wanted
    if all(part is star for part in shape):
        return lambda text: True
    if shape in (["text", star], [star, "text"], [star, "text", star]):
        literal = literals[0]
        if shape[0] == "text":
            return lambda text: text.startswith(literal)
        if shape[-1] == "text":
            return lambda text: text.endswith(literal)
        return lambda text: literal in text
    pattern = "".join(re2.escape(p) if isinstance(p, str) else ".*" if p is star else "." for p in parts)
    compiled = re2.compile(f"(?s){pattern}")
    return lambda text: compiled.fullmatch(text) is not None


def _fold(parts: list[Any]) -> list[Any]:
    return [part.casefold() if isinstance(part, str) else part for part in parts]


def _text(path: Path, value: SigmaString) -> Test:
    if not "".join(str(part) for part in value.s):
        return lambda fields: not fields.values(path)
    if all(isinstance(part, str) for part in value.s):
        wanted = "".join(_fold(value.s))
        return lambda fields: wanted in fields.folded(path)
    test = text_test(_fold(value.s))
    return lambda fields: any(test(text) for text in fields.folded(path))


def _cased(path: Path, value: SigmaCasedString) -> Test:
    test = text_test(value.s)
    return lambda fields: any(test(text) for text in fields.texts(path))


def _regular(path: Path, value: SigmaRegularExpression) -> Test:
    found = _regex(value)
    return lambda fields: any(found(text) for text in fields.texts(path))


def _regex(value: SigmaRegularExpression) -> TextTest:
    letters = {
        SigmaRegularExpressionFlag.IGNORECASE: "i",
        SigmaRegularExpressionFlag.MULTILINE: "m",
        SigmaRegularExpressionFlag.DOTALL: "s",
    }
    flags = "".join(sorted(letters[flag] for flag in value.flags))
    source = str(value.regexp)
    options = re2.Options()
    options.log_errors = False
    try:
        compiled = re2.compile(f"(?{flags}){source}" if flags else source, options)
    except re2.error as error:
        raise Unsupported(
            f"the regular expression {source!r} cannot run on RE2: {error}",
            hint="look-around and back-references are not supported; write it without them",
        ) from error
    return lambda text: compiled.search(text) is not None


def _number(path: Path, value: SigmaNumber) -> Test:
    wanted = value.number
    as_text = str(wanted)
    return lambda fields: any(v == wanted if _is_number(v) else v == as_text for v in fields.values(path))


def _truth(path: Path, value: SigmaBool) -> Test:
    wanted = "true" if value.boolean else "false"
    return lambda fields: wanted in fields.folded(path)


def _null(path: Path, _: SigmaNull) -> Test:
    return lambda fields: not fields.values(path)


def _exists(path: Path, value: SigmaExists) -> Test:
    wanted = bool(value.exists)
    return lambda fields: bool(fields.values(path)) is wanted


def _cidr(path: Path, value: SigmaCIDRExpression) -> Test:
    network = value.network

    def is_inside(text: str) -> bool:
        try:
            return ipaddress.ip_address(text) in network
        except ValueError:
            return False

    return lambda fields: any(is_inside(text) for text in fields.texts(path))


_OPERATORS: dict[CompareOperators, Callable[[Any, Any], bool]] = {
    CompareOperators.LT: operator.lt,
    CompareOperators.LTE: operator.le,
    CompareOperators.GT: operator.gt,
    CompareOperators.GTE: operator.ge,
    CompareOperators.NEQ: operator.ne,
}


def _compare(path: Path, value: SigmaCompareExpression) -> Test:
    holds, limit = _OPERATORS[value.op], value.number.number
    return lambda fields: any(_is_number(v) and holds(v, limit) for v in fields.values(path))


def _reference(path: Path, value: SigmaFieldReference) -> Test:
    other = tuple(value.field.split("."))
    if not is_field(other):
        raise Unsupported(f"fieldref names {value.field}, which no event has")
    holds: Callable[[str, str], bool] = operator.eq
    if value.starts_with and value.ends_with:
        holds = operator.contains
    elif value.starts_with:
        holds = str.startswith
    elif value.ends_with:
        holds = str.endswith
    return lambda fields: any(holds(a, b) for a in fields.folded(path) for b in fields.folded(other))


def _expansion(path: Path, value: SigmaExpansion) -> Test:
    tests = [field_test(path, inner) for inner in value.values]
    return lambda fields: any(test(fields) for test in tests)


def _is_number(value: Scalar) -> bool:
    return isinstance(value, (int, float)) and not isinstance(value, bool)


def _name(value: Any) -> str:
    return type(value).__name__.removeprefix("Sigma")


_MAKERS: dict[type, Callable[[Path, Any], Test]] = {
    SigmaString: _text,
    SigmaCasedString: _cased,
    SigmaRegularExpression: _regular,
    SigmaNumber: _number,
    SigmaBool: _truth,
    SigmaNull: _null,
    SigmaExists: _exists,
    SigmaCIDRExpression: _cidr,
    SigmaCompareExpression: _compare,
    SigmaFieldReference: _reference,
    SigmaExpansion: _expansion,
}
