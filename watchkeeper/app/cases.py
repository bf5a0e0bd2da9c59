"""Labelled records judged one by one, for scoring: a record in, a line out; its label is never looked at.

The format is that of the corpora (docs/reference/cases.md): `{"id", "kind", "data"}` and more that is ignored. What is
seen of a record is what a detector may see of it.
"""

from __future__ import annotations

import gzip
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import msgspec

from watchkeeper.core.errors import Invalid
from watchkeeper.inspection.assessment import Assessment, Assessor
from watchkeeper.inspection.judge import Peer
from watchkeeper.inspection.model import Surface

DEFINITION = ("name", "title", "description", "inputSchema", "outputSchema", "annotations", "icons", "_meta")
_OUTGOING = frozenset({"tool_args", "tool_call", "arguments", "args"})
_EITHER = (Surface.RESULT, Surface.ARGUMENTS)
"""A corpus does not always say which way a text goes."""
_TEXTUAL = 64 * 1024


class Record(msgspec.Struct):
    """As much of a record as is read."""

    id: str
    kind: str
    data: dict[str, Any]


class Answer(msgspec.Struct):
    """The line that is printed for a case."""

    id: str
    flagged: bool
    score: float
    classes: tuple[str, ...]
    spans: list[dict[str, Any]]
    microseconds: int


def judged(path: Path, assessor: Assessor) -> Iterator[Answer]:
    """An answer for each record of a file (`.gz`: gzip), in order. Raises `Invalid`, naming the line."""
    for number, line in enumerate(_lines(path), 1):
        if not line.strip():
            continue
        try:
            record = msgspec.json.decode(line, type=Record)
        except (msgspec.DecodeError, msgspec.ValidationError, RecursionError) as error:
            raise Invalid(
                f"{path}, line {number}: {error}", hint="one JSON object a line; see docs/guides/scan.md"
            ) from error
        yield answer(record, assessor)


def answer(record: Record, assessor: Assessor) -> Answer:
    """What is thought of one record. Raises `Invalid` for a kind that nobody knows."""
    judge = _KINDS.get(record.kind)
    if judge is None:
        raise Invalid(f"{record.id}: there is no kind {record.kind!r}", hint=f"one of {', '.join(_KINDS)}")
    began = time.perf_counter_ns()
    found = judge(record.data, assessor)
    took = (time.perf_counter_ns() - began) // 1000
    worst = max(found, key=lambda one: (one.flagged, one.score))
    classes = dict.fromkeys(name for one in found if one.flagged for name in one.classes)
    spans = [msgspec.structs.asdict(span) for one in found if one.flagged for span in one.spans]
    return Answer(record.id, worst.flagged, round(worst.score, 5), tuple(classes), spans, took)


def _definition(data: dict[str, Any], assessor: Assessor) -> list[Assessment]:
    peers = [
        Peer(str(peer.get("name") or ""), str(peer.get("description") or ""))
        for peer in data.get("peers") or ()
        if isinstance(peer, dict)
    ]
    return [assessor.of_definition({name: data[name] for name in DEFINITION if name in data}, peers)]


def _text(data: dict[str, Any], assessor: Assessor) -> list[Assessment]:
    text = str(data.get("text") or "")
    outgoing = str(data.get("field") or "") in _OUTGOING
    return [assessor.of_texts(text, (Surface.ARGUMENTS,) if outgoing else _EITHER)]


def _wire(data: dict[str, Any], assessor: Assessor) -> list[Assessment]:
    payload = data.get("payload") or {}
    kind = str(data.get("input_type") or "")
    found: list[Assessment] = []
    for message in payload.get("jsonrpc_messages") or ():
        found += _message(message, assessor)
    if "frames" in payload:
        whole = "".join(str(frame.get("payload") or "") for frame in payload["frames"])
        found.append(assessor.of_text(whole, Surface.ARGUMENTS))
    if kind == "response_content":
        found.append(assessor.of_text(str(payload.get("response_body") or ""), Surface.RESULT))
    elif not payload.get("jsonrpc_messages"):
        rest = msgspec.json.encode({k: v for k, v in payload.items() if k != "frames"}).decode()
        surface = Surface.RESULT if "card" in kind else Surface.ARGUMENTS
        found.append(assessor.of_text(rest, surface))
    return found


def _message(message: dict[str, Any], assessor: Assessor) -> list[Assessment]:
    result, params = message.get("result"), message.get("params")
    if isinstance(result, dict) and isinstance(result.get("tools"), list):
        return [assessor.of_definition(tool) for tool in result["tools"] if isinstance(tool, dict)]
    surface = Surface.ARGUMENTS if params is not None else Surface.RESULT
    text = msgspec.json.encode(params if params is not None else result).decode()
    return [assessor.of_text(text, surface)]


def _events(data: dict[str, Any], assessor: Assessor) -> list[Assessment]:
    found = []
    events: list[Any] = data.get("events") or []
    for event in events or [""]:
        text = "\n".join(str(value) for value in event.values()) if isinstance(event, dict) else str(event)
        found += [assessor.of_text(text[:_TEXTUAL], surface) for surface in _EITHER]
    return found


_KINDS: dict[str, Callable[[dict[str, Any], Assessor], list[Assessment]]] = {
    "tool_definition": _definition,
    "text": _text,
    "wire": _wire,
    "event_log": _events,
}


def _lines(path: Path) -> Iterator[bytes]:
    try:
        with gzip.open(path) if path.suffix == ".gz" else path.open("rb") as file:
            yield from file
    except (OSError, EOFError) as error:
        raise Invalid(f"cannot read {path}: {error}", hint="a file of JSON lines, plain or gzip") from error
