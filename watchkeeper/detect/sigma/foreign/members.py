"""A record's members as one text of lines `path=value`, so that a rule can ask for families of names. Pure, bounded.

`{"token": {"reuse_detected": true}}` becomes `token.reuse_detected=true`. Two members that ought to be alike and are
not, such as `expected_issuer` and `actual_issuer`, give one more line, `differs.issuer=expected/actual`. Names are
written in lower case with words apart by `_`, however the record writes them (`reuseDetected`, `Reuse-Detected`);
values stay as they are, but for line breaks, which become `␊`. Items of a list have the list's name; what is nested too
deeply or too long is left out.

One text, and not a list: a rule's regular expressions (`(?m)`) go over it once each, and not once for each member.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

from watchkeeper.detect.conditions.fields import text_of

MOST = 2_000
"""Members of one record."""
LONGEST = 8_192
"""Characters of one value."""
DEEPEST = 16
_FORMER = """
approved baseline calculated claimed computed declared displayed documented expected initial known old original pinned
previous prior registered reported requested required stored trusted
"""
_BEFORE = frozenset(_FORMER.split())
_LATTER = """
actual current delivered detected effective executed final granted live modified new observed presented real received
rendered resolved returned runtime sent token
"""
_AFTER = frozenset(_LATTER.split())
_PLAIN = _BEFORE - {"initial", "old", "previous", "prior", "requested", "required", "known", "stored"}
"""Of these the other member may have the name alone: `expected_sha256` and `sha256`."""
_HUMP = re.compile(r"(?<=[a-z0-9])(?=[A-Z])")
_BREAK = re.compile(r"[\r\n\v\f\x85\u2028\u2029]+")
_APART = re.compile(r"[\s-]+")


def members_of(record: dict[str, Any]) -> str:
    """Every value with its path, in order."""
    found: list[str] = []
    for line in _lines(record, "", 0):
        if len(found) == MOST:
            break
        found.append(_BREAK.sub("␊", line))
    return "\n".join(found + _differences(found))


def _differences(lines: list[str]) -> list[str]:
    """Whatever `required` names may be less than what is there; all else has to be the same."""
    values = dict(reversed([line.split("=", 1) for line in lines]))
    before = [(stem, word, path) for path in values for word, stem in _stems(path) if word in _BEFORE]
    after = {(stem, word): path for path in values for word, stem in _stems(path) if word in _AFTER}
    found = []
    for stem, word, path in before:
        others = [(other, after[stem, other]) for other in sorted(_AFTER) if (stem, other) in after]
        if word in _PLAIN and stem in values:
            others.append(("present", stem))
        for other, where in others:
            is_enough = word == "required" and values[path] in values[where]
            if values[path] != values[where] and not is_enough:
                found.append(f"differs.{stem}={word}/{other}")
    return found


def _stems(path: str) -> Iterator[tuple[str, str]]:
    """The first and the last word of a name, each with the rest of the path."""
    parent, dot, name = path.rpartition(".")
    first, _, rest = name.partition("_")
    if rest:
        yield first, f"{parent}{dot}{rest}"
        stem, _, last = name.rpartition("_")
        yield last, f"{parent}{dot}{stem}"


def _lines(value: Any, path: str, depth: int) -> Iterator[str]:
    if depth > DEEPEST:
        return
    if isinstance(value, dict):
        for name, inner in value.items():
            yield from _lines(inner, f"{path}.{_plain(str(name))}" if path else _plain(str(name)), depth + 1)
    elif isinstance(value, (list, tuple)):
        for item in value:
            yield from _lines(item, path, depth + 1)
    elif isinstance(value, (str, int, float)):
        yield f"{path}={text_of(value)[:LONGEST]}"
    elif value is None:
        yield f"{path}=null"


def _plain(name: str) -> str:
    return _APART.sub("_", _HUMP.sub("_", name[:256])).lower()
