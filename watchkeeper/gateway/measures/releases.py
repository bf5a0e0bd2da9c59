"""Versions of servers: what a server calls itself, and whether an order's range covers it. No I/O.

A range is one version, or comparisons that all have to hold: `1.2.3`, `>=1.0,<1.4`. Versions are compared as SemVer
2.0.0 section 11 and PEP 440 agree: numbers by size, a pre-release before its release, what stands behind a `+` not at
all. What cannot be compared is covered (deny on doubt): a server could call itself anything.
"""

from __future__ import annotations

import re
from typing import Any

import msgspec

from watchkeeper.core.errors import Invalid
from watchkeeper.inspection.fingerprints import GREETINGS

META_KEY = "io.modelcontextprotocol/serverInfo"
"""Where a modern server names itself, in `result._meta`."""
_LONGEST = 200
_COMPARISON = re.compile(r"(<=|>=|<|>|=)?\s*([A-Za-z0-9][A-Za-z0-9.+_-]{0,99})\Z")
_NUMBERS = re.compile(r"[vV]?(\d{1,18}(?:\.\d{1,18})*)")
_PARTS = re.compile(r"\d{1,18}|[A-Za-z]+")
_AFTER = ("post", "r", "rev")
"""Words that follow a release rather than lead to it (PEP 440)."""

_Rank = tuple[Any, ...]


class Comparison(msgspec.Struct, frozen=True):
    """One condition of a range."""

    sign: str
    """`=`, `<`, `<=`, `>` or `>=`."""
    version: str

    def holds(self, version: str) -> bool:
        """Whether it covers this version; True when that cannot be told."""
        if self.sign == "=" and version == self.version:
            return True
        ours, other = _rank(self.version), _rank(version)
        if ours is None or other is None:
            return self.sign != "=" or not version
        return {
            "=": other == ours,
            "<": other < ours,
            "<=": other <= ours,
            ">": other > ours,
            ">=": other >= ours,
        }[self.sign]


Range = tuple[Comparison, ...]


def parse_range(text: str) -> Range:
    """The conditions of a range. Raises `Invalid`."""
    found = []
    for part in text.split(",") if len(text) <= _LONGEST else ():
        match = _COMPARISON.match(part.strip())
        if match is None:
            break
        sign, version = match[1] or "=", match[2]
        if sign != "=" and _rank(version) is None:
            break
        found.append(Comparison(sign, version))
    else:
        if found and sample(tuple(found), inside=True):
            return tuple(found)
    raise Invalid(f"{text!r} is no version or range", hint="write it like 1.2.3 or >=1.0,<1.4")


def covers(range_: Range, version: str) -> bool:
    """Whether a version is in the range; True for an empty version, of which nothing is known."""
    return all(comparison.holds(version) for comparison in range_)


def sample(range_: Range, *, inside: bool) -> str:
    """A version that is in the range, or that is not; empty when none is found."""
    named = [comparison.version for comparison in range_]
    tried = [*named, "0.0.0.1", "999999999", *(f"{version}.0.0.1" for version in named)]
    tried += [f"{rank[0][0] - 1}.999999999" for version in named if (rank := _rank(version)) and rank[0][0]]
    return next((version for version in tried if covers(range_, version) is inside), "")


class _Info(msgspec.Struct):
    version: str = ""


class _Result(msgspec.Struct):
    server_info: _Info | None = msgspec.field(name="serverInfo", default=None)
    meta: dict[str, msgspec.Raw] | None = msgspec.field(name="_meta", default=None)


_result = msgspec.json.Decoder(_Result).decode
_info = msgspec.json.Decoder(_Info).decode


def version_in(method: str, result: bytes) -> str:
    """The version that a result says its server is of; empty when it says none."""
    if method not in GREETINGS and META_KEY.encode() not in result:
        return ""
    try:
        said = _result(result)
        if method in GREETINGS and said.server_info is not None and said.server_info.version:
            return said.server_info.version[:_LONGEST]
        named = (said.meta or {}).get(META_KEY)
        return _info(named).version[:_LONGEST] if named is not None else ""
    except (msgspec.MsgspecError, RecursionError):
        return ""


def _rank(version: str) -> _Rank | None:
    """By which versions are sorted; None for one that does not begin with numbers."""
    match = _NUMBERS.match(version)
    if match is None:
        return None
    numbers = tuple(int(number) for number in match[1].split("."))
    while len(numbers) > 1 and not numbers[-1]:
        numbers = numbers[:-1]
    rest = _PARTS.findall(version[match.end() :].partition("+")[0])
    if not rest:
        return numbers, 1, ()
    stage = 2 if rest[0].lower() in _AFTER else 0
    return numbers, stage, tuple((0, int(part), "") if part.isdigit() else (1, 0, part.lower()) for part in rest)
