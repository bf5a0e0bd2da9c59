"""What a request uses without naming it: the template that a resource's URI comes from, what a completion is for."""

from __future__ import annotations

from collections.abc import Set

import msgspec

from watchkeeper.gateway.templates import fits
from watchkeeper.protocol.message import Message

_TEMPLATE = "resource_template"
_READS = frozenset({"resources/read", "resources/subscribe"})
_REFERENCES = {"ref/prompt": ("prompt", "name"), "ref/resource": (_TEMPLATE, "uri")}
"""Type of a completion's reference → kind of what it is for, and the member that names it."""
_LONGEST_TEMPLATE = 2_048


class _Completion(msgspec.Struct):
    ref: dict[str, msgspec.Raw] = {}


def held_use(held: Set[tuple[str, str]], message: Message, *, is_unknown: bool) -> str:
    """Kind of the held definition that this request would use; empty when it uses none.

    `is_unknown`: no definition of its own is known of the resource that it names. What has one is judged by that.
    """
    if message.method == "completion/complete":
        return _of_completion(held, message)
    if message.method not in _READS or not is_unknown:
        return ""
    templates = [name for kind, name in held if kind == _TEMPLATE]
    is_doubtful = any(len(template) > _LONGEST_TEMPLATE for template in templates)
    return _TEMPLATE if templates and (is_doubtful or fits(message.name, templates)) else ""


def _of_completion(held: Set[tuple[str, str]], message: Message) -> str:
    ref = msgspec.json.decode(message.params, type=_Completion).ref if message.params else {}
    kind, naming = _REFERENCES.get(_text(ref.get("type")), ("", ""))
    return kind if kind and (kind, _text(ref.get(naming))) in held else ""


def _text(raw: msgspec.Raw | None) -> str:
    value = msgspec.json.decode(raw) if raw is not None else ""
    return value if isinstance(value, str) else ""
