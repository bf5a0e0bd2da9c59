"""Labelled cases of traffic as what crosses a gateway: which tools there are, what is asked and what is answered.

An MCP message is played as it is. A web request is the arguments of a call of a tool that makes it, a response that
tool's result. What is not MCP is left out, or carried in a tool's arguments or result as a bridge would carry it: each
case says which (`way`).
"""

from __future__ import annotations

import gzip
import json
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

FETCH = "http_request"
TOOLS = {
    FETCH: "Makes an HTTP request to a URL on the internet and returns the response.",
    "fetch": "Fetches a URL from the internet.",
    "fetch_url": "Fetches a URL from the internet.",
    "web_search": "Searches the web.",
    "read_file": "Reads a file of the user's disk.",
    "write_file": "Writes a file.",
    "get_env": "Returns the value of an environment variable.",
    "run_command": "Runs a command in a shell.",
    "send_message": "Sends a message to somebody.",
    "send_to_agent": "Sends an A2A message to another agent.",
    "read_agent_card": "Fetches the A2A card of another agent.",
    "send_frames": "Sends frames over a WebSocket to a URL.",
}
"""What tools say of themselves; one that is not named here says its own name."""
NATIVE, REQUEST, BRIDGED = "mcp", "tool that makes the request", "bridge"
_OF_ARGUMENTS = ("url", "method", "headers", "body", "content_type")


@dataclass(frozen=True)
class Step:
    """A message of the client, and what the server answers to it."""

    method: str
    params: dict[str, Any]
    result: dict[str, Any] = field(default_factory=lambda: text("done"))
    watched: str = "request"
    """Which of the two the case is about: that it arrived is what "delivered" means."""


@dataclass(frozen=True)
class Case:
    """One case: `malicious` when it has to be stopped."""

    id: str
    family: str
    malicious: bool
    way: str
    steps: tuple[Step, ...]
    left_out: str = ""
    """Why it is not played."""


def text(said: str) -> dict[str, Any]:
    return {"content": [{"type": "text", "text": said}]}


def call(tool: str, arguments: dict[str, Any], **more: Any) -> Step:
    return Step("tools/call", {"name": tool, "arguments": arguments}, **more)


def read_cases(path: Path) -> list[Case]:
    """The cases of kind `wire` in a file of the corpora's format."""
    with gzip.open(path, "rt") if path.suffix == ".gz" else path.open() as file:
        records = [json.loads(line) for line in file if line.strip()]
    return [case_of(record) for record in records if record.get("kind") == "wire"]


def case_of(record: dict[str, Any]) -> Case:
    kind, payload = record["data"]["input_type"], record["data"]["payload"]
    way, steps = _steps(kind, payload)
    why = "" if steps else f"nothing of {kind} crosses an MCP gateway"
    return Case(str(record["id"]), str(record.get("class") or kind), record["label"] == "malicious", way, steps, why)


def _steps(kind: str, payload: dict[str, Any]) -> tuple[str, tuple[Step, ...]]:
    if kind.startswith("mcp_"):
        return NATIVE, tuple(_of_messages(payload.get("jsonrpc_messages", [])))
    if kind in ("url", "header", "request_body"):
        return REQUEST, (call(FETCH, {key: payload[key] for key in _OF_ARGUMENTS if payload.get(key)}),)
    if kind == "response_content":
        asked = {"url": payload.get("url", ""), "method": "GET"}
        return REQUEST, (call(FETCH, asked, result=text(payload.get("response_body", "")), watched="result"),)
    if kind == "a2a_message":
        return BRIDGED, tuple(_of_agents(one) for one in payload.get("jsonrpc_messages", []))
    if kind == "a2a_agent_card":
        card = payload.get("agent_card", {})
        said = text(json.dumps(card, ensure_ascii=False)) | {"structuredContent": card}
        return BRIDGED, (call("read_agent_card", {"url": card.get("url", "")}, result=said, watched="result"),)
    if kind == "websocket_frame":
        return BRIDGED, (call("send_frames", {"url": payload.get("url", ""), "frames": payload.get("frames", [])}),)
    return "", ()


def _of_messages(messages: list[dict[str, Any]]) -> list[Step]:
    answers = {one.get("id"): one["result"] for one in messages if "result" in one}
    asked = [one for one in messages if "method" in one]
    steps = [
        Step(one["method"], one.get("params", {}), **_answer(answers.pop(one.get("id"), None)))
        for one in asked
        if one.get("id") is not None
    ]
    return steps + [_asking_for(result) for result in answers.values()]


def _answer(result: dict[str, Any] | None) -> dict[str, Any]:
    return {} if result is None else {"result": result, "watched": "result"}


def _asking_for(result: dict[str, Any]) -> Step:
    """What a client asks to be given this."""
    if "tools" in result:
        return Step("tools/list", {}, result, "result")
    if "prompts" in result:
        return Step("prompts/list", {}, result, "result")
    if "resources" in result:
        return Step("resources/list", {}, result, "result")
    if "contents" in result:
        return Step("resources/read", {"uri": "docs://guide"}, result, "result")
    if "serverInfo" in result:
        return Step("initialize", _GREETING, result, "result")
    return call("search", {"query": "the latest notes"}, result=result, watched="result")


_GREETING = {"protocolVersion": "2025-11-25", "capabilities": {}, "clientInfo": {"name": "bench", "version": "1"}}


def _of_agents(message: dict[str, Any]) -> Step:
    """A message between agents: sent by a tool that speaks to them, or what it brings back."""
    if "result" in message or "error" in message:
        said = text(json.dumps(message, ensure_ascii=False))
        return call("send_to_agent", {"agent": "translator", "text": "Hello."}, result=said, watched="result")
    return call("send_to_agent", {"agent": "translator", "message": message})


def tools_of(cases: list[Case]) -> list[dict[str, Any]]:
    """Definitions of every tool that is called in them, with the arguments that it is called with."""
    named: dict[str, dict[str, Any]] = {}
    for step in (step for case in cases for step in case.steps if step.method == "tools/call"):
        arguments = step.params.get("arguments") or {}
        named.setdefault(step.params["name"], {}).update({key: {} for key in arguments})
    return [
        {
            "name": name,
            "description": TOOLS.get(name, f"{name.replace('_', ' ').capitalize()}."),
            "inputSchema": {"type": "object", "properties": dict(sorted(arguments.items()))},
        }
        for name, arguments in sorted(named.items())
    ]
