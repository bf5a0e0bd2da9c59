"""A stdio server behind a route: sessions, streams, ids, eras, as MCP's Streamable HTTP transport wants them."""

from __future__ import annotations

import asyncio
import json
import re
from typing import Any

import pytest

from watchkeeper.gateway.upstream import Outbound, UpstreamFailed, UpstreamSilent

PATIENCE = 20.0


def body_of(said: Outbound) -> Any:
    return json.loads(said.body)


def data_of(event: bytes) -> Any:
    match = re.fullmatch(rb"(?:id: \d+-\d+\n)?event: message\ndata: ([^\n]+)\n\n", event)
    assert match is not None
    return json.loads(match[1])


async def all_of(said: Outbound) -> list[Any]:
    assert dict(said.headers)[b"content-type"] == b"text/event-stream"
    assert said.events is not None
    async with asyncio.timeout(PATIENCE):
        return [data_of(event) async for event in said.events]


async def next_of(said: Outbound) -> Any:
    assert said.events is not None
    async with asyncio.timeout(PATIENCE):
        return data_of(await anext(said.events))


async def seen_by(driver: Any, session: str, count: int) -> list[Any]:
    """What the server was sent, once it was sent so many messages beside this question."""
    async with asyncio.timeout(PATIENCE):
        while True:
            seen = [json.loads(line) for line in body_of(await driver.call(session, "seen"))["result"]["seen"]]
            seen = [message for message in seen if message["method"] != "seen"]
            if len(seen) >= count:
                return seen


# -- the older era


@pytest.mark.behaviour("stdio.session-bound-to-principal")
async def test_a_session_belongs_to_the_principal_that_opened_it(route: Any) -> None:
    driver = route("stdio_scripted.py")
    session = await driver.initialize()
    assert len(session) >= 22
    assert session.isascii()
    assert session.isprintable()
    assert (await driver.call(session, "seen", who="agent:b")).status == 404
    assert (await driver.bare("GET", session=session, who="agent:b")).status == 404
    assert (await driver.bare("DELETE", session=session, who="agent:b")).status == 404
    assert (await driver.call(session, "seen")).status == 200


async def test_each_session_has_a_server_of_its_own(route: Any) -> None:
    driver = route("stdio_scripted.py")
    sessions = [await driver.initialize(), await driver.initialize()]
    pids = {body_of(await driver.call(s, "environment"))["result"]["pid"] for s in sessions}
    assert len(pids) == 2


@pytest.mark.behaviour("stdio.session-ends")
async def test_after_delete_a_session_is_unknown_and_its_server_gone(route: Any, events: Any) -> None:
    driver = route("stdio_scripted.py")
    session = await driver.initialize()
    assert (await driver.bare("DELETE", session=session)).status == 204
    assert (await driver.call(session, "seen")).status == 404
    assert [event.kind for event in events] == ["gateway.upstream.spawned", "gateway.upstream.exited"]
    assert events[-1].body["returncode"] == 0


async def test_requests_outside_a_session_are_told_to_begin(route: Any) -> None:
    driver = route("stdio_scripted.py")
    assert (await driver.call("", "tools/list")).status == 400
    assert (await driver.bare("GET")).status == 405
    assert (await driver.bare("DELETE")).status == 405
    assert (await driver.call("no-such-session", "tools/list")).status == 404


@pytest.mark.behaviour("stdio.bytes-kept")
async def test_a_server_gets_the_bytes_of_the_client_but_for_the_id(route: Any) -> None:
    driver = route("stdio_scripted.py")
    session = await driver.initialize()
    raw = b'{ "method":"echo","jsonrpc" :"2.0","params":{"x":1.50,"y":"\\u00e9","id":"q"},\n\t"id":"q","extra":[ ] }'
    answer = body_of(await driver.post(raw, session=session))
    assert answer["id"] == "q"
    assert answer["result"]["line"] == raw.decode().replace('"id":"q","extra"', '"id":2,"extra"').replace("\n", " ")


async def test_concurrent_requests_with_one_id_each_get_their_own_answer(route: Any) -> None:
    driver = route("stdio_scripted.py")
    session = await driver.initialize()
    said = await asyncio.gather(*(driver.call(session, "echo", {"n": n}, id=9) for n in range(20)))
    assert [json.loads(body_of(one)["result"]["line"])["params"]["n"] for one in said] == list(range(20))
    assert {body_of(one)["id"] for one in said} == {9}


@pytest.mark.behaviour("stdio.progress-opens-stream")
async def test_progress_makes_the_answer_a_stream_with_the_clients_token(route: Any) -> None:
    driver = route("stdio_scripted.py")
    session = await driver.initialize()
    said = await driver.call(session, "progress", {"_meta": {"progressToken": "mine"}}, id="p")
    first, second, last = await all_of(said)
    assert [first["params"], second["params"]] == [
        {"progressToken": "mine", "progress": 1},
        {"progressToken": "mine", "progress": 2},
    ]
    assert last["id"] == "p"
    assert last["result"]["token"] != "mine"


async def test_a_client_that_takes_no_stream_gets_the_answer_alone(route: Any) -> None:
    driver = route("stdio_scripted.py")
    session = await driver.initialize()
    params = {"_meta": {"progressToken": 1}}
    said = await driver.call(session, "progress", params, accept=(b"accept", b"application/json"))
    assert body_of(said)["id"] == 1


@pytest.mark.behaviour("stdio.server-requests")
async def test_a_server_can_ask_the_client_while_it_works(route: Any) -> None:
    driver = route("stdio_scripted.py")
    session = await driver.initialize()
    said = await driver.call(session, "ask")
    question = await next_of(said)
    assert (question["id"], question["method"]) == ("q1", "elicitation/create")
    reply = {"jsonrpc": "2.0", "id": "q1", "result": {"action": "accept"}}
    assert (await driver.post(reply, session=session)).status == 202
    [answer] = await all_of(said)
    assert json.loads(answer["result"]["reply"]) == reply


async def test_a_reply_nobody_asked_for_does_not_reach_the_server(route: Any) -> None:
    driver = route("stdio_scripted.py")
    session = await driver.initialize()
    said = await driver.post({"jsonrpc": "2.0", "id": "q1", "result": {}}, session=session)
    assert said.status == 400
    assert [message["method"] for message in await seen_by(driver, session, 1)] == ["initialize"]


async def test_what_belongs_to_no_request_goes_to_the_standing_stream(route: Any) -> None:
    driver = route("stdio_scripted.py")
    session = await driver.initialize()
    assert (await driver.call(session, "announce")).body  # before anybody listens: kept
    standing = await driver.bare("GET", session=session)
    assert (await next_of(standing))["method"] == "notifications/tools/list_changed"
    assert (await driver.call(session, "announce")).body
    assert (await next_of(standing))["method"] == "notifications/tools/list_changed"
    newer = await driver.bare("GET", session=session)
    assert await all_of(standing) == []
    assert (await driver.call(session, "announce")).body
    assert (await next_of(newer))["method"] == "notifications/tools/list_changed"
    await driver.bare("DELETE", session=session)
    assert await all_of(newer) == []


async def test_log_text_during_a_single_request_goes_with_its_answer(route: Any) -> None:
    driver = route("stdio_scripted.py")
    session = await driver.initialize()
    log, answer = await all_of(await driver.call(session, "log"))
    assert (log["method"], answer["id"]) == ("notifications/message", 1)


@pytest.mark.behaviour("stdio.legacy-disconnect-no-cancel")
async def test_a_lost_client_does_not_cancel_a_legacy_request(route: Any) -> None:
    driver = route("stdio_scripted.py")
    session = await driver.initialize()
    lost = asyncio.create_task(driver.call(session, "hang", id=5))
    await seen_by(driver, session, 2)
    lost.cancel()
    await asyncio.wait([lost])
    note = {"jsonrpc": "2.0", "method": "notifications/roots/list_changed"}
    assert (await driver.post(note, session=session)).status == 202
    methods = [message["method"] for message in await seen_by(driver, session, 3)]
    assert methods == ["initialize", "hang", "notifications/roots/list_changed"]


@pytest.mark.behaviour("stdio.cancel-renumbered")
async def test_a_cancellation_names_the_request_as_the_server_knows_it(route: Any) -> None:
    driver = route("stdio_scripted.py")
    session = await driver.initialize()
    hanging = asyncio.create_task(driver.call(session, "hang", id="h"))
    sent = (await seen_by(driver, session, 2))[1]
    params = {"requestId": "h", "reason": "changed my mind"}
    note = {"jsonrpc": "2.0", "method": "notifications/cancelled", "params": params}
    assert (await driver.post(note, session=session)).status == 202
    received = (await seen_by(driver, session, 3))[2]
    assert received["params"] == {"requestId": sent["id"], "reason": "changed my mind"}
    assert sent["id"] != "h"
    assert body_of(await asyncio.wait_for(hanging, PATIENCE))["error"]["message"] == "cancelled by the client"


async def test_a_cancellation_of_nothing_is_accepted_and_goes_no_further(route: Any) -> None:
    driver = route("stdio_scripted.py")
    session = await driver.initialize()
    for request_id in (1, "1", True, None):
        note = {"jsonrpc": "2.0", "method": "notifications/cancelled", "params": {"requestId": request_id}}
        assert (await driver.post(note, session=session)).status == 202
    assert len(await seen_by(driver, session, 1)) == 1


@pytest.mark.behaviour("stdio.silent-server-times-out")
async def test_a_server_that_does_not_answer_is_cancelled_in_time(route: Any) -> None:
    driver = route("stdio_scripted.py", request_seconds=1.5)
    session = await driver.initialize()
    with pytest.raises(UpstreamSilent):
        await driver.call(session, "hang")
    *_, hung, cancelled = await seen_by(driver, session, 3)
    assert cancelled["params"]["requestId"] == hung["id"]


@pytest.mark.behaviour("stdio.server-death-told")
async def test_when_a_server_dies_open_requests_are_told_and_later_ones_find_no_session(
    route: Any, events: Any
) -> None:
    driver = route("stdio_scripted.py")
    session = await driver.initialize()
    standing = await driver.bare("GET", session=session)
    hanging = asyncio.create_task(driver.call(session, "hang"))
    await seen_by(driver, session, 2)
    with pytest.raises(UpstreamFailed, match="exit code 3"):
        await driver.call(session, "die")
    with pytest.raises(UpstreamFailed, match="exit code 3"):
        await hanging
    assert await all_of(standing) == []
    assert (await driver.call(session, "seen")).status == 404
    await driver.upstream.close()
    [event] = events.of("gateway.upstream.exited")
    assert (event.outcome, event.body["reason"]) == ("failure", "the server ended with exit code 3")


async def test_a_server_that_dies_in_mid_stream_ends_it_with_an_error(route: Any) -> None:
    driver = route("stdio_scripted.py")
    session = await driver.initialize()
    said = await driver.call(session, "ask", id=77)
    await next_of(said)
    await driver.bare("DELETE", session=session)
    [last] = await all_of(said)
    assert (last["id"], "error" in last) == (77, True)


@pytest.mark.behaviour("stdio.server-limit")
async def test_more_sessions_than_allowed_are_refused_until_one_ends(route: Any) -> None:
    driver = route("stdio_scripted.py", children=2, children_per_principal=1)
    session = await driver.initialize()
    initialize = {"jsonrpc": "2.0", "id": 3, "method": "initialize", "params": {}}
    assert (await driver.post(initialize)).status == 503
    await driver.initialize(who="agent:b")
    refused = await driver.post(initialize, who="agent:c")
    assert (refused.status, body_of(refused)["id"]) == (503, 3)
    assert (b"retry-after", b"5") in refused.headers
    await driver.bare("DELETE", session=session)
    await driver.initialize(who="agent:c")


async def test_a_session_nobody_uses_ends(route: Any, events: Any) -> None:
    driver = route("stdio_scripted.py", idle_seconds=0.2)
    session = await driver.initialize()
    async with asyncio.timeout(PATIENCE):
        while not events.of("gateway.upstream.exited"):
            await asyncio.sleep(0)
    assert (await driver.call(session, "seen")).status == 404
    assert events.of("gateway.upstream.exited")[0].body["reason"] == "nobody used it"


@pytest.mark.behaviour("stdio.launches-recorded")
async def test_a_launch_is_recorded_without_the_values_of_variables(route: Any, events: Any) -> None:
    driver = route("stdio_scripted.py", "--key=hunter2hunter2", env={"TOKEN": "hunter2hunter2"})
    await driver.initialize()
    [event] = events.of("gateway.upstream.spawned")
    assert (event.actor, event.server, event.era) == ("agent:a", "fixture", "legacy")
    assert event.body["command"][-1] == "--key=[secret]"
    assert event.body["variables"] == ["TOKEN"]
    assert "hunter2" not in repr(list(events))


@pytest.mark.behaviour("stdio.log-text-apart")
async def test_standard_error_becomes_log_text_without_control_characters_or_secrets(
    route: Any, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level("INFO", logger="watchkeeper.upstream")
    driver = route("stdio_scripted.py", env={"TOKEN": "hunter2hunter2"})
    session = await driver.initialize()
    assert body_of(await driver.call(session, "stderr"))["result"] == {}
    async with asyncio.timeout(PATIENCE):
        while not caplog.messages:
            await asyncio.sleep(0)
    assert caplog.messages == ["a line for the log\\x1b[31m [secret]"]


# -- the modern era


@pytest.mark.behaviour("stdio.modern-child-per-principal")
async def test_one_principal_shares_a_server_and_two_never_do(route: Any) -> None:
    driver = route("stdio_modern.py")
    mine = await asyncio.gather(*(driver.modern("echo", id=1) for _ in range(5)))
    theirs = await driver.modern("echo", id=1, who="agent:b")
    results = [body_of(one)["result"] for one in mine]
    assert len({result["pid"] for result in results}) == 1
    assert len({result["number"] for result in results}) == 5
    assert body_of(theirs)["result"]["pid"] != results[0]["pid"]
    assert all(body_of(one)["id"] == 1 for one in mine)


@pytest.mark.parametrize(("method", "status"), [("echo", 200), ("nonsense", 404), ("missing_parameter", 400)])
async def test_modern_errors_are_said_in_http_too(route: Any, method: str, status: int) -> None:
    assert (await route("stdio_modern.py").modern(method)).status == status


@pytest.mark.behaviour("stdio.modern-disconnect-cancels")
async def test_a_modern_client_that_goes_away_cancels_its_request(route: Any) -> None:
    driver = route("stdio_modern.py")
    await driver.modern("echo")
    lost = asyncio.create_task(driver.modern("hang", id="h"))
    await _modern_seen(driver, "hang")
    lost.cancel()
    await asyncio.wait([lost])
    hung, cancelled = await _modern_seen(driver, "hang", "notifications/cancelled")
    assert cancelled["params"]["requestId"] == hung["id"]


@pytest.mark.behaviour("stdio.subscription-ids")
async def test_a_subscription_carries_the_id_of_its_listen_request_and_ends_when_the_client_leaves(route: Any) -> None:
    driver = route("stdio_modern.py")
    said = await driver.modern("subscriptions/listen", id="my-listen")
    for method in ("notifications/subscriptions/acknowledged", "notifications/tools/list_changed"):
        event = await next_of(said)
        assert event["method"] == method
        assert event["params"]["_meta"] == {"io.modelcontextprotocol/subscriptionId": "my-listen"}
    assert said.cancel is not None
    said.cancel()
    said.cancel()
    listen, cancelled = await _modern_seen(driver, "subscriptions/listen", "notifications/cancelled")
    assert cancelled["params"]["requestId"] == listen["id"]


async def test_a_subscription_that_the_server_ends_has_its_id_in_the_last_message(route: Any) -> None:
    said = await route("stdio_modern.py").modern("subscriptions/listen", id="l", params={"brief": True})
    last = (await all_of(said))[-1]
    assert (last["id"], last["result"]["_meta"]) == ("l", {"io.modelcontextprotocol/subscriptionId": "l"})


async def test_listening_without_taking_events_is_not_acceptable(route: Any) -> None:
    said = await route("stdio_modern.py").modern("subscriptions/listen", accept=(b"accept", b"application/json"))
    assert said.status == 406


async def test_a_modern_server_that_sends_requests_is_told_no(route: Any) -> None:
    said = body_of(await route("stdio_modern.py").modern("request_me"))
    assert (said["result"]["reply"]["id"], said["result"]["reply"]["error"]["code"]) == ("mine", -32601)


async def test_log_text_reaches_only_a_request_that_asked_for_it(route: Any) -> None:
    driver = route("stdio_modern.py")
    assert (await driver.modern("log")).body
    params = {"_meta": {"io.modelcontextprotocol/logLevel": "info"}}
    log, _ = await all_of(await driver.modern("log", params=params))
    assert log["method"] == "notifications/message"


@pytest.mark.behaviour("stdio.older-server-refuses-modern")
async def test_a_modern_request_to_an_older_server_names_the_older_versions(route: Any, events: Any) -> None:
    driver = route("stdio_scripted.py")
    for _ in range(2):
        said = await driver.modern("tools/list", id="t")
        assert (said.status, body_of(said)["id"]) == (400, "t")
        error = body_of(said)["error"]
        assert error["code"] == -32022
        assert error["data"]["requested"] == "2026-07-28"
        assert "2025-11-25" in error["data"]["supported"]
        assert "2026-07-28" not in error["data"]["supported"]
    assert len(events.of("gateway.upstream.spawned")) == 1
    await driver.initialize()


@pytest.mark.behaviour("stdio.modern-server-refuses-initialize")
async def test_initialize_at_a_modern_server_gets_that_servers_answer_and_no_session(route: Any) -> None:
    driver = route("stdio_modern.py")
    params = {"protocolVersion": "2025-11-25"}
    said = await driver.post({"jsonrpc": "2.0", "id": 1, "method": "initialize", "params": params})
    assert body_of(said)["error"]["data"]["supported"] == ["2026-07-28"]
    assert b"mcp-session-id" not in dict(said.headers)


async def test_the_modern_era_has_no_get_no_delete_and_takes_no_responses(route: Any) -> None:
    driver = route("stdio_modern.py")
    for verb in ("GET", "DELETE"):
        said = await driver.bare(verb, era="modern")
        assert (said.status, said.headers) == (405, [(b"allow", b"POST")])
    assert (await driver.post({"jsonrpc": "2.0", "id": 1, "result": {}}, era="modern")).status == 400


async def _modern_seen(driver: Any, *methods: str) -> list[Any]:
    """The first message of each of these methods, once the server has them all."""
    async with asyncio.timeout(PATIENCE):
        while True:
            lines = body_of(await driver.modern("seen"))["result"]["seen"]
            by_method = {message["method"]: message for message in map(json.loads, reversed(lines))}
            if all(method in by_method for method in methods):
                return [by_method[method] for method in methods]
