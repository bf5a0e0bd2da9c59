"""agentgateway's access log: `key=value` text, or JSON lines (`LOG_FORMAT=json`). Read: records of scope `request`
that tell of MCP. Names of fields as agentgateway writes them (`crates/agentgateway/src/telemetry/log.rs`).

It never logs arguments or results by itself; fields that an operator adds under the names of OpenTelemetry's
conventions (`gen_ai.tool.call.arguments`) are read.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Any

import msgspec

from watchkeeper.core.clock import from_iso
from watchkeeper.core.errors import Invalid
from watchkeeper.events.ingest.formats.attributes import observed
from watchkeeper.events.ingest.model import Malformed, Observation, Stateless, text_of

_HEAD = re.compile(r"(\d{4}-\d\d-\d\dT[0-9:.]+Z)\s+(trace|debug|info|warn|error)\s+(\S+)\s*(.*)", re.DOTALL)
_PAIR = re.compile(r'([A-Za-z_][A-Za-z0-9_.]*)=("(?:[^"\\]|\\.)*"|\S*)')
_TIME = re.compile(r"([0-9.]+)(ns|us|µs|ms|s|m)")
_UNITS = {"ns": 0.001, "us": 1.0, "µs": 1.0, "ms": 1000.0, "s": 1e6, "m": 6e7}
_MOST = 128
"""Fields of a line."""


class AgentGateway(Stateless):
    """Both forms, told apart by their first character."""

    def read(self, record: bytes) -> Sequence[Observation]:
        said, when, scope = _json(record) if record[:1] == b"{" else _text(record)
        if scope != "request":
            return ()
        trace = "-".join(filter(None, (text_of(said.pop("trace.id", "")), text_of(said.pop("span.id", "")))))
        found = observed(
            said,
            name=scope,
            time=_moment(when),
            trace=trace,
            duration_us=_microseconds(text_of(said.pop("duration", ""))),
            id=text_of(said.get("request.id")),
        )
        return () if found is None else (found,)


def _json(record: bytes) -> tuple[dict[str, Any], str, str]:
    try:
        said = msgspec.json.decode(record)
    except (msgspec.DecodeError, RecursionError) as error:
        raise Malformed("no JSON") from error
    if not isinstance(said, dict):
        raise Malformed("no JSON object")
    said.pop("level", None)
    return said, text_of(said.pop("time", "")), text_of(said.pop("scope", ""))


def _text(record: bytes) -> tuple[dict[str, Any], str, str]:
    head = _HEAD.fullmatch(record.decode("utf-8", "replace").strip())
    if head is None:
        raise Malformed("no line of agentgateway: a time, a level, a scope")
    said: dict[str, Any] = {}
    for pair in _PAIR.finditer(head[4]):
        if len(said) >= _MOST:
            break
        said[pair[1]] = _unquoted(pair[2])
    return said, head[1], head[3].rstrip(":")


def _unquoted(value: str) -> str:
    if value[:1] != '"':
        return value
    try:
        return str(msgspec.json.decode(value.encode()))
    except msgspec.DecodeError:
        return value[1:-1]


def _moment(when: str) -> int:
    try:
        return from_iso(when)
    except Invalid as error:
        raise Malformed("no time") from error


def _microseconds(took: str) -> int | None:
    found = _TIME.fullmatch(took)
    try:
        return int(float(found[1]) * _UNITS[found[2]]) if found else None
    except ValueError:
        return None
