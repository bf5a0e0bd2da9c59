"""A record's members as one text of lines `path=value`, so that a rule can ask for families of names. Pure, bounded.

`{"token": {"reuse_detected": true}}` becomes `token.reuse_detected=true`. Names are written in lower case with words
apart by `_`, however the record writes them (`reuseDetected`, `Reuse-Detected`); values stay as they are, but for line
breaks, which become `␊`. Items of a list have the list's name; what is nested too deeply or too long is left out.

Two members that ought to be alike and are not, such as `expected_issuer` and `actual_issuer`, give one more line,
`differs.issuer=expected/actual`. A member that denies something bad (`hash_mismatch=false`) is left out: a rule that
looks for a hash that is not valid would take it for one.

One text, and not a list: a rule's regular expressions (`(?m)`) go over it once each, and not once for each member.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import re2

from watchkeeper.detect.conditions.fields import text_of

MOST = 2_000
"""Members of one record."""
LONGEST = 8_192
"""Characters of one value."""
DEEPEST = 16
_LONGEST_NAME = 256
_FORMER = """
approved authorize baseline calculated claimed computed declared default displayed documented expected initial
intended known normal old original pinned previous prior registered reported requested required stored trusted typical
usual
"""
_BEFORE = frozenset(_FORMER.split())
_LATTER = """
actual callback current delivered detected effective exchange executed final granted issued live modified new observed
presented real received rendered resolved returned routed runtime selected sent source token
"""
_AFTER = frozenset(_LATTER.split())
_PLAIN = _BEFORE - {"default", "initial", "known", "old", "previous", "prior", "requested", "required", "stored"}
"""Of these the other member may have the name alone: `expected_sha256` and `sha256`."""
_SHORT = {"iss": "issuer", "aud": "audience", "scopes": "scope", "sha256": "hash", "sha": "hash", "checksum": "hash"}
_GOOD = "known_good_"
_BAD = """
abnormal abuse adversar after alert alter anomal attack attempt auto backdoor beacon block breach bypass chang collid
collision compromis conceal conflict contamin corrupt covert debug denied denies deviat disabl downgrad drift dump
duplicat elevat escalat escap exceed exfil expir exploit fail fake fallback flip forg forward found hidden hijack
homoglyph imperson implicit infinite inject invalid invisib lack leak legacy lookalike loop malic mimic mismatch
missing mitm mix modif obfuscat offboard outlier outside overrid overwrit poison privileg recursi relay remov replay
reus revok rogue runaway shadow silent skip spoof squat stego steal stolen structuring suspect suspic tamper terminat
threat trigger typosquat unapproved unauth undisclosed unexpected unknown unreviewed unsafe unsigned untrust unusual
unverif violat vulnerab without zero
"""
_STEMS = tuple(_BAD.split())
_NO = frozenset({"false", "no", "none", "null", "0", "0.0", "never", "[]"})
_hump = re2.compile(r"([a-z0-9])([A-Z])")
_apart = re2.compile(r"[\s-]+")
_BREAKS = str.maketrans(dict.fromkeys("\r\n\v\f\x85\u2028\u2029", "␊"))


def members_of(record: dict[str, Any]) -> str:
    """Every value with its path, in order."""
    found: list[str] = []
    for line in _lines(record, "", 0):
        if len(found) == MOST:
            break
        if not _is_denial(line):
            found.append(line.replace("\r\n", "\n").translate(_BREAKS))
    return "\n".join(found + _differences(found))


def _is_denial(line: str) -> bool:
    path, _, value = line.partition("=")
    if value.casefold() not in _NO:
        return False
    words = path.rpartition(".")[2].split("_")
    return words[0] == "no" or any(word.startswith(_STEMS) for word in words)


def _differences(lines: list[str]) -> list[str]:
    """Whatever `required` names may be less than what is there; all else has to be the same."""
    values = dict(reversed([line.split("=", 1) for line in lines]))
    before = [(stem, word, path) for path in values for word, stem in _stems(path) if word in _BEFORE]
    after = {(stem, word): path for path in values for word, stem in _stems(path) if word in _AFTER}
    plain = {_noun(path): path for path in reversed(values)}
    found = []
    for stem, word, path in before:
        others = [(other, after[stem, other]) for other in sorted(_AFTER) if (stem, other) in after]
        if word in _PLAIN and stem in plain:
            others.append(("present", plain[stem]))
        for other, where in others:
            is_enough = word == "required" and values[path] in values[where]
            if values[path] != values[where] and not is_enough:
                found.append(f"differs.{stem}={word}/{other}")
    return found


def _noun(path: str) -> str:
    """`expected_issuer` and `iss` are of one thing."""
    parent, dot, name = path.rpartition(".")
    return parent + dot + _SHORT.get(name, name)


def _stems(path: str) -> Iterator[tuple[str, str]]:
    """The first and the last word of a name, each with the rest of the path."""
    parent, dot, name = path.rpartition(".")
    first, _, rest = name.partition("_")
    if name.startswith(_GOOD):
        yield "trusted", f"{parent}{dot}{name.removeprefix(_GOOD)}"
    if rest:
        yield first, _noun(f"{parent}{dot}{rest}")
        stem, _, last = name.rpartition("_")
        yield last, _noun(f"{parent}{dot}{stem}")


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
    return str(_apart.sub("_", _hump.sub(r"\1_\2", name[:_LONGEST_NAME]))).replace("=", "_").lower()
