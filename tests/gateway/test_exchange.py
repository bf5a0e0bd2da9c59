"""One request's life: judged, carried, recorded."""

from __future__ import annotations

import asyncio

import msgspec
import pytest

from tests.gateway.conftest import MODERN, House, call, mirrors, plain, post, read_message, stream
from watchkeeper.gateway.capture.keeping import bounded
from watchkeeper.inspection import redact
from watchkeeper.protocol.message import VERSION_KEY

RESULT = b'{"jsonrpc":"2.0","id":1,"result":{"content":[{"type":"text","text":"hi"}],"vendor":{"x":1.50}}}'
BOB = b"Bearer token-of-bob"


@pytest.mark.behaviour("gateway.exact-bytes")
async def test_a_call_and_its_answer_pass_byte_for_byte(house: House) -> None:
    body = b' {"jsonrpc": "2.0", "vendor": [1.50, 1e3], "id": "a\\u00e9",\n "method": "x/y", "params": {"z" : null}} '
    answer = b'\n{"result": {"big": 12345678901234567890, "f": 1.10},  "id":"a\\u00e9", "jsonrpc":"2.0"}'
    house.server.answer = plain(answer)
    got = await house.post(body)
    assert (got.status, got.body) == (200, answer)
    assert house.server.got[0].body == body


@pytest.mark.behaviour("gateway.denied-call-is-a-tool-error")
async def test_a_denied_call_is_answered_with_a_tool_error_the_model_can_read(house: House) -> None:
    house.guard.denied_methods = {"tools/call"}
    got = await house.post(call(id="k", modern=True), *mirrors())
    assert (got.status, got.json["id"]) == (200, "k")
    result = got.json["result"]
    assert (result["isError"], result["resultType"]) == (True, "complete")
    assert result["content"] == [
        {"type": "text", "text": "The test says no. Rules: test.rule. Correlation: c-1."},
    ]
    assert house.server.got == []
    (event,) = house.events()
    assert (event.kind, event.outcome, event.target, event.actor) == (
        "gateway.request.decided", "deny", "echo", "agent:alice"
    )  # fmt: skip
    assert (event.body["rules"], event.body["correlation"], event.era) == (["test.rule"], "c-1", "modern")


@pytest.mark.behaviour("gateway.denied-request-is-an-error")
async def test_any_other_denied_request_is_a_json_rpc_error_outside_the_reserved_codes(house: House) -> None:
    house.guard.denied_methods = {"resources/read"}
    got = await house.post(call("resources/read", uri="file:///x"))
    assert (got.status, got.json["id"]) == (200, 1)
    assert not -32768 <= got.json["error"]["code"] <= -32000
    assert got.json["error"]["data"] == {"rules": ["test.rule"], "correlation": "c-1"}


@pytest.mark.behaviour("gateway.denied-notification-is-a-status")
async def test_a_denied_notification_gets_a_status_and_no_response(house: House) -> None:
    house.guard.denied_methods = {"notifications/x"}
    got = await house.post(b'{"jsonrpc":"2.0","method":"notifications/x"}')
    assert got.status == 403
    assert got.json["id"] is None
    assert house.server.got == []


@pytest.mark.behaviour("gateway.denials-are-durable")
async def test_a_denial_is_on_disk_before_the_client_hears_of_it(house: House) -> None:
    house.guard.denied_methods = {"tools/call"}
    before = house.journal.durable_index
    await house.post(call())
    assert house.journal.durable_index > before


async def test_a_denied_answer_is_replaced_and_keeps_the_servers_headers(house: House) -> None:
    house.guard.denied_words = {b'"hi"'}
    house.server.answer = plain(RESULT, headers="Content-Type: application/json\r\nX-Vendor: v\r\nETag: e\r\n")
    got = await house.post(call())
    assert got.json["result"]["isError"] is True
    assert b"hi" not in got.body
    assert (got.header("x-vendor"), got.header("etag")) == ("v", None)
    (event,) = house.events()
    assert (event.outcome, event.body["answer"]) == (
        "allow",
        {"outcome": "deny", "rules": ["test.rule"], "reason": "The test says no.", "asked": None},
    )


async def test_a_list_the_guard_has_thinned_out_is_what_the_client_gets(house: House) -> None:
    thinned = b'{"jsonrpc":"2.0","id":1,"result":{"tools":[]}}'
    house.guard.replaced = {"tools/list": thinned}
    house.server.answer = plain(b'{"jsonrpc":"2.0","id":1,"result":{"tools":[{"name":"bad"}]}}')
    assert (await house.post(call("tools/list"))).body == thinned


@pytest.mark.behaviour("gateway.unreadable-answer-withheld")
@pytest.mark.parametrize(
    "body",
    [
        b"<html>",
        b'{"jsonrpc":"2.0","id":2,"result":{}}',
        b'{"jsonrpc":"2.0","id":"1","result":{}}',
        b'{"jsonrpc":"2.0","id":1,"result":{},"result":{"x":1}}',
        b'{"jsonrpc":"2.0","id":1,"method":"sampling/createMessage"}',
        b'[{"jsonrpc":"2.0","id":1,"result":{}}]',
    ],
)
async def test_an_answer_that_cannot_be_read_in_one_way_is_withheld(house: House, body: bytes) -> None:
    house.server.answer = plain(body)
    got = await house.post(call())
    assert (got.status, got.json["id"], got.json["error"]["code"]) == (502, 1, 50200)


@pytest.mark.behaviour("gateway.upstream-errors-pass")
@pytest.mark.parametrize(
    ("status", "body"),
    [
        ("400 Bad Request", b'{"jsonrpc":"2.0","id":null,"error":{"code":-32022,"message":"no","data":{"x":1.0}}}'),
        ("404 Not Found", b"<html>not here</html>"),
        ("405 Method Not Allowed", b"Method Not Allowed"),
        ("401 Unauthorized", b""),
        ("500 Internal Server Error", b"oops"),
    ],
)
async def test_an_error_page_of_the_server_passes_unchanged(house: House, status: str, body: bytes) -> None:
    house.server.answer = plain(body, status=status, headers="Content-Type: text/html\r\nAllow: POST\r\n")
    got = await house.post(call("initialize"))
    assert (f"HTTP/1.1 {status}", body) == (got.first, got.body)
    assert (got.header("allow"), got.header("content-type")) == ("POST", "text/html")


async def test_even_an_error_page_is_judged(house: House) -> None:
    house.guard.denied_words = {b"poison"}
    house.server.answer = plain(b"poison", status="404 Not Found")
    got = await house.post(call())
    assert b"poison" not in got.body


@pytest.mark.behaviour("gateway.two-eras-one-port")
async def test_both_eras_are_served_on_one_port_request_by_request(house: House) -> None:
    async with house.connect() as (reader, writer):
        del reader
        writer.write(post(call(), port=house.port))
        await house.server.arrived.wait()
    await house.post(call(modern=True), *mirrors())
    await house.post(call("initialize", protocolVersion="2025-11-25", clientInfo={"name": "tester"}))
    await house.post(call("tools/list", modern=True), *mirrors("tools/list", None))
    events = {(e.body["method"], e.era, e.claimed) for e in house.events()}
    assert events == {
        ("tools/call", "legacy", ""),
        ("tools/call", "modern", ""),
        ("initialize", "legacy", "tester"),
        ("tools/list", "modern", ""),
    }


async def test_mirrored_headers_are_decoded_before_they_are_compared(house: House) -> None:
    body = call("resources/read", modern=True, uri="file:///ä")
    headers = mirrors("resources/read", "=?base64?ZmlsZTovLy/DpA==?=")
    assert (await house.post(body, *headers, ("Mcp-Param-Unknown", "=?x?="))).status == 200
    assert house.server.got[0].header("mcp-param-unknown") == "=?x?="


INITIALIZED = b'{"jsonrpc":"2.0","id":1,"result":{"protocolVersion":"2025-11-25"}}'


async def initialize(house: House, session: str = "s-1") -> None:
    house.server.answer = plain(INITIALIZED, headers=f"Content-Type: application/json\r\nMcp-Session-Id: {session}\r\n")
    got = await house.post(call("initialize"))
    assert got.header("mcp-session-id") == session


@pytest.mark.behaviour("gateway.session-bound-to-principal")
async def test_a_session_belongs_to_the_principal_that_began_it(house: House) -> None:
    await initialize(house)
    house.server.answer = plain(RESULT)
    session = ("Mcp-Session-Id", "s-1")
    assert (await house.post(call(), session)).status == 200
    assert house.server.got[-1].header("mcp-session-id") == "s-1"
    count = len(house.server.got)
    assert (await house.post(call(), session, token=BOB)).status == 404
    assert (await house.post(call(), ("Mcp-Session-Id", "guessed"))).status == 404
    for verb in ("GET", "DELETE"):
        got = await house.send(post(b"", session, port=house.port, token=BOB, verb=verb))
        assert (got.status, got.json["error"]["code"]) == (404, 40401)
    assert len(house.server.got) == count
    assert [e.actor for e in house.events("gateway.session")] == ["agent:alice"]


@pytest.mark.behaviour("gateway.foreign-session-told-apart")
async def test_an_id_of_anothers_session_is_told_apart_in_the_record_and_not_in_the_answer(house: House) -> None:
    await initialize(house)
    answers = []
    for session in ("s-1", "guessed"):
        pair = ("Mcp-Session-Id", session)
        answers.append((await house.post(call(), pair, token=BOB)).json["error"])
        answers.append((await house.send(post(b"", pair, port=house.port, token=BOB, verb="GET"))).json["error"])
    assert all(answer == answers[0] for answer in answers)
    assert [(event.actor, event.body["reason"]) for event in house.events("gateway.request.refused")] == [
        *2 * [("agent:bob", "the session is another client's")],
        *2 * [("agent:bob", "no such session is open here")],
    ]


@pytest.mark.behaviour("conversation.session-digest")
async def test_events_of_a_session_have_its_digest_and_never_the_session(house: House) -> None:
    for session in ("s-secret-1", "s-secret-2"):
        await initialize(house, session)
        for _ in range(2):
            await house.post(call(), ("Mcp-Session-Id", session))
    calls = [event.body.get("session") for event in house.events() if event.body["method"] == "tools/call"]
    assert len(calls) == 4
    assert calls[0] == calls[1] != calls[2] == calls[3]
    assert all(isinstance(digest, str) and len(digest) == 20 for digest in calls)
    opened = [event.body.get("session") for event in house.events("gateway.session.opened")]
    assert opened == [calls[0], calls[2]]
    assert "s-secret" not in "".join(str(event.body) for event in house.events(""))


@pytest.mark.behaviour("gateway.session-ends")
async def test_a_session_ends_with_delete_or_when_the_server_forgets_it(house: House) -> None:
    session = ("Mcp-Session-Id", "s-1")
    await initialize(house)
    house.server.answer = plain(b"", status="200 OK", headers="")
    assert (await house.send(post(b"", session, port=house.port, verb="DELETE"))).status == 200
    assert house.server.got[-1].first == "DELETE /mcp HTTP/1.1"
    assert (await house.post(call(), session)).status == 404
    await initialize(house)
    house.server.answer = plain(b"", status="404 Not Found", headers="")
    assert (await house.post(call(), session)).status == 404
    count = len(house.server.got)
    assert (await house.post(call(), session)).status == 404
    assert len(house.server.got) == count


@pytest.mark.behaviour("gateway.sessions-bounded")
async def test_sessions_are_forgotten_oldest_first(make_house) -> None:
    house = await make_house(max_sessions=2)
    for name in ("s-1", "s-2", "s-3"):
        await initialize(house, name)
    house.server.answer = plain(RESULT)
    statuses = [(await house.post(call(), ("Mcp-Session-Id", s))).status for s in ("s-1", "s-2", "s-3")]
    assert statuses == [404, 200, 200]


async def test_a_modern_request_has_no_session_to_ride_on(house: House) -> None:
    await initialize(house)
    house.server.answer = plain(RESULT)
    assert (await house.post(call(modern=True), *mirrors(), ("Mcp-Session-Id", "s-1"), token=BOB)).status == 200
    assert house.server.got[-1].header("mcp-session-id") is None


@pytest.mark.behaviour("gateway.unknown-tool-is-listed-first")
@pytest.mark.parametrize("is_stream", [False, True])
async def test_a_call_to_an_unlisted_tool_makes_the_gateway_list_first(house: House, is_stream: bool) -> None:
    house.guard.unlisted = {"echo"}

    async def serve(got, reader, writer) -> None:
        if got.json["method"] == "tools/call":
            await plain(RESULT)(got, reader, writer)
            return
        cursor = got.json["params"].get("cursor")
        result = {"tools": [{"name": "echo"}]} if cursor else {"tools": [], "nextCursor": "two"}
        body = msgspec.json.encode({"jsonrpc": "2.0", "id": got.json["id"], "result": result})
        answer = stream(b": hello\n\n", b"data: " + body + b"\n\n") if is_stream else plain(body)
        await answer(got, reader, writer)

    house.server.answer = serve
    got = await house.post(call(modern=True, name="echo"), *mirrors(), ("Mcp-Param-X", "1"))
    assert got.body == RESULT
    assert [g.json["method"] for g in house.server.got] == ["tools/list", "tools/list", "tools/call"]
    first = house.server.got[0]
    assert (first.header("mcp-method"), first.header("mcp-name"), first.header("mcp-param-x")) == (
        "tools/list", None, None
    )  # fmt: skip
    assert first.json["params"]["_meta"][VERSION_KEY] == MODERN
    assert first.json["id"].startswith("wk-")
    assert len(house.guard.listings) == 2


async def test_when_listing_first_fails_policy_decides_alone(house: House) -> None:
    house.guard.unlisted = {"echo"}

    async def serve(got, reader, writer) -> None:
        is_call = got.json["method"] == "tools/call"
        await (plain(RESULT) if is_call else plain(b"no", status="500 No"))(got, reader, writer)

    house.server.answer = serve
    assert (await house.post(call())).body == RESULT


@pytest.mark.behaviour("gateway.one-event-an-exchange")
async def test_each_exchange_is_one_event_with_what_passed(house: House) -> None:
    house.server.answer = plain(RESULT)
    parent = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"
    meta = {VERSION_KEY: MODERN, "traceparent": parent, "io.modelcontextprotocol/clientInfo": {"name": "cli"}}
    body = call(_meta=meta, arguments={"a": "b"})
    await house.post(body, *mirrors())
    (event,) = house.events()
    assert event.body.pop("duration_us") > 0
    assert event.body == {
        "method": "tools/call",
        "id": 1,
        "rules": [],
        "reason": "",
        "policy": "",
        "correlation": "",
        "status": 200,
        "bytes_in": len(body),
        "bytes_out": len(RESULT),
        "route": "srv",
        "version": MODERN,
        "arguments": event.body["arguments"],
        "asked": None,
        "answer": {"outcome": "allow", "rules": [], "reason": "", "asked": None},
        "result": '{"content":[{"type":"text","text":"hi"}],"vendor":{"x":1.50}}',
    }
    assert '"arguments":{"a":"b"}' in event.body["arguments"]
    assert (event.server, event.target, event.claimed) == ("srv", "echo", "cli")
    assert event.trace == "0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331"


@pytest.mark.behaviour("gateway.strict-waits")
async def test_on_a_strict_route_an_answer_waits_for_its_event(make_house) -> None:
    house = await make_house(durability="strict")
    for answer in (plain(RESULT), stream(b"data: " + RESULT + b"\n\n")):
        house.server.answer = answer
        before = house.journal.durable_index
        assert (await house.post(call())).status == 200
        assert house.journal.durable_index > before


async def test_refusals_beyond_a_rate_are_counted_not_recorded(house: House) -> None:
    async with house.connect() as (reader, writer):
        writer.write(post(b"x", port=house.port, token=None) * 200)
        data = b""
        while data.count(b"HTTP/1.1 401") < 200:
            data += await asyncio.wait_for(reader.read(65536), 10)
    events = house.events("gateway.request.refused")
    assert len(events) + sum(e.body.get("passed_over", 0) for e in events) <= 200
    assert len(events) < 150


@pytest.mark.behaviour("gateway.failures-refuse-and-are-recorded")
async def test_an_unknown_failure_of_the_guard_is_a_recorded_refusal(house: House) -> None:
    house.guard.on_request = None  # type: ignore[assignment]
    got = await house.post(call())
    assert (got.status, got.json["error"]["code"]) == (500, 50000)
    assert house.server.got == []
    (event,) = house.events("gateway.request.refused")
    assert (event.actor, event.body["status"]) == ("agent:alice", 500)


@pytest.mark.parametrize("text", ["x", "é" * 300, "x" * 3000, "é" * 3000, "x" * 511 + "é" * 9])
async def test_what_is_kept_of_clean_text_is_what_redaction_would_keep(house: House, text: str) -> None:
    body = msgspec.json.encode({"jsonrpc": "2.0", "id": 1, "result": {"t": text}})
    house.server.answer = plain(body)
    await house.post(call())
    (event,) = house.events()
    assert event.body["result"] == bounded(redact(b'{"t":"' + text.encode() + b'"}', (), 512), 512)


@pytest.mark.behaviour("gateway.failure-while-judging")
async def test_a_failure_of_ours_while_an_answer_is_judged_is_a_refusal_and_not_silence(house: House) -> None:
    assert (await house.post(call())).status == 200

    def fail(*_: object) -> None:
        raise RuntimeError("a fault of ours")

    async with house.connect() as (reader, writer):
        writer.write(post(call(), port=house.port))
        assert (await read_message(reader, is_answer=True)).status == 200
        house.guard.on_answer = fail  # type: ignore[method-assign, assignment]
        writer.write(post(call(), port=house.port))
        got = await read_message(reader, is_answer=True)
    assert (got.status, got.json["error"]["code"]) == (500, 50000)
