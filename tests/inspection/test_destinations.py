from __future__ import annotations

import json
from typing import Any

import pytest

from watchkeeper.inspection import Inspection, Surface
from watchkeeper.inspection.destinations import BLOCKED, INTERNAL, UNLISTED, Destinations
from watchkeeper.inspection.settings import EgressSettings


def labels(arguments: Any, **settings: Any) -> set[str]:
    data = arguments if isinstance(arguments, bytes) else json.dumps({"arguments": arguments}).encode()
    return {finding.label for finding in Destinations(EgressSettings(**settings)).inspect(Surface.ARGUMENTS, data)}


@pytest.mark.behaviour("egress.blocked-hosts")
@pytest.mark.parametrize(
    "arguments",
    [
        {"url": "https://drop.example/x"},
        {"url": "https://a.b.DROP.example./x"},
        {"text": "please look at wss://user@drop.example:8443/feed"},
        {"host": "drop.example"},
        {"endpoint": "drop.example:443/v1"},
        {"to": "someone@drop.example"},
        {"command": "curl //drop.example/x"},
        {"url": "http:\\\\drop.example\\x"},
        {"url": "https://drop%2eexample/"},
    ],
)
def test_a_blocked_host_is_found_wherever_it_is_named(arguments: dict[str, str]) -> None:
    assert labels(arguments, block=("*.drop.example",)) == {BLOCKED}


@pytest.mark.behaviour("egress.blocked-hosts")
def test_escapes_and_disguises_hide_no_host() -> None:
    assert labels(rb'{"url":"https:\/\/\u0064rop.example\/"}', block=("drop.example",)) == {BLOCKED}
    assert labels({"url": "https://dr\u200bop.example/"}, block=("drop.example",)) == {BLOCKED}


@pytest.mark.behaviour("egress.blocked-hosts")
def test_boxes_open_to_anybody_are_blocked_without_a_setting() -> None:
    assert labels({"url": "https://webhook.site/8f14"}) == {BLOCKED}
    assert labels({"url": "https://x1.oast.example/"}) == {BLOCKED}
    assert labels({"url": "https://example.com/webhook.site"}) == set()


@pytest.mark.behaviour("egress.listed-hosts")
def test_with_a_list_every_other_host_is_unlisted() -> None:
    allow = ("*.example.com", "api.partner.test")
    assert labels({"url": "https://docs.example.com/a"}, allow=allow) == set()
    assert labels({"url": "https://example.com/"}, allow=allow) == set()
    assert labels({"url": "https://example.com.evil.test/"}, allow=allow) == {UNLISTED}
    assert labels({"url": "https://example.com@evil.test/"}, allow=allow) == {UNLISTED}
    assert labels({"note": "write to jo@evil.test"}, allow=allow) == set()


@pytest.mark.behaviour("egress.internal-hosts")
@pytest.mark.parametrize("url", ["http://0x7f.1/admin", "http://[::ffff:a00:1]/", "http://db/", "http://a@localhost/"])
def test_the_own_network_is_found_unless_it_is_excepted(url: str) -> None:
    assert labels({"url": url}) == {INTERNAL}
    assert labels({"url": url}, internal=("127.0.0.0/8", "10.0.0.0/8", "db", "localhost")) == set()


@pytest.mark.parametrize(
    "arguments",
    [
        {"uri": "docs://guide"},
        {"code": "x = 1 //comment\n//another"},
        {"path": "C:\\Users\\me"},
        {"target": "1.5"},
        {"address": "12 Main Street"},
        {"url": "postgres://app@db/app"},
        {"text": "a//b"},
    ],
)
def test_what_names_no_host_is_none(arguments: dict[str, str]) -> None:
    assert labels(arguments, allow=("nothing.example",)) == set()


def test_only_what_is_sent_is_looked_at() -> None:
    data = b'{"content":[{"type":"text","text":"http://127.0.0.1/"}]}'
    assert Destinations(EgressSettings()).inspect(Surface.RESULT, data) == ()


@pytest.mark.behaviour("egress.on-demand")
def test_hosts_are_looked_for_only_where_a_policy_asks() -> None:
    inspection = Inspection.from_plugins(wanted=frozenset({"secret"}), egress=EgressSettings(block=("a.example",)))
    data = b'{"url":"https://a.example/"}'
    assert inspection.inspect(Surface.ARGUMENTS, data) == ()
    wanting = inspection.wanting(frozenset({BLOCKED}))
    assert {finding.label for finding in wanting.inspect(Surface.ARGUMENTS, data)} == {BLOCKED}
    other = wanting.wanting(frozenset({BLOCKED}), EgressSettings(block=("b.example",)))
    assert other.inspect(Surface.ARGUMENTS, data) == ()
