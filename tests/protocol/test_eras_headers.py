"""Which era a request is of, and whether its headers say what its body says."""

from __future__ import annotations

import pytest

from watchkeeper.protocol.eras import WrongVersion, era_of
from watchkeeper.protocol.errors import BadMessage
from watchkeeper.protocol.headers import check_parameters, decode_mirror, nominated
from watchkeeper.protocol.message import Message

MODERN = Message(b"", "request", "ping", 1, version="2026-07-28")
PLAIN = Message(b"", "request", "ping", 1)


@pytest.mark.behaviour("protocol.era-per-request")
@pytest.mark.parametrize(
    ("header", "message", "era"),
    [
        ("2026-07-28", MODERN, "modern"),
        ("2026-07-28", Message(b"", "notification", "n"), "modern"),
        ("2026-07-28", None, "modern"),
        ("", PLAIN, "legacy"),
        ("", None, "legacy"),
        ("2025-11-25", PLAIN, "legacy"),
        ("2024-11-05", Message(b"", "response", id=1), "legacy"),
    ],
)
def test_the_era_follows_from_the_request_alone(header: str, message: Message | None, era: str) -> None:
    assert era_of(header, message) == era


@pytest.mark.parametrize(
    ("header", "message", "code"),
    [
        ("", MODERN, -32020),
        ("2025-11-25", MODERN, -32020),
        ("2026-07-28", PLAIN, -32602),
        ("2027-01-01", Message(b"", "request", "ping", 1, version="2027-01-01"), -32022),
        ("draft", PLAIN, -32022),
        ("2026-07-28", Message(b"", "response", id=1), -32600),
    ],
)
def test_contradictions_and_unknown_versions_are_refused(header: str, message: Message, code: int) -> None:
    with pytest.raises(BadMessage) as caught:
        era_of(header, message)
    assert caught.value.rpc_code == code


def test_an_unknown_version_is_named() -> None:
    with pytest.raises(WrongVersion) as caught:
        era_of("draft", None)
    assert caught.value.requested == "draft"


@pytest.mark.behaviour("protocol.mirrors-decoded-canonically")
@pytest.mark.parametrize(
    ("value", "text"),
    [
        (b"plain", "plain"),
        (b"=?base64?w6Q=?=", "ä"),
        (b"=?base64?w6R=?=", None),
        (b"=?base64?w6Q?=", None),
        (b"=?base64?w 6Q=?=", None),
        (b"=?base64?/w==?=", None),
        (b"\xe4", None),
        (b"", ""),
    ],
)
def test_a_mirrored_header_has_one_meaning_or_none(value: bytes, text: str | None) -> None:
    assert decode_mirror(value) == text


@pytest.mark.parametrize(
    ("argument", "header", "agrees"),
    [
        ("true", b"true", True),
        ("true", b"1", False),
        ("42", b"42.00", True),
        ("42.0", b"42", True),
        ("9007199254740993", b"9007199254740992", False),
        ("1.5", b"1.5", True),
        ("1.5", b"1.50", False),
        ("42", b"4.2e1", False),
        ("null", b"null", False),
        ('"EU"', b"eu", False),
        ("42", b"-42", False),
        ("42", "٤٢".encode(), False),
    ],
)
def test_parameters_are_compared_by_type(argument: str, header: bytes, agrees: bool) -> None:
    message = Message(b"", "request", "tools/call", 1, arguments=f'{{"p":{argument}}}'.encode())
    schema = b'{"properties":{"p":{"x-mcp-header":"P"}}}'
    if agrees:
        check_parameters({b"mcp-param-p": header}, message, schema)
    else:
        with pytest.raises(BadMessage):
            check_parameters({b"mcp-param-p": header}, message, schema)


def test_connection_nominates_headers() -> None:
    assert nominated(b"keep-alive, X-A , close,,Mcp-Name") == [b"x-a", b"mcp-name"]
