"""Text of a message made safe to store: secrets and personal data found in it replaced, nothing invisible, cut.

What cannot be cut out exactly is withheld as a whole: a secret is never kept for the sake of the rest.
"""

from __future__ import annotations

import json
from collections.abc import Container, Sequence

from watchkeeper.inspection.excerpts import escaped
from watchkeeper.inspection.inspection import BROKEN
from watchkeeper.inspection.model import UNSHOWN, Finding
from watchkeeper.inspection.strings import Pairs, parse, step

CUT = "…[cut]"
WITHHELD = "[withheld: it holds a secret that cannot be cut out]"
UNSEEN = "[withheld: it was not inspected]"
_PRINTABLE = bytes(range(0x20, 0x7F))
_Spans = dict[str, list[tuple[int, int, str]]]


def redact(data: bytes, findings: Sequence[Finding], limit: int, masks: Container[str] = UNSHOWN) -> str:
    """`data` as text of at most `limit` characters, without what the findings whose labels are in `masks` name.

    `findings` must be those of these very bytes; what an inspector failed on is withheld, for it may hold anything.
    Without any, only the kept part of the text is looked at.
    """
    if any(finding.label == BROKEN for finding in findings):
        return UNSEEN[:limit]
    secrets = [finding for finding in findings if finding.label in masks]
    if not secrets:
        return _trimmed(data, limit)
    left = without(data, secrets)
    return WITHHELD[:limit] if left is None else _trimmed(left, limit)


def without(data: bytes, secrets: Sequence[Finding]) -> bytes | None:
    """`data` with a mark in the place of each of these; None when one cannot be cut out exactly."""
    if any(not finding.path and not finding.end for finding in secrets):
        return None
    spans: _Spans = {}
    for finding in secrets:
        spans.setdefault(finding.path, []).append((finding.start, finding.end, f"[{finding.rule}]"))
    if "" in spans and len(spans) == 1 and not data.lstrip().startswith(b'"'):
        return _cut(data, spans[""])
    return _without(data, spans)


def _trimmed(data: bytes, limit: int) -> str:
    head = data[: limit * 4]
    is_plain = not head.translate(None, _PRINTABLE)
    text = head.decode("ascii") if is_plain else escaped(head.decode("utf-8", "replace"))
    is_whole = len(data) <= limit * 4
    return text if is_whole and len(text) <= limit else text[: max(0, limit - len(CUT))] + CUT


def _cut(data: bytes, spans: list[tuple[int, int, str]]) -> bytes:
    """`data` without the spans, which may overlap; an empty one stands for everything."""
    if any(not end for _, end, _ in spans):
        return spans[0][2].encode()
    out, kept = [], 0
    for start, end, mark in sorted(spans):
        if end <= kept:
            continue
        if start >= kept:
            out += [data[kept:start], mark.encode()]
        kept = end
    return b"".join([*out, data[kept:]])


def _without(data: bytes, spans: _Spans) -> bytes | None:
    try:
        tree = parse(data, keep_numbers=True)
        left = set(spans)
        replaced = _replace(tree, "", spans, left)
        return None if left else _written(replaced).encode()
    except (ValueError, RecursionError):
        return None


def _replace(node: object, pointer: str, spans: _Spans, left: set[str]) -> object:
    if isinstance(node, str):
        if pointer not in spans:
            return node
        left.discard(pointer)
        return _cut(node.encode("utf-8", "replace"), spans[pointer]).decode("utf-8", "replace")
    if isinstance(node, Pairs):
        return Pairs((k, _replace(v, f"{pointer}/{step(k, i)}", spans, left)) for i, (k, v) in enumerate(node))
    if isinstance(node, list):
        return [_replace(v, f"{pointer}/{i}", spans, left) for i, v in enumerate(node)]
    return node


def _written(node: object) -> str:
    if isinstance(node, Pairs):
        return "{" + ",".join(f"{json.dumps(k, ensure_ascii=False)}:{_written(v)}" for k, v in node) + "}"
    if isinstance(node, list):
        return "[" + ",".join(map(_written, node)) + "]"
    return json.dumps(node, ensure_ascii=False)
