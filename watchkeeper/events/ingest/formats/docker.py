"""The log of Docker's MCP gateway (`docker mcp gateway run --log-calls`): two lines a call on standard error, without a
time of their own; a time that a collector put in front (ISO 8601) is read.

A call begins with `- Calling tool NAME with arguments: …` and ends with `> Calling tool NAME took: …`; the end is the
record. Newer versions say of arguments only what shape they have, older ones what they are. A call that never ends went
wrong: it is told when the next of the same tool begins, or when the log ends.
"""

from __future__ import annotations

import re
from collections.abc import Sequence

from msgspec.structs import replace

from watchkeeper.core.clock import from_iso
from watchkeeper.core.errors import Invalid
from watchkeeper.events.ingest.model import CALL, Malformed, Observation, json_of

_TIME = r"(?:(?P<time>\d{4}-\d\d-\d\d[T ][0-9:.,]+(?:Z|[+-]\d\d:?\d\d)?)\s+)?"
_BEGUN = re.compile(_TIME + r".*?- Calling tool (?P<tool>\S+) with arguments: (?P<arguments>.*)", re.DOTALL)
_ENDED = re.compile(_TIME + r".*?> Calling tool (?P<tool>\S+) took: (?P<took>\S+)\s*", re.DOTALL)
_PART = re.compile(r"([0-9.]+)(h|ms|µs|us|ns|m|s)")
_UNITS = {"h": 3.6e9, "m": 6e7, "s": 1e6, "ms": 1000.0, "µs": 1.0, "us": 1.0, "ns": 0.001}
_MOST = 1024
"""Calls that may be under way."""


class DockerGateway:
    """Keeps the calls that have begun, oldest first, a bounded number of them."""

    def __init__(self) -> None:
        self._open: dict[str, Observation] = {}

    def read(self, record: bytes) -> Sequence[Observation]:
        line = record.decode("utf-8", "replace").rstrip()
        if ended := _ENDED.fullmatch(line):
            begun = self._open.pop(ended["tool"], None) or _call(ended["tool"], None, "")
            when = _moment(ended["time"])
            took = _microseconds(ended["took"])
            return (replace(begun, time=when or begun.time, outcome="success", reason="", duration_us=took),)
        if begun_line := _BEGUN.fullmatch(line):
            return self._begin(_call(begun_line["tool"], _moment(begun_line["time"]), begun_line["arguments"]))
        return ()

    def end(self) -> Sequence[Observation]:
        left = tuple(self._open.values())
        self._open.clear()
        return left

    def _begin(self, call: Observation) -> Sequence[Observation]:
        before = self._open.pop(call.target, None)
        self._open[call.target] = call
        oldest = self._open.pop(next(iter(self._open))) if len(self._open) > _MOST else None
        return tuple(one for one in (before, oldest) if one is not None)


def _call(tool: str, time: int | None, arguments: str) -> Observation:
    """As it stands until its end is seen: nothing came of it."""
    why = "no end of this call was logged"
    is_whole = arguments[:1] in ("{", "[")
    more = {"arguments_shape": arguments[:128]} if arguments and not is_whole else {}
    said = json_of(arguments) if is_whole else b""
    return Observation(name=CALL, time=time, target=tool, arguments=said, outcome="failure", reason=why, more=more)


def _moment(when: str | None) -> int | None:
    if when is None:
        return None
    text = when.replace(" ", "T", 1).replace(",", ".")
    try:
        return from_iso(text if text[-1] == "Z" or "+" in text or text.count("-") > 2 else f"{text}Z")
    except Invalid as error:
        raise Malformed("a time that is none") from error


def _microseconds(took: str) -> int | None:
    """Go's way to write a duration: `1m2.5s`, `750ms`."""
    parts = _PART.findall(took)
    if not parts or "".join(number + unit for number, unit in parts) != took:
        return None
    try:
        return int(sum(float(number) * _UNITS[unit] for number, unit in parts))
    except ValueError:
        return None
