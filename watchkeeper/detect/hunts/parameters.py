"""What is said at the command line becomes a hunt's typed values. Pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from watchkeeper.core.errors import Invalid
from watchkeeper.detect.hunts.model import Hunt, Parameter, Value

_MOST = 500
_LARGEST = 10**12


def values(hunt: Hunt, said: Mapping[str, Any]) -> dict[str, Value]:
    """Every parameter's value: what was said, else its default. Raises `Invalid` for one that is missing or wrong."""
    unknown = sorted(set(said) - set(hunt.parameters))
    if unknown:
        known = ", ".join(hunt.parameters) or "none"
        raise Invalid(f"{hunt.name} has no parameter {unknown[0]}", hint=f"parameters: {known}")
    return {name: _value(name, one, said.get(name, one.default)) for name, one in hunt.parameters.items()}


def from_words(hunt: Hunt, words: Sequence[str]) -> dict[str, Any]:
    """`NAME=VALUE` as it is typed; a name that is given again has several values. Raises `Invalid`."""
    said: dict[str, Any] = {}
    for word in words:
        name, sign, value = word.partition("=")
        if not sign:
            raise Invalid(f"not a parameter: {word!r}", hint="write it as --param NAME=VALUE")
        parameter = hunt.parameters.get(name)
        if parameter is not None and parameter.type == "texts":
            said[name] = (*said.get(name, ()), value)
        elif name in said:
            raise Invalid(f"{name} takes one value, and was given twice")
        else:
            said[name] = value
    return said


def samples(parameters: Mapping[str, Parameter]) -> dict[str, Value]:
    """Some value of each, to look at a query before anybody has said one."""
    plain: dict[str, Value] = {"text": "x", "texts": ("x", "y"), "number": 1}
    return {
        name: plain[one.type] if one.default is None else _value(name, one, one.default)
        for name, one in parameters.items()
    }


def _value(name: str, parameter: Parameter, value: Any) -> Value:
    if value is None:
        raise Invalid(f"{name} is missing: {parameter.says}", hint=f"--param {name}=…")
    if parameter.type == "number":
        return _number(name, value)
    if parameter.type == "text":
        if not isinstance(value, str) or "\0" in value:
            raise Invalid(f"{name} is a text, not {value!r}")
        return value
    several = (value,) if isinstance(value, str) else tuple(value)
    if (
        not several
        or len(several) > _MOST
        or not all(isinstance(one, str) and one and "\0" not in one for one in several)
    ):
        raise Invalid(f"{name} takes 1 to {_MOST} texts, none of them empty")
    return several


def _number(name: str, value: Any) -> int:
    try:
        number = int(value) if isinstance(value, str) or type(value) is int else None
    except ValueError:
        number = None
    if number is None or not 0 <= number <= _LARGEST:
        raise Invalid(f"{name} is a whole number from 0 to {_LARGEST}, not {value!r}")
    return number
