"""Placeholders in, values out again: on the way to a server, and only where its answer to `may_see` is yes.

Looked at are the places where a client puts what it wants to say: `arguments`, `inputResponses`, and its answers to a
server's own requests; and what it carries back for the server, `requestState` and `cursor`. Names and addresses stay as
they are. A placeholder that was never one of ours is text; one of ours whose value is gone is said to be `lost`.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable
from functools import partial
from typing import Any

import msgspec

from watchkeeper.gateway.redaction.hiding import escaped
from watchkeeper.gateway.redaction.model import Value
from watchkeeper.gateway.redaction.placeholders import IN_BYTES, PATTERN
from watchkeeper.gateway.redaction.text import Draft, Inexact
from watchkeeper.gateway.redaction.vault import Vault
from watchkeeper.inspection.model import Finding
from watchkeeper.protocol.message import Message

_PLACES = ("arguments", "inputResponses", "requestState", "cursor")
MaySee = Callable[[Value], bool]


class Restored(msgspec.Struct, frozen=True):
    """A message on its way to a server."""

    message: Message
    """With the values; the one that came when there are none."""
    restored: dict[str, int] = {}
    kept: dict[str, int] = {}
    lost: tuple[str, ...] = ()
    """Types of placeholders whose values are gone."""
    values: frozenset[str] = frozenset()
    """What was put in; never to be shown."""
    classes: frozenset[str] = frozenset()

    def explains(self, finding: Finding, text: str) -> bool:
        """Whether a finding in the changed message is one of the values that were let through."""
        return not finding.classes.isdisjoint(self.classes) and any(text in value for value in self.values)


def has_any(message: Message) -> bool:
    """Whether a message may hold a placeholder."""
    return IN_BYTES.search(message.raw) is not None


def restore(vault: Vault, owner: str, message: Message, may_see: MaySee) -> Restored:
    """The message for a server. Raises `Inexact` when it holds placeholders and cannot be changed."""
    work = _Work(vault, owner, may_see)
    draft = Draft(message)
    draft.change_strings(work.on_string, *(_PLACES if message.params else ()))
    if not work.restored:
        return Restored(message, kept=dict(work.kept), lost=tuple(sorted(work.lost)))
    return Restored(
        draft.close(),
        dict(work.restored),
        dict(work.kept),
        tuple(sorted(work.lost)),
        frozenset(work.values),
        frozenset(work.classes),
    )


class _Work:
    """One message."""

    def __init__(self, vault: Vault, owner: str, may_see: MaySee) -> None:
        self._vault = vault
        self._owner = owner
        self._may_see = may_see
        self._known: dict[tuple[str, str], Value | None] = {}
        self.restored: Counter[str] = Counter()
        self.kept: Counter[str] = Counter()
        self.lost: set[str] = set()
        self.values: set[str] = set()
        self.classes: set[str] = set()

    def on_string(self, text: str) -> str | msgspec.Raw:
        if "[[" not in text:
            return text
        whole = PATTERN.fullmatch(text)
        if whole is not None:
            value = self._let_through(whole[1], whole[2])
            if value is None:
                return text
            return msgspec.Raw(value.text.encode()) if value.is_number and value.text.isdigit() else value.text
        tree = _json_in(text)
        put = PATTERN.sub(partial(self._replaced, is_json=tree is not None), text)
        if put != text and _is_deep(tree):
            raise Inexact("a string of JSON in JSON holds a placeholder")
        return put

    def _replaced(self, found: re.Match[str], *, is_json: bool) -> str:
        value = self._let_through(found[1], found[2])
        if value is None:
            return found[0]
        return escaped(value.text) if is_json else value.text

    def _let_through(self, kind: str, name: str) -> Value | None:
        if not self._vault.is_ours(kind, name):
            return None
        value = self._vault.value_of(self._owner, kind, name)
        if value is None:
            self.lost.add(kind)
            return None
        if (kind, name) not in self._known:
            self._known[kind, name] = value if self._may_see(value) else None
        if self._known[kind, name] is None:
            self.kept[kind] += 1
            return None
        self.restored[kind] += 1
        self.values.add(value.text)
        self.classes.update(value.classes)
        return value


def _json_in(text: str) -> Any:
    """What a string that is JSON itself says: in such a one a value must not end a string. None for others."""
    try:
        tree: Any = msgspec.json.decode(text)
    except (msgspec.MsgspecError, RecursionError):
        return None
    return tree if isinstance(tree, dict | list | str) else None


def _is_deep(tree: Any) -> bool:
    """Whether a placeholder lies in a string that is JSON once more: a value written there could end more than one."""
    stack = [tree]
    while stack:
        node = stack.pop()
        if isinstance(node, str):
            if PATTERN.search(node) and _json_in(node) is not None:
                return True
        elif isinstance(node, dict):
            stack += node.keys()
            stack += node.values()
        elif isinstance(node, list):
            stack += node
    return False
