"""A message in the names of its member, and an answer in those of the endpoint: by byte range, so that nothing else
changes. Pure.

Edited are the name, URI or task that a message is about, ids and tokens that could be two members', and the state of a
call that goes on. A task is shown as `SERVER:id`, for task ids are the members' own and could be equal.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable

import msgspec

from watchkeeper.gateway.stdio.splice import Span, exchange, members
from watchkeeper.protocol.message import NAMED_BY, Message

Path = tuple[str, ...]
RELATED = "io.modelcontextprotocol/related-task"
STATE: Path = ("params", "requestState")
TOKEN: Path = ("params", "_meta", "progressToken")

_TASK_OF_RESULT: tuple[Path, ...] = (
    ("result", "taskId"),
    ("result", "task", "taskId"),
    ("result", "_meta", RELATED, "taskId"),
)
_TASK_OF_PARAMS: Path = ("params", "_meta", RELATED, "taskId")
_text = msgspec.json.Decoder(str).decode


def value_at(raw: bytes, path: Path) -> bytes | None:
    """The raw JSON there; None when there is none. `raw` has passed the strict gate."""
    span = _find(raw, path)
    return span.of(raw) if span is not None else None


def text_at(raw: bytes, path: Path) -> str | None:
    """The text there; None when something else is."""
    value = value_at(raw, path)
    return _text(value) if value is not None and value.startswith(b'"') else None


def changed(raw: bytes, edits: Iterable[tuple[Path, bytes]]) -> bytes:
    """`raw` with other raw JSON at each of these places; a place that is not there is passed over."""
    spans = [(span, value) for path, value in edits if (span := _find(raw, path)) is not None]
    return exchange(raw, spans) if spans else raw


def shown_task(server: str, task: str) -> str:
    """A member's task as the endpoint names it."""
    return f"{server}:{task}"


def own_task(shown: str) -> tuple[str, str]:
    """Whose task it is, and its name there; an empty server when this is no name of ours."""
    server, colon, task = shown.partition(":")
    return (server, task) if colon else ("", shown)


def to_member(message: Message, server: str, edits: Iterable[tuple[Path, bytes]] = ()) -> bytes:
    """A client's message for a member: with these edits, and with the member's own name of a related task."""
    raw = message.raw
    all_edits = list(edits)
    if may_have(raw, b"related-task"):
        for path in (_TASK_OF_PARAMS, _TASK_OF_RESULT[2]):
            shown = text_at(raw, path)
            if shown is not None and own_task(shown)[0] == server:
                all_edits.append((path, _json(own_task(shown)[1])))
    elif len(all_edits) == 1 and all_edits[0][0] == ("params", "name"):
        return _renamed(message, all_edits[0][1])
    return changed(raw, all_edits)


def _renamed(message: Message, own: bytes) -> bytes:
    """The request with another `params.name`, by a short way where its text leaves no doubt.

    Where nothing is escaped with a code, the name stands there in letters; and if its letters stand there once only,
    between quotes, that is where it is. A quote inside a string has a backslash before it, so no text can look like it.
    """
    shown = _json(message.name)
    if b"/" in shown or b"\\" in shown or b"\\u" in message.raw or message.raw.count(shown) != 1:
        return changed(message.raw, [(("params", "name"), own)])
    return message.raw.replace(shown, own)


def named(method: str, name: str) -> tuple[Path, bytes]:
    """The edit that gives a request its member's name for what it is about."""
    return ("params", NAMED_BY[method]), _json(name)


def from_member(raw: bytes, server: str, seal: Callable[[str], str] | None) -> bytes:
    """A member's answer for the client: its tasks named as the endpoint does, its state sealed."""
    edits: list[tuple[Path, bytes]] = []
    if may_have(raw, b"taskId"):
        edits += _shown_tasks(raw, server, _TASK_OF_RESULT)
    if seal is not None and may_have(raw, b"requestState"):
        state = text_at(raw, ("result", "requestState"))
        if state is not None:
            edits.append((("result", "requestState"), _json(seal(state))))
    return changed(raw, edits) if edits else raw


def note_from_member(message: Message, server: str, edits: Iterable[tuple[Path, bytes]] = ()) -> bytes:
    """A member's notification or request for the client."""
    raw = message.raw
    all_edits = list(edits)
    if may_have(raw, b"taskId"):
        paths = [_TASK_OF_PARAMS]
        if message.method.startswith("notifications/tasks"):
            paths.append(("params", "taskId"))
        all_edits += _shown_tasks(raw, server, paths)
    return changed(raw, all_edits) if all_edits else raw


def _shown_tasks(raw: bytes, server: str, paths: Iterable[Path]) -> list[tuple[Path, bytes]]:
    found = ((path, text_at(raw, path)) for path in paths)
    return [(path, _json(shown_task(server, task))) for path, task in found if task is not None]


def may_have(raw: bytes, name: bytes) -> bool:
    """A cheap no, for a name of ASCII letters, which may be written with escapes."""
    return name in raw or b"\\u00" in raw


def _find(raw: bytes, path: Path) -> Span | None:
    span: Span | None = None
    for name in path:
        span = members(raw, span).get(name)
        if span is None:
            return None
    return span


def _json(text: str) -> bytes:
    return msgspec.json.encode(text)
