"""Checklist I1: a call's place in somebody's trace."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest

from tests.gateway.conftest import MODERN, House, call, mirrors, plain
from tests.gateway.duties.conftest import MakeGuarded
from watchkeeper.events.model import Event
from watchkeeper.events.otel import span_of
from watchkeeper.gateway.tracing import parse
from watchkeeper.protocol.message import VERSION_KEY

TRACE, SPAN = "0af7651916cd43dd8448eb211c80319c", "b7ad6b7169203331"
PARENT = f"00-{TRACE}-{SPAN}-01"
AROUND = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-00"
OK = b'{"jsonrpc":"2.0","id":1,"result":{"resultType":"complete"}}'


def body(**meta: Any) -> bytes:
    return call(_meta={VERSION_KEY: MODERN, **meta})


async def sent(house: House, message: bytes, *headers: tuple[str, str]) -> Event:
    house.server.answer = plain(OK)
    assert (await house.post(message, *mirrors(), *headers)).status == 200
    return house.events("gateway.request.decided")[-1]


@pytest.mark.behaviour("mcp.i1.trace-from-meta")
async def test_the_message_names_the_parent_and_http_is_linked(house: House) -> None:
    message = body(traceparent=PARENT, tracestate="v=1", baggage="k=v")
    event = await sent(house, message, ("traceparent", AROUND))
    assert (event.trace, event.body["http_trace"]) == (f"{TRACE}-{SPAN}", AROUND[3:-3])
    (got,) = house.server.got
    assert (got.body, got.header("traceparent")) == (message, AROUND)
    span = span_of(event)
    assert span is not None
    assert (span.trace_id, span.parent_span_id, span.links) == (TRACE, SPAN, (AROUND[3:-3],))


@pytest.mark.behaviour("mcp.i1.trace-from-meta")
async def test_without_a_parent_in_the_message_http_names_it(house: House) -> None:
    event = await sent(house, body(traceparent="nonsense"), ("traceparent", AROUND))
    assert (event.trace, event.body.get("http_trace")) == (AROUND[3:-3], None)
    assert (await sent(house, body())).trace == ""


@pytest.mark.behaviour("mcp.i1.trace-from-meta")
@pytest.mark.parametrize(
    "bad",
    [
        "",
        "00-" + "0" * 32 + f"-{SPAN}-01",
        f"00-{TRACE}-" + "0" * 16 + "-01",
        f"ff-{TRACE}-{SPAN}-01",
        f"00-{TRACE.upper()}-{SPAN}-01",
        f"00-{TRACE}-{SPAN}-01-more",
        f"00-{TRACE}-{SPAN}",
        f"00-{TRACE[1:]}-{SPAN}-011",
    ],
)
def test_what_is_no_trace_context_is_none(bad: str) -> None:
    assert parse(bad) is None
    assert parse(f"cc-{TRACE}-{SPAN}-01-what-comes-later") is not None


@pytest.mark.behaviour("mcp.i1.trace-handed-on")
async def test_a_route_that_hands_on_puts_its_own_span_into_the_message(make_guarded: MakeGuarded) -> None:
    house = await make_guarded(hands_on_trace=True)
    message = (
        b' {"jsonrpc":"2.0" ,"id":1,"method":"tools/call","params":'
        + body(traceparent=PARENT, x=1).split(b'"params":')[1]
    )
    house.server.answer = plain(OK)
    await house.post(message, *mirrors())
    event = house.events("gateway.request.decided")[-1]
    received = house.server.got[-1].body
    handed = msgspec.json.decode(received)["params"]["_meta"]["traceparent"]
    assert received == message.replace(PARENT.encode(), handed.encode())
    assert handed != PARENT
    assert (parse(handed).trace, event.trace, event.body["parent_span"]) == (TRACE, handed[3:-3], SPAN)  # type: ignore[union-attr]


@pytest.mark.behaviour("mcp.i1.trace-handed-on")
@pytest.mark.parametrize(
    ("params", "before"),
    [(b"{}", b'{"_meta":{"traceparent":"T"}}'), (b'{ "x":1}', b'{"_meta":{"traceparent":"T"}, "x":1}')],
)
async def test_a_message_without_meta_gets_one(make_guarded: MakeGuarded, params: bytes, before: bytes) -> None:
    house = await make_guarded(hands_on_trace=True)
    house.server.answer = plain(OK)
    await house.post(b'{"jsonrpc":"2.0","id":1,"method":"vendor/x","params":' + params + b"}")
    received = house.server.got[-1].body
    handed = msgspec.json.decode(received)["params"]["_meta"]["traceparent"]
    assert (
        received
        == b'{"jsonrpc":"2.0","id":1,"method":"vendor/x","params":'
        + before.replace(b'"T"', b'"' + handed.encode() + b'"')
        + b"}"
    )


@pytest.mark.behaviour("mcp.i1.trace-handed-on")
async def test_a_message_without_params_stays_as_it_is(make_guarded: MakeGuarded) -> None:
    house = await make_guarded(hands_on_trace=True)
    house.server.answer = plain(OK)
    await house.post(b'{"jsonrpc":"2.0","id":1,"method":"ping"}')
    assert house.server.got[-1].body == b'{"jsonrpc":"2.0","id":1,"method":"ping"}'
