"""Values out, placeholders in: what an inspector found of the wanted classes, and wherever else the same value lies.

The second matters: a tool's text repeats its structured content (MCP server/tools#structured-content), and a rule that
needs the name beside a value sees it in only one of them. Both get the same placeholder. Pure but for the vault.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Sequence

import msgspec

from watchkeeper.gateway.redaction.model import Value
from watchkeeper.gateway.redaction.placeholders import is_kind
from watchkeeper.gateway.redaction.text import Draft, Inexact, spans_of
from watchkeeper.gateway.redaction.vault import Vault
from watchkeeper.inspection.model import Finding
from watchkeeper.protocol.message import Message

_SHORTEST = 6
"""Characters of a value that is looked for elsewhere; a shorter one is there by chance."""
_MOST_WORK = 64_000_000
"""Bytes of a message, times different values in it."""


class Hidden(msgspec.Struct, frozen=True):
    """A message without its values."""

    message: Message
    replaced: dict[str, int]


def hide(vault: Vault, owner: str, server: str, message: Message, findings: Sequence[Finding]) -> Hidden:
    """The message with a placeholder for each of these findings. Raises `Inexact`.

    A finding without a place (a disguise, a layer of escapes) is not cut by itself; whoever asked looks again.
    """
    draft = Draft(message)
    counts: Counter[str] = Counter()
    tokens: dict[str, str] = {}
    by_place: dict[str, list[Finding]] = {}
    for finding in findings:
        if finding.path and finding.end:
            by_place.setdefault(finding.path, []).append(finding)
    for path, here in by_place.items():
        holder, key = draft.at(path)
        node = holder[key]
        data = str(node).encode()
        pieces, last = [], 0
        for start, end, finding in spans_of(here, len(data)):
            value = _value(data[start:end], finding, server, is_number=not isinstance(node, str))
            token = vault.keep(owner, value) if is_kind(value.kind) else None
            if token is None:
                raise Inexact("a value cannot be kept")
            pieces += [data[last:start], token.encode()]
            tokens[value.text], last = token, end
            counts[value.kind] += 1
        holder[key] = b"".join([*pieces, data[last:]]).decode()
    _sweep(draft, tokens)
    return Hidden(draft.close(), dict(counts))


def _value(data: bytes, finding: Finding, server: str, *, is_number: bool) -> Value:
    try:
        text = data.decode()
    except UnicodeDecodeError as error:
        raise Inexact("a place cuts a character in two") from error
    seen = frozenset({server} if server else ())
    return Value(text, finding.kind, tuple(sorted(finding.classes)), seen, is_number)


def _sweep(draft: Draft, tokens: dict[str, str]) -> None:
    """Every other occurrence of the values, as they are or as JSON inside a string writes them."""
    whole = draft.text()
    if len(whole) * len(tokens) > _MOST_WORK:
        raise Inexact("there is too much to look through")
    forms: dict[str, str] = {}
    for value, token in tokens.items():
        if len(value) >= _SHORTEST:
            forms |= {form: token for form in _forms(value) if escaped(form).encode() in whole}
    if not forms:
        return
    longest_first = sorted(forms, key=len, reverse=True)

    def without(text: str) -> str:
        for form in longest_first:
            if form in text:
                text = text.replace(form, forms[form])
        return text

    draft.change_strings(without)


def _forms(value: str) -> set[str]:
    once = {escaped(value), json.dumps(value)[1:-1]}
    return {value, *once, *(escaped(form) for form in once)}


def escaped(text: str) -> str:
    """A string as it stands between its quotes."""
    return msgspec.json.encode(text).decode()[1:-1]
