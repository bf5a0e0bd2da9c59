"""What orders may name, and which versions a range covers."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from watchkeeper.core.errors import Invalid
from watchkeeper.gateway.containment import Order, OrderKind
from watchkeeper.gateway.measures.probing import probes_of
from watchkeeper.gateway.measures.releases import covers, parse_range, sample, version_in
from watchkeeper.gateway.measures.targets import checked, server_of

DIGEST = "sha256:" + "0f" * 32


@pytest.mark.parametrize(
    ("kind", "target", "wanted", "server"),
    [
        (OrderKind.BLOCK_SERVER, "notes", "notes", "notes"),
        (OrderKind.BLOCK_VERSION, "notes@>=1.0,<1.4", "notes@>=1.0,<1.4", "notes"),
        (OrderKind.BLOCK_TOOL_HASH, DIGEST, DIGEST, ""),
        (OrderKind.SET_READ_ONLY, "notes", "notes", "notes"),
        (OrderKind.TAINT_SOURCE, "notes/file:///a/b", "notes/file:///a/b", "notes"),
        (OrderKind.DENY_EGRESS, "Evil.Example", "evil.example", ""),
        (OrderKind.DENY_EGRESS, "10.0.0.0/8", "10.0.0.0/8", ""),
        (OrderKind.DENY_EGRESS, "Notes/10.0.0.0/8", "Notes/10.0.0.0/8", "Notes"),
        (OrderKind.DENY_EGRESS, "notes/*", "notes/*", "notes"),
        (OrderKind.DENY_EGRESS, "2001:db8::/32", "2001:db8::/32", ""),
    ],
)
def test_a_target_has_one_form(kind: OrderKind, target: str, wanted: str, server: str) -> None:
    assert checked(kind, target) == wanted
    assert server_of(kind, wanted) == server
    assert probes_of(Order("1", kind, wanted, "", "operator:ada", 1, 1), server="notes")


@pytest.mark.behaviour("orders.targets-are-checked")
@pytest.mark.parametrize(
    ("kind", "target"),
    [
        (OrderKind.BLOCK_SERVER, "no/tes"),
        (OrderKind.BLOCK_SERVER, "not es"),
        (OrderKind.BLOCK_VERSION, "notes"),
        (OrderKind.BLOCK_VERSION, "notes@"),
        (OrderKind.BLOCK_VERSION, "notes@*"),
        (OrderKind.BLOCK_VERSION, "notes@>2,<1"),
        (OrderKind.BLOCK_VERSION, "notes@>=latest"),
        (OrderKind.BLOCK_TOOL_HASH, DIGEST.upper()),
        (OrderKind.BLOCK_TOOL_HASH, "sha256:00"),
        (OrderKind.SET_READ_ONLY, ""),
        (OrderKind.TAINT_SOURCE, "notes/"),
        (OrderKind.TAINT_SOURCE, "notes/a\nb"),
        (OrderKind.DENY_EGRESS, "*"),
        (OrderKind.DENY_EGRESS, "*.*"),
        (OrderKind.DENY_EGRESS, "https://evil.example"),
        (OrderKind.DENY_EGRESS, "notes/"),
        (OrderKind.DENY_EGRESS, "evil example"),
    ],
)
def test_a_target_of_the_wrong_form_is_refused_with_the_right_one(kind: OrderKind, target: str) -> None:
    with pytest.raises(Invalid) as refused:
        checked(kind, target)
    assert refused.value.hint.startswith("write ")


@given(st.sampled_from(list(OrderKind)), st.text(max_size=80))
def test_any_text_is_a_target_or_refused(kind: OrderKind, target: str) -> None:
    try:
        kept = checked(kind, target)
    except Invalid:
        return
    assert checked(kind, kept) == kept
    assert probes_of(Order("1", kind, kept, "", "operator:ada", 1, 1))


@pytest.mark.parametrize(
    ("range_", "inside", "outside"),
    [
        ("1.2.3", ["1.2.3", "v1.2.3", "1.2.3+build7", ""], ["1.2.4", "1.2.3-rc.1", "1.2", "latest"]),
        ("1.2", ["1.2.0", "1.2"], ["1.2.1"]),
        ("<1.4", ["1.3.99", "1.4.0-alpha", "0.1", "nightly"], ["1.4", "1.4.0", "1.4.post1", "2"]),
        (">=1.0,<1.4", ["1.0", "1.3"], ["0.9", "1.4", "1.0rc1"]),
        (">1.0.0-alpha.1", ["1.0.0-alpha.2", "1.0.0-beta", "1.0.0"], ["1.0.0-alpha.1", "1.0.0-alpha"]),
        ("2025.4.7", ["2025.4.7"], ["2025.4.8"]),
        ("latest", ["latest"], ["1.0"]),
    ],
)
def test_a_range_covers_what_it_says_and_what_cannot_be_compared(
    range_: str, inside: list[str], outside: list[str]
) -> None:
    parsed = parse_range(range_)
    assert {version: covers(parsed, version) for version in inside} == dict.fromkeys(inside, True)
    assert {version: covers(parsed, version) for version in outside} == dict.fromkeys(outside, False)
    assert covers(parsed, sample(parsed, inside=True))
    assert not covers(parsed, sample(parsed, inside=False))


@pytest.mark.parametrize(
    ("method", "result", "version"),
    [
        ("initialize", b'{"serverInfo":{"name":"n","version":"1.2"}}', "1.2"),
        ("server/discover", b'{"_meta":{"io.modelcontextprotocol/serverInfo":{"name":"n","version":"3"}}}', "3"),
        ("tools/call", b'{"content":[],"_meta":{"io.modelcontextprotocol/serverInfo":{"version":"4"}}}', "4"),
        ("tools/call", b'{"serverInfo":{"version":"9"}}', ""),
        ("initialize", b'{"serverInfo":{"name":"n","version":7}}', ""),
        ("initialize", b"[]", ""),
        ("initialize", b"{", ""),
    ],
)
def test_a_version_is_read_where_the_protocol_says_it(method: str, result: bytes, version: str) -> None:
    assert version_in(method, result) == version
