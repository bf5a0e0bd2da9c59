"""Attributes of spans and log records: the many names that gateways give to the same few facts, as an observation.

OpenTelemetry's conventions for MCP (`semantic-conventions-genai`) come first; beside them the names that agentgateway,
ContextForge and Docker's gateway export. Pure.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from watchkeeper.events.ingest.model import CALL, PROMPT, READ, Observation, json_of, text_of, whole_of

_METHOD = ("mcp.method.name", "mcp.method")
_TOOL = ("gen_ai.tool.name", "mcp.tool.name", "tool.name")
_PROMPT = ("gen_ai.prompt.name", "mcp.prompt.name", "prompt.name")
_RESOURCE = ("mcp.resource.uri", "resource.uri")
_SERVER = ("mcp.server.name", "mcp.target", "mcp.server.origin", "mcp.server.id", "server_id", "gateway.name")
_WHO = ("jwt.sub", "src.identity", "user.email", "enduser.id", "user.id", "agentgateway.user")
_CLIENT = ("mcp.client.name", "user_agent.name", "user_agent.original")
_SESSION = ("mcp.session.id", "session.id")
_STATUS = ("http.response.status_code", "http.status_code", "http.status")
_REASON = ("mcp.error.message", "error.message", "exception.message", "error", "otel.status_description")
_ARGUMENTS = ("gen_ai.tool.call.arguments", "mcp.request.arguments", "langfuse.observation.input", "tool.arguments")
_RESULT = ("gen_ai.tool.call.result", "mcp.response.content", "langfuse.observation.output", "tool.result")
_SPANS = {
    "tool.invoke": CALL,  # ContextForge
    "mcp.tool.call": CALL,  # Docker's gateway
    "mcp.prompt.get": PROMPT,
    "prompt.render": PROMPT,
    "mcp.resource.read": READ,
    "resource.read": READ,
}
_REFUSED = frozenset({401, 403, 429})
_REFUSALS = frozenset(
    {"JwtAuth", "Oidc", "BasicAuth", "APIKeyAuth", "ExtAuth", "Authorization", "RateLimit", "Guardrail"}
)
"""agentgateway's reasons for an answer that it gave itself."""
_KNOWN = frozenset(
    name
    for names in (
        *(_METHOD, _TOOL, _PROMPT, _RESOURCE, _SERVER, _WHO, _CLIENT, _SESSION),
        *(_STATUS, _REASON, _ARGUMENTS, _RESULT, ("reason",)),
    )
    for name in names
)


def observed(
    said: Mapping[str, Any],
    *,
    name: str = "",
    time: int | None = None,
    trace: str = "",
    duration_us: int | None = None,
    failed: str | None = None,
    id: str = "",
) -> Observation | None:
    """The request that a span or a log record with these attributes tells of; None when it tells of none.

    `failed` is what its status says of an error; None when it says of none.
    """
    method = text_of(_first(said, _METHOD)) or _method_of(name)
    tool, prompt, resource = (text_of(_first(said, names), 2048) for names in (_TOOL, _PROMPT, _RESOURCE))
    if not method:
        method = CALL if tool and name.partition(" ")[0] in ("", "execute_tool", "request") else ""
    if not method:
        return None
    status = whole_of(_first(said, _STATUS))
    reason = text_of(_first(said, _REASON), 2048) or (failed or "")
    word = text_of(said.get("reason"))
    is_denied = status in _REFUSED or word in _REFUSALS
    is_failed = failed is not None or bool(reason) or bool(said.get("error.type")) or (status or 0) >= 400
    return Observation(
        name=method,
        time=time,
        id=id,
        who=text_of(_first(said, _WHO)).removeprefix("anonymous"),
        client=text_of(_first(said, _CLIENT)),
        server=text_of(_first(said, _SERVER)),
        target=tool or prompt or resource,
        session=text_of(_first(said, _SESSION)),
        trace=trace,
        outcome="deny" if is_denied else "failure" if is_failed else "success",
        status=status,
        duration_us=duration_us,
        reason=reason or word,
        arguments=json_of(_first(said, _ARGUMENTS)),
        result=json_of(_first(said, _RESULT)),
        more={key: value for key, value in said.items() if key not in _KNOWN},
    )


def _first(said: Mapping[str, Any], names: tuple[str, ...]) -> Any:
    for name in names:
        value = said.get(name)
        if value is not None and value != "":
            return value
    return None


def _method_of(name: str) -> str:
    """The method that a span's name tells: `tools/call echo` by convention, or a gateway's own word."""
    if name in _SPANS:
        return _SPANS[name]
    first = name.partition(" ")[0]
    return first if "/" in first and first.partition("/")[0] in ("tools", "prompts", "resources") else ""
