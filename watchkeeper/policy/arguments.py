"""Tool arguments on their way into Cedar: read strictly, checked against the tool's schema, then typed by it.

Only for slices in which some policy reads arguments; all others never see them. What stops a call here, and the attack:

1. a schema that is missing or unusable, and policies that do not fit it (an erroring `forbid` would be skipped);
2. arguments that the schema refuses (`"2000"` where a number is compared);
3. members called `__entity` or `__extn`, at any depth (Cedar would read an entity out of the caller's JSON);
4. values that Cedar cannot hold (floats, nulls and integers beyond 64 bits end in no decision).
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from decimal import Decimal
from typing import Any

import cedarpy
import jsonschema_rs

from watchkeeper.policy.reads import Reads
from watchkeeper.policy.schemas import MAX_ARGUMENTS_DEPTH, UnusableSchema, make_validator, parse_schema, work_of
from watchkeeper.policy.sources import ARGUMENTS_LINE, Policy, base_schema, validate
from watchkeeper.policy.types import Unrepresentable, encode, record_of

_RESERVED = ("__entity", "__extn", "__expr")
_MAX_NODES = 20_000
_MAX_VISITS = 5_000_000
"""Values in the arguments, times schema nodes that may apply to one: about a second."""


def _refuse_constant(_: str) -> None:
    raise ValueError("not a JSON number")


_EXACT = json.JSONDecoder(parse_float=Decimal, parse_constant=_refuse_constant)


class Refused(Exception):
    """The arguments cannot be judged; the message is fit for a model."""

    def __init__(self, rule: str, reason: str) -> None:
        super().__init__(reason)
        self.rule = rule
        self.reason = reason


class ArgumentReader:
    """Made for one slice of policies and one tool's schema. Raises `Refused` when these cannot work together."""

    def __init__(self, policies: Sequence[Policy], reads: Reads, input_schema: bytes | None) -> None:
        if not input_schema:
            raise Refused(
                "policy.arguments",
                "A policy judges this tool's arguments, and its definition is not known. List the tools first.",
            )
        try:
            tree = parse_schema(input_schema)
            self._validator: jsonschema_rs.Validator = make_validator(tree)
            self._most = _MAX_VISITS // work_of(tree)
            self._record = record_of(tree, reads)
        except UnusableSchema as error:
            raise Refused("policy.schema", f"The input schema of this tool {error}. It cannot be called.") from error
        self._reads = reads
        typed = cedarpy.Schema.from_str(base_schema().replace(ARGUMENTS_LINE, f"type Arguments = {self._record};"))
        for policy in policies:
            if policy.reads and validate([policy], typed):
                raise Refused(
                    "policy.error",
                    f"The policy {policy.id} does not fit this tool's input schema. A person has to look at it.",
                )

    def read(self, raw: bytes) -> dict[str, Any]:
        """The arguments that the slice reads, in Cedar's JSON form. Raises `Refused`."""
        tree = self._parse(raw or b"{}")
        try:
            return encode(tree, self._record, self._reads)
        except Unrepresentable as error:
            raise Refused("policy.arguments", f"The argument {error}.") from error

    def _parse(self, raw: bytes) -> dict[str, Any]:
        try:
            tree = _EXACT.decode(raw.decode())
            has_decimals = _bound(tree, min(_MAX_NODES, self._most))
            error = next(iter(self._validator.iter_errors(json.loads(raw) if has_decimals else tree)), None)
        except (ValueError, RecursionError, ArithmeticError) as problem:
            raise Refused("policy.arguments", "The arguments cannot be read, or are nested too deeply.") from problem
        if error is not None:
            raise Refused("policy.arguments", f"The arguments do not fit the tool's input schema: {_describe(error)}.")
        if not isinstance(tree, dict):
            raise Refused("policy.arguments", "The arguments are not an object.")
        return tree


def _bound(tree: Any, most: int) -> bool:
    """Refuse what is too much, and names that are reserved; whether some number is no integer."""
    stack: list[tuple[Any, int]] = [(tree, 0)]
    seen, has_decimals = 0, False
    while stack:
        node, depth = stack.pop()
        seen += 1
        if depth > MAX_ARGUMENTS_DEPTH or seen > most:
            raise ValueError("too deep or too many")
        if isinstance(node, dict):
            if any(name in node for name in _RESERVED):
                raise Refused("policy.arguments", "A member of the arguments has a name that policies reserve.")
            stack += ((child, depth + 1) for child in node.values())
        elif isinstance(node, list):
            stack += ((child, depth + 1) for child in node)
        elif isinstance(node, str) and not node.isascii():
            node.encode()  # a lone surrogate has no UTF-8; Cedar would refuse it without naming the reason
        elif isinstance(node, Decimal):
            has_decimals = True
    return has_decimals


def _describe(error: jsonschema_rs.ValidationError) -> str:
    """Which rule of the schema, and where; the value itself stays out (`mask`)."""
    place = "/".join(str(step) for step in error.schema_path if isinstance(step, str | int))
    return f"see {place[:120]} in the schema" if place.isascii() and place.isprintable() else "see the schema"
