"""Which detection rules read a text that the capture policy of a server does not keep: they cannot fire on it there."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from watchkeeper.app.settings import Loaded
from watchkeeper.gateway.capture.settings import METADATA

MEMBERS: Mapping[str, tuple[str, ...]] = {
    "arguments": ("arguments",),
    "results": ("result",),
    "content": ("result",),
    "messages": ("message",),
    "definitions": ("canonical", "diff", "summary"),
    "claims": ("claimed", "version"),
}
"""Class of text → where it stands in an event's body."""


def reads_of(loaded: Loaded) -> dict[str, list[str]]:
    """Rule → the fields of a body that it reads, of all rules that the settings name. Raises `Misconfigured`."""
    from watchkeeper.app.rulebook import detections_of  # noqa: PLC0415 — a second of imports, for who asks this only

    return body_reads(detections_of(loaded).rules)


def body_reads(rules: Sequence[Any]) -> dict[str, list[str]]:
    """The same of rules that are loaded; those that read no body are left out."""
    found = {rule.name: sorted(name for name in rule.reads if name == "*" or name[:5] == "body.") for rule in rules}
    return {name: fields for name, fields in sorted(found.items()) if fields}


def blinded(kept: Mapping[str, Mapping[str, str]], reads: Mapping[str, Sequence[str]]) -> list[dict[str, str]]:
    """Rule, server, class of text and field, wherever a rule reads what is not kept; `kept` as `captures` tells it."""
    return [
        {"rule": rule, "server": server, "text": text, "field": field}
        for rule, fields in sorted(reads.items())
        for server, classes in sorted(kept.items())
        for text, said in classes.items()
        if said == METADATA
        for field in fields
        if field == "*" or field.split(".")[1] in MEMBERS[text.rpartition(".")[2]]
    ]
