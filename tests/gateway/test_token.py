"""Tokens that nobody issued: whatever the bytes, the answer is a refusal, and only the exact token is a caller."""

from __future__ import annotations

import asyncio
import string
from collections.abc import Iterator

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from tests.gateway.authorization_server import AuthorizationServer
from tests.gateway.test_oauth import encoded, issuers_of
from watchkeeper.gateway.caller import Caller
from watchkeeper.gateway.oauth.issuers import Issuers, IssuerSilent
from watchkeeper.gateway.oauth.token import BadToken, looks_like_jwt, read_unverified

HERE = frozenset({"https://here.test/mcp"})
ALPHABET = string.ascii_letters + string.digits + "-_"


class Known:
    """An issuer whose keys are known, and one good token of it."""

    def __init__(self, server: AuthorizationServer) -> None:
        self.server = server
        self.issuers = issuers_of(server, retry_seconds=1e9)
        self.token = server.mint(audience="https://here.test/mcp", scope="a b", tenant="acme").encode()
        asyncio.run(self.issuers.settle(self.token, HERE))


@pytest.fixture(scope="module")
def known() -> Iterator[Known]:
    with AuthorizationServer.running() as server:
        yield Known(server)


def judged(issuers: Issuers, token: bytes) -> Caller | None:
    """The caller; None for a refusal. Anything else that is raised fails the test."""
    if not looks_like_jwt(token):
        return None
    try:
        return issuers.judge(token, HERE)
    except (BadToken, IssuerSilent):
        return None


@pytest.mark.behaviour("oauth.form")
@given(st.binary(max_size=300))
@example(b"..")
@example(b"e30.e30.e30")
@example(b"bnVsbA.W10.MA")
def test_no_bytes_are_a_caller_by_chance(known: Known, data: bytes) -> None:
    assert judged(known.issuers, data) is None


@pytest.mark.behaviour("oauth.form")
@given(st.lists(st.text(ALPHABET, min_size=2, max_size=80), min_size=3, max_size=3))
def test_what_looks_like_a_token_is_read_or_refused(parts: list[str]) -> None:
    reason = ""
    try:
        read_unverified(".".join(parts).encode())
    except BadToken as error:
        reason = error.reason
    assert not any(part in reason for part in parts if len(part) > 12)


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=20),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3),
    max_leaves=6,
)
NAMES = st.sampled_from(["alg", "kid", "typ", "crit", "jwk", "iss", "aud", "exp", "nbf", "iat", "sub", "cnf", "scope"])


@pytest.mark.behaviour("oauth.form")
@given(st.dictionaries(NAMES, JSON), st.dictionaries(NAMES, JSON))
def test_members_of_every_kind_are_read_or_refused(
    known: Known, header: dict[str, object], claims: dict[str, object]
) -> None:
    head = {"alg": "ES256", "typ": "at+jwt", "kid": known.server.keys[-1].kid} | header
    body = {"iss": known.server.issuer} | claims
    assert judged(known.issuers, f"{encoded(head)}.{encoded(body)}.AAAA".encode()) is None


@pytest.mark.behaviour("oauth.bad-tokens-refused")
@given(st.dictionaries(NAMES, JSON))
def test_signed_claims_of_every_kind_are_read_or_refused(known: Known, claims: dict[str, object]) -> None:
    token = known.server.mint(
        audience="https://here.test/mcp", **{k: v for k, v in claims.items() if k not in ("kid",)}
    )
    caller = judged(known.issuers, token.encode())
    if caller is not None:
        assert claims.get("aud", "https://here.test/mcp") in ("https://here.test/mcp", ["https://here.test/mcp"])
        assert claims.get("iss", known.server.issuer) == known.server.issuer
        assert caller.principal.isascii()
        assert caller.principal.startswith("agent:corp/")


@pytest.mark.behaviour("oauth.signature-is-proof")
@given(st.data())
def test_a_token_with_one_character_changed_is_nobodys(known: Known, data: st.DataObject) -> None:
    assert isinstance(judged(known.issuers, known.token), Caller)
    place = data.draw(st.integers(0, len(known.token) - 1))
    other = data.draw(st.sampled_from([c for c in ALPHABET + ".=" if ord(c) != known.token[place]]))
    changed = known.token[:place] + other.encode() + known.token[place + 1 :]
    assert judged(known.issuers, changed) is None
