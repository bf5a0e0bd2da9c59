"""ContextForge's JSON log (`LOG_FORMAT=json`, or its log file): one object a line, of Python's logging with fields of
its own. Read: what names a tool, prompt or resource and what came of it, and what it says about security.

Its traces (`tool.invoke`) say more of a call than its log: who, how long, how it ended. The log has that a call began,
failures, denials, and changes to what it serves; take in the one or the other. Names of fields as
`mcpgateway/services/structured_logger.py` writes them.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any

import msgspec

from watchkeeper.core.clock import from_iso
from watchkeeper.core.errors import Invalid
from watchkeeper.events.ingest.model import (
    CALL,
    PROMPT,
    READ,
    Malformed,
    Observation,
    Stateless,
    text_of,
    whole_of,
)

_LEVELS = {"DEBUG": 1, "INFO": 1, "WARNING": 2, "ERROR": 3, "CRITICAL": 4}
_METHODS = {"tool": CALL, "prompt": PROMPT, "resource": READ}
_CALLED = ("invocation", "invoked", "invoke", "execution", "executed", "access_denied", "rendered", "read")
_BEGUN = re.compile(r"Invoking tool: (?P<tool>\S+) with arguments: .*?(?:, server_id=(?P<server>\S+))?", re.DOTALL)
_FAILED = re.compile(r"Error calling tool '(?P<tool>[^']+)': (?P<why>.*)", re.DOTALL)
_PLUMBING = frozenset(
    {"message", "asctime", "levelname", "name", "@timestamp", "timestamp", "hostname", "process_id", "level"}
    | {"taskName", "trace_id", "span_id", "trace_flags", "duration_ms", "response_status_code", "logger", "time"}
)


class ContextForge(Stateless):
    """Records that carry an `event_type` or a verdict of its own; others are of no interest."""

    def read(self, record: bytes) -> Sequence[Observation]:
        try:
            said = msgspec.json.decode(record)
        except (msgspec.DecodeError, RecursionError) as error:
            raise Malformed("no JSON") from error
        if not isinstance(said, dict):
            raise Malformed("no JSON object")
        event = text_of(said.get("event_type") or said.get("security_event_type"))
        if event:
            return (_observation(said, event),)
        found = _told_in_words(said, text_of(said.get("message"), 4096))
        return () if found is None else (found,)


def _told_in_words(said: Mapping[str, Any], message: str) -> Observation | None:
    """What its plain messages say of calls: that one began, or that one failed."""
    begun, failed = _BEGUN.fullmatch(message), _FAILED.fullmatch(message)
    line = begun or failed
    if line is None:
        return None
    server = text_of(line["server"]) if begun else ""
    request = text_of(said.get("request_id"))
    return Observation(
        name=CALL,
        time=_moment(said),
        id=f"{request}:{'begun' if begun else 'failed'}" if request else "",
        server="" if server == "None" else server,
        target=line["tool"][:512],
        trace="-".join(filter(None, (text_of(said.get("trace_id")), text_of(said.get("span_id"))))),
        outcome="" if begun else "failure",
        severity=1 if begun else 2,
        reason="" if begun else line["why"][:2048],
    )


def _observation(said: Mapping[str, Any], event: str) -> Observation:
    own = said.get("custom_fields")
    fields: dict[str, Any] = own if isinstance(own, dict) else {}
    resource = text_of(said.get("resource_type"))
    level = text_of(said.get("levelname") or said.get("level")).upper()
    is_call = resource in _METHODS and any(word in event for word in _CALLED)
    is_denied = "denied" in event or said.get("security_action_taken") == "blocked"
    duration = said.get("duration_ms")
    return Observation(
        name=_METHODS[resource] if is_call else event,
        is_request=is_call,
        time=_moment(said),
        who=text_of(said.get("user_email") or said.get("user_id")),
        server=text_of(fields.get("server_id") or fields.get("gateway_name") or fields.get("gateway_id")),
        target=text_of(fields.get("tool_name") or fields.get("prompt_name") or said.get("resource_id"), 2048),
        trace="-".join(filter(None, (text_of(said.get("trace_id")), text_of(said.get("span_id"))))),
        outcome="deny" if is_denied else "failure" if _LEVELS.get(level, 1) >= _LEVELS["ERROR"] else "success",
        severity=_LEVELS.get(level, 1),
        status=whole_of(said.get("response_status_code")),
        duration_us=int(duration * 1000) if isinstance(duration, int | float) and 0 <= duration < 1e12 else None,
        reason=text_of(said.get("message"), 2048),
        more={key: value for key, value in said.items() if key not in _PLUMBING},
    )


def _moment(said: Mapping[str, Any]) -> int | None:
    when = said.get("@timestamp") or said.get("timestamp")
    if not isinstance(when, str):
        return None
    try:
        return from_iso(when)
    except Invalid as error:
        raise Malformed("a time that is none") from error
