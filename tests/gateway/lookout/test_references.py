"""A held definition is not used by other names either, and every member of a definition counts."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest

from watchkeeper.core.clock import ManualClock
from watchkeeper.gateway.lookout.references import held_use
from watchkeeper.gateway.model import Route
from watchkeeper.gateway.pipeline import Guard
from watchkeeper.inspection.fingerprints import LISTS
from watchkeeper.policy.model import Effect
from watchkeeper.protocol.message import Message, parse_message
from watchkeeper.registry import Pins

FILES = Route(name="files")
AGENT = "agent:claude"
MEMBERS: dict[str, tuple[Any, Any]] = {
    "title": ("Notes", "Notes!"),
    "description": ("Tells.", "Tells all."),
    "icons": ([{"src": "https://a.test/i.png"}], [{"src": "https://b.test/i.png"}]),
    "_meta": ({"a": 1}, {"a": 2}),
    "annotations": ({"readOnlyHint": True}, {"readOnlyHint": False}),
    "execution": ({"taskSupport": "optional"}, {"taskSupport": "required"}),
    "inputSchema": ({"type": "object"}, {"type": "object", "required": ["a"]}),
    "outputSchema": ({"type": "object"}, {"type": "object", "required": ["a"]}),
    "arguments": ([{"name": "a"}], [{"name": "a", "required": True}]),
    "size": (1, 2),
    "vendor/unknown": (1.0, 1.00001),
}


def request(method: str, **params: Any) -> Message:
    return parse_message(msgspec.json.encode({"jsonrpc": "2.0", "id": 1, "method": method, "params": params}))


async def show(guard: Guard, method: str, *rows: dict[str, Any]) -> bytes:
    """The rows that are left of a listing."""
    body = {"jsonrpc": "2.0", "id": 1, "result": {LISTS[method][1]: rows, "cacheScope": "public"}}
    answer = parse_message(msgspec.json.encode(body))
    ruling = await guard.on_listing(FILES, AGENT, request(method), answer)
    return ruling.body or answer.raw


@pytest.mark.behaviour("pins.every-member-counts")
@pytest.mark.parametrize("member", MEMBERS)
@pytest.mark.parametrize("method", LISTS)
async def test_a_change_of_any_member_of_any_kind_takes_it_out_of_the_list(
    guard: Guard, method: str, member: str
) -> None:
    naming = LISTS[method][2]
    old, new = ({"name": "n", naming: "x:a", member: value} for value in MEMBERS[member])
    other = {"name": "m", naming: "x:b"}
    assert b'"x:a"' in await show(guard, method, old, other)
    left = await show(guard, method, new, other)
    assert b'"x:a"' not in left
    assert b'"x:b"' in left
    assert b'"cacheScope":"private"' in left


def effect(guard: Guard, method: str, **params: Any) -> Effect:
    return guard.on_request(FILES, AGENT, request(method, **params)).verdict.effect


@pytest.mark.behaviour("pins.held-by-reference")
async def test_a_held_template_is_read_by_none_of_its_addresses(guard: Guard, pins: Pins) -> None:
    await show(guard, "resources/templates/list", {"name": "n", "uriTemplate": "note://of/{day}"})
    await show(guard, "resources/list", {"name": "n", "uri": "note://of/monday"})
    pins.hold("files", "resource_template", "note://of/{day}", "looked at", "operator:ada")
    for method in ("resources/read", "resources/subscribe"):
        assert effect(guard, method, uri="note://of/friday") is Effect.DENY
        assert effect(guard, method, uri="note://other") is Effect.ALLOW
        assert effect(guard, method, uri="note://of/monday") is Effect.ALLOW, "it has a definition of its own"


@pytest.mark.behaviour("pins.held-by-reference")
async def test_nothing_is_completed_for_what_is_held(guard: Guard, pins: Pins) -> None:
    await show(guard, "prompts/list", {"name": "ask"}, {"name": "tell"})
    pins.hold("files", "prompt", "ask", "looked at", "operator:ada")
    for name, expected in (("ask", Effect.DENY), ("tell", Effect.ALLOW)):
        ref = {"type": "ref/prompt", "name": name}
        assert effect(guard, "completion/complete", ref=ref, argument={"name": "a", "value": ""}) is expected
    assert effect(guard, "completion/complete", argument={}) is Effect.ALLOW


def test_a_completion_for_a_held_template_is_for_it_alone() -> None:
    held = {("resource_template", "note://{day}")}
    for uri, kind in (("note://{day}", "resource_template"), ("note://x", "")):
        asked = request("completion/complete", ref={"type": "ref/resource", "uri": uri})
        assert held_use(held, asked, is_unknown=False) == kind
    assert held_use(held, request("completion/complete", ref={"type": 1, "uri": []}), is_unknown=False) == ""


def test_a_template_too_long_to_compare_stops_every_unknown_address() -> None:
    held = {("resource_template", "x://" + "{a}" * 1_000)}
    assert held_use(held, request("resources/read", uri="y://z"), is_unknown=True) == "resource_template"


@pytest.mark.behaviour("pins.labels-for-policies")
async def test_policies_are_asked_with_a_definitions_labels(guard: Guard, clock: ManualClock) -> None:
    asked = []
    decide = guard._decide

    def listen(question: Any, schema: bytes | None) -> Any:
        asked.append(question)
        return decide(question, schema)

    guard._decide = listen
    await show(guard, "tools/list", {"name": "read_file", "inputSchema": {"type": "object"}})
    clock.advance(1)
    body = msgspec.json.encode({"jsonrpc": "2.0", "id": 1, "result": {"tools": [{"name": "readFile"}]}})
    await guard.on_listing(Route(name="drive"), AGENT, request("tools/list"), parse_message(body))
    for server, name in (("files", "read_file"), ("drive", "readFile")):
        guard.on_request(Route(name=server), AGENT, request("tools/call", name=name, arguments={}))
    assert [question.labels for question in asked if question.action == "call_tool"] == [(), ("lookalike",)]
