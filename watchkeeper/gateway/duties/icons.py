"""Icons that a client could be hurt by are taken out of what a server shows; everything else of it stays.

An icon is an address that a client fetches or renders without asking. It must be `https:` or an image in a `data:` URL
of bounded size, and carry no credentials (MCP 2026-07-28 basic/index#icons). `javascript:` runs, `file:` and `http:`
reach into the client's host and network. Whether an https address is the server's own its client may know; we do not.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any
from urllib.parse import urlsplit

import msgspec

from watchkeeper.inspection import spans
from watchkeeper.inspection.fingerprints import GREETINGS, LISTS, Definition

RULE = "protocol.icon"
MARK = b'"icons"'
MAX_DATA = 131_072
"""Characters of an icon that is its own picture."""
_IMAGES = tuple(f"data:image/{kind}{end}" for kind in ("png", "jpeg", "jpg", "webp", "gif", "svg+xml") for end in ";,")


class _Shown(msgspec.Struct):
    icons: Any = None


class _Greeting(msgspec.Struct, rename="camel"):
    server_info: Any = None


_shown = msgspec.json.Decoder(_Shown).decode
_greeting = msgspec.json.Decoder(_Greeting).decode


def is_unsafe(icon: object) -> bool:
    """Whether an entry of `icons` is anything but an address that may be fetched and shown."""
    src = icon.get("src") if isinstance(icon, dict) else None
    if not isinstance(src, str) or not src.isprintable() or " " in src:
        return True
    if src.startswith("data:"):
        return len(src) > MAX_DATA or not src.lower().startswith(_IMAGES)
    try:
        parts = urlsplit(src)
        return parts.scheme != "https" or not parts.hostname or "@" in parts.netloc or "\\" in src
    except ValueError:
        return True


def has_unsafe(method: str, result: bytes, definitions: Sequence[Definition]) -> bool:
    """Whether a list or a greeting shows such an icon."""
    if method in GREETINGS:
        info = _greeting(result).server_info
        return isinstance(info, dict) and _any_unsafe(info.get("icons"))
    return any(MARK in one.canonical and _any_unsafe(_shown(one.canonical).icons) for one in definitions)


def without_unsafe(method: str, answer: bytes) -> bytes:
    """The whole answer without them."""
    text = answer.decode()
    result = next(span for span in spans.members(text) if span.name == "result")
    member = "serverInfo" if method in GREETINGS else LISTS[method][1]
    listed = next(span for span in spans.members(text, result.value) if span.name == member)
    if method in GREETINGS:
        return _cleaned(text, listed).encode()
    for child in reversed(spans.items(text, listed.value)):
        if text[child.value] == "{":
            text = _cleaned(text, child)
    return text.encode()


def _cleaned(text: str, holder: spans.Span) -> str:
    icons = next((span for span in spans.members(text, holder.value) if span.name == "icons"), None)
    if icons is None:
        return text
    if text[icons.value] != "[":
        return f"{text[: icons.value]}[]{text[icons.end :]}"
    children = spans.items(text, icons.value)
    bad = {i for i, child in enumerate(children) if is_unsafe(msgspec.json.decode(text[child.value : child.end]))}
    return spans.without(text, children, bad)


def _any_unsafe(icons: object) -> bool:
    if icons is None:
        return False
    return not isinstance(icons, list) or any(map(is_unsafe, icons))
