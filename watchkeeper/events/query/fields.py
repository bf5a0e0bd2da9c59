"""The fields that a query may name: where each lies in a row, of which type it is, what it is. Data and look-ups."""

from __future__ import annotations

import difflib
from collections.abc import Mapping
from typing import Literal

import msgspec

Type = Literal["text", "number", "list", "member", "severity", "duration"]


class Field(msgspec.Struct, frozen=True):
    """A word before a colon."""

    name: str
    type: Type
    column: str
    """The column of the row; for a `member`, the name of the member in the body's JSON text, at any depth."""
    about: str
    has_facet: bool = False
    """Whether its values are counted beside a search."""


def _text(name: str, about: str, *, column: str = "", has_facet: bool = False) -> Field:
    return Field(name, "text", column or name, about, has_facet)


_ALL = (
    _text("kind", "the kind of event: gateway.request.decided, or the beginning of one", has_facet=True),
    _text("server", "the MCP server's name", has_facet=True),
    _text("target", "the tool, prompt, resource, principal, order or incident", has_facet=True),
    _text("actor", "the verified principal: agent:NAME, operator:NAME, system:NAME", has_facet=True),
    _text("claimed", "what the client says it is", has_facet=True),
    _text("outcome", "allow, modify, ask, deny; success, failure", has_facet=True),
    _text("method", "the JSON-RPC method: tools/call", has_facet=True),
    _text("era", "modern or legacy", has_facet=True),
    _text("reason", "why"),
    _text("arguments", "what was asked for, as captured"),
    _text("result", "what came back, as captured"),
    _text("id", "the event's id"),
    _text("trace", "the W3C trace id", column="trace_id"),
    _text("span", "the W3C span id", column="span_id"),
    _text("writer", "the journal's log that it was recorded in"),
    Field("severity", "severity", "severity", "informational, low, medium, high, critical", True),
    Field("label", "list", "labels", "a mark: exercise, shadow, probe", True),
    Field("rule", "list", "rules", "the id of a rule that spoke", True),
    Field("status", "number", "status", "the HTTP status", True),
    Field("duration", "duration", "duration_us", "how long it took: 250us, 30ms, 2s"),
    Field("duration_us", "number", "duration_us", "how long it took, in microseconds"),
    Field("version", "number", "v", "version of the event model"),
    Field("finding", "member", "label", "what an inspector noticed: secret, hidden_instruction", True),
    Field("session", "member", "session", "the session of the older era, as a digest"),
    Field("correlation", "member", "correlation", "the id that the client was told with a refusal"),
    Field("approval", "member", "approval", "the approval it belongs to"),
    Field("incident", "member", "incident", "the incident it belongs to"),
    Field("principal", "member", "principal", "the principal that an alert or an approval is about"),
    Field("event", "member", "event", "the event that an alert is about"),
    Field("policy", "member", "policy", "the set of policies that decided"),
    Field("ending", "member", "ending", "how it ended when not by an answer"),
)
FIELDS: Mapping[str, Field] = {field.name: field for field in _ALL}
ALIASES: Mapping[str, str] = {
    "tool": "target",
    "agent": "actor",
    "client": "claimed",
    "verdict": "outcome",
    "trace_id": "trace",
    "labels": "label",
    "rules": "rule",
    "took": "duration",
}
TIMES = ("after", "before")
BODY = "body."
"""`body.NAME` is any member of the body."""
FACETS = tuple(field.name for field in _ALL if field.has_facet)
SEVERITIES = ("informational", "low", "medium", "high", "critical")


def field_of(word: str) -> Field | None:
    """The field that a word names; None when there is none."""
    if word.startswith(BODY) and word[len(BODY) :]:
        return Field(word, "member", word[len(BODY) :], "a member of the body")
    return FIELDS.get(ALIASES.get(word, word))


def nearest(word: str) -> str:
    """The known word that looks most like it, or nothing."""
    known = [*FIELDS, *ALIASES, *TIMES]
    found = difflib.get_close_matches(word.lower(), known, n=1, cutoff=0.6)
    return found[0] if found else ""
