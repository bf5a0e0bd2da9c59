"""From bytes to the few fields that matter."""

from __future__ import annotations

import pytest

from watchkeeper.protocol.errors import BadMessage
from watchkeeper.protocol.message import VERSION_KEY, Message, parse_message


def test_a_call_has_its_name_and_its_arguments_raw() -> None:
    raw = b'{"jsonrpc":"2.0","id":"x","method":"tools/call","params":{"name":"n","arguments":{"a": 1.0 }}}'
    assert parse_message(raw) == Message(
        raw, "request", "tools/call", "x", b'{"name":"n","arguments":{"a": 1.0 }}', "n", b'{"a": 1.0 }'
    )


@pytest.mark.parametrize(
    ("raw", "kind", "id"),
    [
        (b'{"jsonrpc":"2.0","method":"notifications/x"}', "notification", None),
        (b'{"jsonrpc":"2.0","id":5,"result":{"any":[1]}}', "response", 5),
        (b'{"jsonrpc":"2.0","id":5,"error":{"code":1,"message":"m"}}', "error", 5),
        (b'{"jsonrpc":"2.0","id":null,"error":{"code":1,"message":"m"}}', "error", None),
        (b'{"jsonrpc":"2.0","id":0,"method":"ping","vendor":true}', "request", 0),
    ],
)
def test_kinds_are_told_apart(raw: bytes, kind: str, id: int | None) -> None:
    message = parse_message(raw)
    assert (message.kind, message.id, message.raw) == (kind, id, raw)


@pytest.mark.parametrize(
    ("method", "member"), [("prompts/get", "name"), ("resources/read", "uri"), ("tasks/get", "taskId")]
)
def test_what_a_request_is_about_is_its_name(method: str, member: str) -> None:
    raw = f'{{"jsonrpc":"2.0","id":1,"method":"{method}","params":{{"{member}":"it"}}}}'.encode()
    assert parse_message(raw).name == "it"


def test_a_modern_message_names_its_version_its_client_and_its_trace() -> None:
    meta = f'{{"{VERSION_KEY}":"2026-07-28","traceparent":"00-a","io.modelcontextprotocol/clientInfo":{{"name":"c"}}}}'
    message = parse_message(f'{{"jsonrpc":"2.0","id":1,"method":"ping","params":{{"_meta":{meta}}}}}'.encode())
    assert (message.version, message.client, message.trace) == ("2026-07-28", "c", "00-a")


@pytest.mark.behaviour("protocol.one-meaning")
@pytest.mark.parametrize(
    "result",
    [
        '{"content":[],"Content":[]}',
        '{"CONTENT":[]}',
        '{"\\u0063ontent":[],"isERROR":true}',
        '{"structuredContent":{},"\u017ftructuredContent":{}}',
    ],
)
def test_a_result_with_a_look_alike_of_a_reserved_member_is_refused(result: str) -> None:
    with pytest.raises(BadMessage):
        parse_message(f'{{"jsonrpc":"2.0","id":1,"result":{result}}}'.encode())


def test_arguments_may_have_any_names() -> None:
    parse_message(
        b'{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":"n","arguments":{"Name":1,"name":2,"METHOD":3}}}'
    )
