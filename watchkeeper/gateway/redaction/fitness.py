"""Whether a tool's structured result still is what its output schema promises, after parts of it were replaced.

A client that validates would refuse it as the server's mistake, or worse, use half of it (MCP 2026-07-28
server/tools#output-schema). A schema that cannot be used counts as one that does not fit.
"""

from __future__ import annotations

from functools import lru_cache
from typing import Any

import jsonschema_rs
import msgspec

from watchkeeper.policy.schemas import UnusableSchema, make_validator, parse_schema, work_of

_MOST = 5_000_000
"""Values, times schema nodes that may apply to one: about a second."""
_VALUES = 100_000


class _Result(msgspec.Struct, rename="camel"):
    structured_content: msgspec.Raw = msgspec.Raw()
    result: Any = None


class _Inner(msgspec.Struct, rename="camel"):
    structured_content: msgspec.Raw = msgspec.Raw()


_result = msgspec.json.Decoder(_Result).decode


def structured_in(part: bytes) -> bytes:
    """The structured content of a result, or of the tool's result inside a task's; empty when there is none."""
    try:
        found = _result(part)
        if not bytes(found.structured_content) and isinstance(found.result, dict):
            inner = msgspec.json.decode(msgspec.json.encode(found.result), type=_Inner)
            return bytes(inner.structured_content)
    except msgspec.MsgspecError:
        return b""
    return bytes(found.structured_content)


def fits(schema: bytes, content: bytes) -> bool:
    """Whether structured content satisfies a tool's output schema."""
    try:
        known = _validator(schema)
        if known is None:
            return False
        validator, work = known
        tree = msgspec.json.decode(content)
        return _is_bounded(tree, min(_VALUES, _MOST // work)) and bool(validator.is_valid(tree))
    except (msgspec.MsgspecError, ValueError, RecursionError):
        return False


@lru_cache(maxsize=256)
def _validator(schema: bytes) -> tuple[jsonschema_rs.Validator, int] | None:
    try:
        tree = parse_schema(schema)
        return make_validator(tree, formats=True), max(1, work_of(tree))
    except UnusableSchema:
        return None


def _is_bounded(tree: Any, most: int) -> bool:
    stack, seen = [tree], 0
    while stack:
        node = stack.pop()
        seen += 1
        if seen > most:
            return False
        if isinstance(node, dict):
            stack += node.values()
        elif isinstance(node, list):
            stack += node
    return True
