"""A server of both eras that has what the official conformance suite asks for. Prints its port, serves until killed."""

from __future__ import annotations

import asyncio
import json
import socket
from typing import Annotated, Any

import mcp_types as types
import uvicorn
from mcp.server import MCPServer
from mcp.server.mcpserver import Context
from mcp.server.mcpserver.prompts import base
from mcp.server.streamable_http import EventMessage, EventStore
from mcp.shared.exceptions import MCPError
from pydantic import BaseModel, Field

PNG = "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mP8z8BQDwAEhQGAhKmMIQAAAABJRU5ErkJggg=="
WAV = "UklGRiYAAABXQVZFZm10IBAAAAABAAEAQB8AAAB9AAACABAAZGF0YQIAAAA="
server = MCPServer("everything", version="1.0.0")


def text(what: str) -> types.TextContent:
    return types.TextContent(type="text", text=what)


def embedded(uri: str, kind: str, what: str) -> types.EmbeddedResource:
    resource = types.TextResourceContents(uri=uri, mime_type=kind, text=what)
    return types.EmbeddedResource(type="resource", resource=resource)


# -- tools


@server.tool(structured_output=False)
def test_simple_text() -> str:
    """Answer with text."""
    return "This is a simple text response for testing."


@server.tool(structured_output=False)
def test_image_content() -> types.ImageContent:
    """Answer with an image."""
    return types.ImageContent(type="image", data=PNG, mime_type="image/png")


@server.tool(structured_output=False)
def test_audio_content() -> types.AudioContent:
    """Answer with a sound."""
    return types.AudioContent(type="audio", data=WAV, mime_type="audio/wav")


@server.tool(structured_output=False)
def test_embedded_resource() -> types.EmbeddedResource:
    """Answer with a resource."""
    return embedded("test://embedded-resource", "text/plain", "This is an embedded resource content.")


@server.tool(structured_output=False)
def test_multiple_content_types() -> list[Any]:
    """Answer with several kinds of content."""
    image = types.ImageContent(type="image", data=PNG, mime_type="image/png")
    mixed = embedded("test://mixed-content-resource", "application/json", json.dumps({"test": "data", "value": 123}))
    return [text("Multiple content types test:"), image, mixed]


@server.tool(structured_output=False)
async def test_tool_with_logging(ctx: Context) -> str:
    """Log while working."""
    for line in ("Tool execution started", "Tool processing data", "Tool execution completed"):
        await ctx.info(line)
        await asyncio.sleep(0.05)
    return "done"


@server.tool(structured_output=False)
async def test_tool_with_progress(ctx: Context) -> str:
    """Report progress while working."""
    for step in (0, 50, 100):
        await ctx.report_progress(step, 100)
        await asyncio.sleep(0.05)
    return "done"


@server.tool(structured_output=False)
def test_error_handling() -> str:
    """Fail."""
    raise ValueError("This tool intentionally returns an error for testing")


@server.tool(structured_output=False)
async def test_sampling(prompt: str, ctx: Context) -> str:
    """Ask the client's model."""
    message = types.SamplingMessage(role="user", content=text(prompt))
    got = await ctx.session.create_message([message], max_tokens=100, related_request_id=ctx.request_id)
    return f"LLM response: {got.content.text if got.content.type == 'text' else ''}"


class User(BaseModel):
    """Who the user is."""

    username: str = Field(description="User's response")
    email: str = Field(description="User's email address")


async def ask(ctx: Context, message: str, schema: dict[str, Any]) -> types.ElicitResult:
    return await ctx.session.elicit_form(message, schema, related_request_id=ctx.request_id)


@server.tool(structured_output=False)
async def test_elicitation(message: str, ctx: Context) -> str:
    """Ask the user."""
    got = await ask(ctx, message, User.model_json_schema())
    return f"User response: action={got.action}, content={got.content}"


@server.tool(structured_output=False)
async def test_elicitation_sep1034_defaults(ctx: Context) -> str:
    """Ask the user, with defaults."""
    properties = {
        "name": {"type": "string", "default": "John Doe"},
        "age": {"type": "integer", "default": 30},
        "score": {"type": "number", "default": 95.5},
        "status": {"type": "string", "enum": ["active", "inactive", "pending"], "default": "active"},
        "verified": {"type": "boolean", "default": True},
    }
    got = await ask(ctx, "Please confirm", {"type": "object", "properties": properties})
    return f"Elicitation completed: action={got.action}, content={got.content}"


@server.tool(structured_output=False)
async def test_elicitation_sep1330_enums(ctx: Context) -> str:
    """Ask the user to choose."""
    plain = ["option1", "option2", "option3"]
    titled = [{"const": f"value{n}", "title": f"{t} Option"} for n, t in enumerate(("First", "Second", "Third"), 1)]
    choices = [{"const": f"value{n}", "title": f"{t} Choice"} for n, t in enumerate(("First", "Second", "Third"), 1)]
    names = {"enum": ["opt1", "opt2", "opt3"], "enumNames": ["Option One", "Option Two", "Option Three"]}
    properties = {
        "untitledSingle": {"type": "string", "enum": plain},
        "titledSingle": {"type": "string", "oneOf": titled},
        "legacyEnum": {"type": "string"} | names,
        "untitledMulti": {"type": "array", "items": {"type": "string", "enum": plain}},
        "titledMulti": {"type": "array", "items": {"anyOf": choices}},
    }
    got = await ask(ctx, "Please choose", {"type": "object", "properties": properties})
    return f"Elicitation completed: action={got.action}, content={got.content}"


@server.tool(structured_output=False)
def test_custom_headers(region: Annotated[str, Field(json_schema_extra={"x-mcp-header": "Region"})]) -> str:
    """Take an argument that is repeated in a header."""
    return region


# -- tools that ask for more before they answer (2026-07-28)


def form(message: str, **properties: str) -> types.ElicitRequest:
    schema = {
        "type": "object",
        "properties": {n: {"type": t} for n, t in properties.items()},
        "required": [*properties],
    }
    return types.ElicitRequest(params=types.ElicitRequestFormParams(message=message, requested_schema=schema))


def sample(what: str, tokens: int) -> types.CreateMessageRequest:
    message = types.SamplingMessage(role="user", content=text(what))
    return types.CreateMessageRequest(params=types.CreateMessageRequestParams(messages=[message], max_tokens=tokens))


def more(state: str | None = None, **requests: Any) -> types.InputRequiredResult:
    return types.InputRequiredResult(input_requests=requests or None, request_state=state)


def answers(ctx: Context, *names: str) -> list[Any]:
    """The client's answers of these names, all or none."""
    given = ctx.input_responses or {}
    return [given[name] for name in names] if all(name in given for name in names) else []


@server.tool(structured_output=False)
def test_input_required_result_elicitation(ctx: Context) -> str | types.InputRequiredResult:
    """Ask for a name first."""
    got = answers(ctx, "user_name")
    if not got or not isinstance(got[0], types.ElicitResult) or not (got[0].content or {}).get("name"):
        return more(user_name=form("What is your name?", name="string"))
    return f"Hello, {got[0].content['name']}!"


@server.tool(structured_output=False)
def test_input_required_result_sampling(ctx: Context) -> str | types.InputRequiredResult:
    """Ask the client's model first."""
    got = answers(ctx, "capital_question")
    if not got:
        return more(capital_question=sample("What is the capital of France?", 100))
    return f"{got[0].content.text}"


@server.tool(structured_output=False)
def test_input_required_result_list_roots(ctx: Context) -> str | types.InputRequiredResult:
    """Ask for the roots first."""
    got = answers(ctx, "client_roots")
    return str([str(root.uri) for root in got[0].roots]) if got else more(client_roots=types.ListRootsRequest())


@server.tool(structured_output=False)
def test_input_required_result_request_state(ctx: Context) -> str | types.InputRequiredResult:
    """Hand out a state."""
    if answers(ctx, "confirm") and ctx.request_state == "the-state":
        return "state-ok"
    return more("the-state", confirm=form("Please confirm", ok="boolean"))


@server.tool(structured_output=False)
def test_input_required_result_tampered_state(ctx: Context) -> str | types.InputRequiredResult:
    """Hand out a state that is sealed."""
    if answers(ctx, "confirm") and ctx.request_state == "sealed":
        return "state-ok"
    return more("sealed", confirm=form("Please confirm", ok="boolean"))


@server.tool(structured_output=False)
def test_input_required_result_multiple_inputs(ctx: Context) -> str | types.InputRequiredResult:
    """Ask for three things at once."""
    if answers(ctx, "user_name", "greeting", "client_roots"):
        return "all there"
    asked = form("What is your name?", name="string")
    return more("m", user_name=asked, greeting=sample("Generate a greeting", 50), client_roots=types.ListRootsRequest())


@server.tool(structured_output=False)
def test_input_required_result_multi_round(ctx: Context) -> str | types.InputRequiredResult:
    """Ask twice."""
    if ctx.request_state == "two" and answers(ctx, "step2"):
        return "done"
    if ctx.request_state == "one" and answers(ctx, "step1"):
        return more("two", step2=form("Step 2: What is your favorite color?", color="string"))
    return more("one", step1=form("Step 1: What is your name?", name="string"))


@server.tool(structured_output=False)
def test_input_required_result_capabilities(ctx: Context) -> str | types.InputRequiredResult:
    """Ask for what the client can do, and nothing else."""
    can = ctx.client_capabilities
    asked: dict[str, Any] = {}
    if can is not None and can.sampling is not None:
        asked["sample"] = sample("Say something", 10)
    if can is not None and can.elicitation is not None:
        asked["form"] = form("Say something", what="string")
    return more(None, **asked) if asked and not ctx.input_responses else "done"


@server.tool(structured_output=False)
async def test_missing_capability(ctx: Context) -> str:
    """Need the client's model."""
    if ctx.client_capabilities is None or ctx.client_capabilities.sampling is None:
        needed = types.MissingRequiredClientCapabilityErrorData(
            required_capabilities=types.ClientCapabilities(sampling=types.SamplingCapability())
        )
        raise MCPError(types.MISSING_REQUIRED_CLIENT_CAPABILITY, "sampling is needed", needed.model_dump(by_alias=True))
    return "done"


@server.tool(structured_output=False)
async def test_trigger_tool_change(ctx: Context) -> str:
    """Change the tools."""
    await ctx.notify_tools_changed()
    return "done"


@server.tool(structured_output=False)
async def test_trigger_prompt_change(ctx: Context) -> str:
    """Change the prompts."""
    await ctx.notify_prompts_changed()
    return "done"


# -- resources and prompts


@server.resource("test://static-text", mime_type="text/plain", description="Text.")
def static_text() -> str:
    return "This is the content of the static text resource."


@server.resource("test://static-binary", mime_type="image/png", description="An image.")
def static_binary() -> bytes:
    return b"\x89PNG\r\n\x1a\n"


@server.resource("test://watched-resource", mime_type="text/plain", description="Watched.")
def watched() -> str:
    return "watched"


@server.resource("test://template/{id}/data", mime_type="application/json", description="By id.")
def template(id: str) -> str:
    return json.dumps({"id": id, "templateTest": True, "data": f"Data for ID: {id}"})


@server.prompt()
def test_simple_prompt() -> str:
    """Say one thing."""
    return "This is a simple prompt for testing."


@server.prompt()
def test_prompt_with_arguments(arg1: str, arg2: str) -> str:
    """Say what was given."""
    return f"Prompt with arguments: arg1='{arg1}', arg2='{arg2}'"


@server.prompt()
def test_prompt_with_embedded_resource(resourceUri: str) -> list[base.Message]:
    """Show a resource."""
    shown = embedded(resourceUri, "text/plain", "Embedded resource content for testing.")
    return [base.UserMessage(shown), base.UserMessage("Please process the embedded resource above.")]


@server.prompt()
def test_prompt_with_image() -> list[base.Message]:
    """Show an image."""
    shown = types.ImageContent(type="image", data=PNG, mime_type="image/png")
    return [base.UserMessage(shown), base.UserMessage("Please analyze the image above.")]


@server.prompt()
def test_input_required_result_prompt(ctx: Context) -> Any:
    """Ask for context first."""
    got = answers(ctx, "user_context")
    if not got:
        return more(user_context=form("What context should the prompt use?", context="string"))
    return f"In this context: {got[0].content}"


@server.completion()
async def complete(ref: Any, argument: Any, context: Any) -> types.Completion:
    return types.Completion(values=[], total=0, has_more=False)


async def nothing(ctx: Any, params: Any) -> types.EmptyResult:
    """What the older era may ask for, and gets no more than a yes."""
    return types.EmptyResult()


for method, params in (
    ("logging/setLevel", types.SetLevelRequestParams),
    ("resources/subscribe", types.SubscribeRequestParams),
    ("resources/unsubscribe", types.UnsubscribeRequestParams),
):
    server._lowlevel_server.add_request_handler(method, params, nothing)


class Kept(EventStore):
    """Events of the older era's streams, so that clients can resume."""

    def __init__(self) -> None:
        self._events: list[tuple[str, Any]] = []

    async def store_event(self, stream_id: str, message: Any) -> str:
        self._events.append((stream_id, message))
        return str(len(self._events))

    async def replay_events_after(self, last_event_id: str, send_callback: Any) -> str | None:
        at = int(last_event_id)
        stream = self._events[at - 1][0]
        for index, (other, message) in enumerate(self._events[at:], at + 1):
            if other == stream and message is not None:
                await send_callback(EventMessage(message, str(index)))
        return stream


def main() -> None:
    """Serve on a free port of loopback."""
    sock = socket.create_server(("127.0.0.1", 0))
    print(sock.getsockname()[1], flush=True)
    app = server.streamable_http_app(event_store=Kept())
    uvicorn.Server(uvicorn.Config(app, log_level="critical", ws="none")).run(sockets=[sock])


if __name__ == "__main__":
    main()
