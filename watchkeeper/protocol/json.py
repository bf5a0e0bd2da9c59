"""The strict gate: JSON that every parser must read alike, or no message at all.

What one parser drops and another keeps is a way past inspection (CVE-2026-27896 and its kin): doubled members, NUL in a
name, lone surrogates, NaN, trailing data, endless depth. msgspec refuses most of it; what it lets pass is looked for
here. Names that a lax parser folds onto a reserved one are refused where the names are known, in `protocol.message`.

The cheap proof that no member is doubled: what was decoded is encoded again, and if the bytes are the same nothing was
lost. Compact JSON, as nearly every client writes it, ends there. Other spellings are settled by counting, and by a
second, slow parser when counting cannot tell.
"""

from __future__ import annotations

import json
from typing import Any

import msgspec

from watchkeeper.protocol.errors import PARSE_ERROR, BadMessage

MAX_DEPTH = 100
"""Levels of objects and arrays in one message."""

_decode = msgspec.json.Decoder().decode
_encode = msgspec.json.Encoder().encode


def read_strictly(raw: bytes) -> Any:
    """The value of `raw`. Raises `BadMessage` with the code of a parse error."""
    try:
        tree = _decode(raw)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError) as error:
        raise BadMessage(f"not strict JSON: {_why(error)}", rpc_code=PARSE_ERROR) from error
    try:
        again = _encode(tree)
    except (msgspec.MsgspecError, ValueError, OverflowError, RecursionError) as error:
        raise BadMessage("not strict JSON: a number is out of range", rpc_code=PARSE_ERROR) from error
    if again != raw and not _counts_agree(raw, again):
        _refuse_doubles_slowly(raw)
    if b"\\" in raw and b"\\u0000" in raw:
        _refuse_nul_in_names(tree)
    if raw.count(b"{") + raw.count(b"[") > MAX_DEPTH and is_too_deep(tree):
        raise BadMessage("not strict JSON: nested too deeply", rpc_code=PARSE_ERROR)
    return tree


def _why(error: Exception) -> str:
    """The parser's complaint; it has positions and kinds, never the sender's text."""
    if isinstance(error, RecursionError):
        return "nested too deeply"
    if isinstance(error, UnicodeDecodeError):
        return "invalid UTF-8"
    return str(error)


def _counts_agree(raw: bytes, again: bytes) -> bool:
    """Whether `raw` surely has no more members than survived decoding.

    `again` has one `":` a member, unless a string holds an escaped quote before a colon. `raw` has at most as many
    members as colons that follow a quote or white space.
    """
    if b'\\":' in again:
        return False
    at_most = sum(raw.count(mark) for mark in (b'":', b" :", b"\t:", b"\n:", b"\r:"))
    return at_most == again.count(b'":')


def _refuse_doubles_slowly(raw: bytes) -> None:
    try:
        json.loads(raw, object_pairs_hook=_single)
    except RecursionError as error:
        raise BadMessage("not strict JSON: nested too deeply", rpc_code=PARSE_ERROR) from error
    except ValueError as error:
        raise BadMessage("not strict JSON: parsers disagree about it", rpc_code=PARSE_ERROR) from error


def _single(pairs: list[tuple[str, Any]]) -> None:
    if len({name for name, _ in pairs}) != len(pairs):
        raise BadMessage("not strict JSON: an object has a doubled member", rpc_code=PARSE_ERROR)


def _refuse_nul_in_names(tree: Any) -> None:
    open_nodes = [tree]
    while open_nodes:
        node = open_nodes.pop()
        if type(node) is dict:
            if any("\0" in name for name in node):
                raise BadMessage("not strict JSON: a member's name has a NUL", rpc_code=PARSE_ERROR)
            open_nodes.extend(node.values())
        elif type(node) is list:
            open_nodes.extend(node)


def is_too_deep(tree: Any, most: int = MAX_DEPTH) -> bool:
    """Whether objects and arrays lie in each other more than `most` levels deep; no stack is needed to find out."""
    level = [tree]
    for _ in range(most + 1):
        level = [
            child
            for node in level
            for child in (node.values() if type(node) is dict else node if type(node) is list else ())
            if type(child) is dict or type(child) is list
        ]
        if not level:
            return False
    return True
