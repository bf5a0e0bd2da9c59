"""A change told in words: which sentence was added, which parameter is new, which rule of a schema was relaxed. Pure.

Made for eyes that are being deceived: every quotation has its invisible characters written out, and is cut to a length.
"""

from __future__ import annotations

import difflib
import json
import re
from collections.abc import Iterator
from typing import Any

from watchkeeper.core.text import visible
from watchkeeper.registry.changes import ABSENT, Number, hides, members, normal, parse

MOST = 24
"""Lines of a summary."""
_QUOTED = 240
_LONGEST = 20_000
"""Characters of a text that are compared at all, and below it how many sentences, and words of each place."""
_MOST_SENTENCES = 300
_MOST_WORDS = 300
_SENTENCES = re.compile(r"(?<=[.!?])\s+|\s*\n\s*")
_UPPER = frozenset({"maximum", "exclusiveMaximum", "maxLength", "maxItems", "maxProperties"})
_LOWER = frozenset({"minimum", "exclusiveMinimum", "minLength", "minItems", "minProperties"})
_LIMITS = frozenset({"pattern", "format", "enum", "const", "multipleOf", "uniqueItems"})


def summarise(old: bytes, new: bytes) -> tuple[str, ...]:
    """What changed from one canonical form to another, a line each; empty when nothing did, or there was no old one."""
    before, after = parse(old), parse(new)
    if not old or before == after:
        return ()
    lines = ["the new one has invisible characters or long runs of blanks"] if hides(after) else []
    lines += _differences(before, after, "", "definition")
    if len(lines) > MOST:
        lines = [*lines[: MOST - 1], f"and {len(lines) - MOST + 1} more changes"]
    return tuple(lines)


def _differences(old: Any, new: Any, path: str, role: str) -> Iterator[str]:
    if isinstance(old, dict) and isinstance(new, dict):
        for found in members(old, new, path, role):
            yield from _of_member(found.path, found.role, found.old, found.new, parent=role)
    elif isinstance(old, str) and isinstance(new, str) and role in ("text", "title", "definition"):
        yield from _of_text(old, new, path or "text", role)
    elif isinstance(old, list) and isinstance(new, list) and role in ("arguments", "schemas") and len(old) == len(new):
        inner = "definition" if role == "arguments" else "schema"
        for at, (one, other) in enumerate(zip(old, new, strict=True)):
            if one != other:
                yield from _differences(one, other, f"{path}[{at}]", inner)
    elif old != new and normal(old, role) == normal(new, role):
        yield f"{path}: order or size only"
    else:
        yield f"{path or 'definition'}: {_shown(old)} → {_shown(new)}"


def _of_member(path: str, role: str, old: Any, new: Any, *, parent: str) -> Iterator[str]:
    if parent == "map" and (old is ABSENT or new is ABSENT):
        what, tree = ("added", new) if old is ABSENT else ("removed", old)
        yield f"parameter {what}: {visible(path)}{_about(tree)}"
    elif parent == "schema" and (said := _of_keyword(path, path.rpartition(".")[2], old, new)):
        yield said
    elif old is ABSENT or new is ABSENT:
        yield f"{visible(path)} {'added' if old is ABSENT else 'removed'}: {_shown(new if old is ABSENT else old)}"
    elif parent == "annotations" and role == "exact":
        yield f"annotation flipped: {visible(path)}: {_shown(old)} → {_shown(new)}"
    else:
        yield from _differences(old, new, visible(path), role)


def _of_keyword(path: str, key: str, old: Any, new: Any) -> str:
    """A rule of a schema that lets more or less through than before; empty for other members."""
    direction = ""
    if key == "required":
        return _of_required(path, old, new)
    if key in _LIMITS:
        direction = _by_presence(old, new) or (_by_choice(old, new) if key == "enum" else "changed")
    elif key in _UPPER | _LOWER:
        direction = _by_presence(old, new) or _by_size(old, new, key in _UPPER)
    elif key == "additionalProperties":
        direction = "tightened" if new is False else "relaxed" if old is False else ""
    elif key == "type":
        direction = _by_presence(old, new) or _by_choice(_listed(old), _listed(new))
    elif key == "default":
        direction = "changed"
    return f"schema {direction}: {visible(path)}: {_shown(old)} → {_shown(new)}" if direction else ""


def _of_required(path: str, old: Any, new: Any) -> str:
    before, after = ({x for x in _listed(side) if isinstance(x, str)} for side in (old, new))
    told = [f"{visible(name)} is no longer required" for name in sorted(before - after)]
    told += [f"{visible(name)} is required now" for name in sorted(after - before)]
    return f"schema {'relaxed' if before > after else 'changed'}: {', '.join(told)}" if told else f"{path}: order only"


def _by_presence(old: Any, new: Any) -> str:
    return "tightened" if old is ABSENT else "relaxed" if new is ABSENT else ""


def _by_size(old: Any, new: Any, is_upper: bool) -> str:
    try:
        one, other = float(old.text), float(new.text)
    except (AttributeError, ValueError):
        return "changed"
    return "relaxed" if (other > one) == is_upper else "tightened"


def _by_choice(old: Any, new: Any) -> str:
    if not isinstance(old, list) or not isinstance(new, list):
        return "changed"
    if all(choice in new for choice in old):
        return "relaxed" if len(new) > len(old) else "changed"
    return "tightened" if all(choice in old for choice in new) else "changed"


def _listed(value: Any) -> list[Any]:
    return value if isinstance(value, list) else [] if value is ABSENT else [value]


def _of_text(old: str, new: str, path: str, role: str) -> Iterator[str]:
    if not (hides(old) or hides(new)) and normal(old, role) == normal(new, role):
        yield f"{path}: white space, quotes, a full stop or a title's letter case only"
        return
    left, right = (_SENTENCES.split(text[:_LONGEST].strip()) for text in (old, new))
    is_cut = max(len(old), len(new)) > _LONGEST or max(len(left), len(right)) > _MOST_SENTENCES
    left, right = left[:_MOST_SENTENCES], right[:_MOST_SENTENCES]
    for tag, a, b, c, d in difflib.SequenceMatcher(None, left, right, autojunk=False).get_opcodes():
        if tag == "insert":
            yield f"{path}: added {_quoted(' '.join(right[c:d]))}"
        elif tag == "delete":
            yield f"{path}: removed {_quoted(' '.join(left[a:b]))}"
        elif tag == "replace":
            yield f"{path}: {_by_word(' '.join(left[a:b]), ' '.join(right[c:d]))}"
    if is_cut:
        yield f"{path}: it is too long to compare all of it by word"


def _by_word(old: str, new: str) -> str:
    left, right = old.split()[:_MOST_WORDS], new.split()[:_MOST_WORDS]
    matched = difflib.SequenceMatcher(None, left, right, autojunk=False)
    parts = [
        f"{_quoted(' '.join(left[a:b])) or 'nothing'} → {_quoted(' '.join(right[c:d])) or 'nothing'}"
        for tag, a, b, c, d in matched.get_opcodes()
        if tag != "equal"
    ]
    return "; ".join(parts[:4]) + (" …" if len(parts) > 4 else "") or "blank characters only"


def _quoted(text: str) -> str:
    return f"“{visible(text, limit=_QUOTED)}”" if text else ""


def _about(tree: Any) -> str:
    kind = tree.get("type") if isinstance(tree, dict) else None
    return f" ({visible(kind, limit=40)})" if isinstance(kind, str) else ""


def _shown(value: Any) -> str:
    if value is ABSENT:
        return "nothing"
    text = json.dumps(value, ensure_ascii=False, default=lambda x: x.text if isinstance(x, Number) else repr(x))
    return visible(text, limit=_QUOTED)
