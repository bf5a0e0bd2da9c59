"""Whom we believe as a client: the same servers with every Python."""

from __future__ import annotations

import ssl
from pathlib import Path

import pytest

from tests.gateway.certificates import Authority, Pair
from watchkeeper.core.tls import host_trust

SOURCE = Path(__file__).parents[2] / "watchkeeper"


def _shake_hands(server: Pair, trusted: Path) -> None:
    """A handshake in memory, by somebody who trusts what is in that file. Raises what the client raises."""
    context, serving = host_trust(), ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_verify_locations(cafile=trusted)
    serving.load_cert_chain(server.certificate, server.key)
    to_server, to_client = ssl.MemoryBIO(), ssl.MemoryBIO()
    client = context.wrap_bio(to_client, to_server, server_hostname="localhost")
    other = serving.wrap_bio(to_server, to_client, server_side=True)
    for one in (client, other, client):
        try:
            one.do_handshake()
        except ssl.SSLWantReadError:
            continue


@pytest.mark.behaviour("fetch.certificates-alike")
def test_a_certificate_that_does_not_name_its_issuers_key_is_not_trusted(tmp_path: Path) -> None:
    authority = Authority(tmp_path)
    _shake_hands(authority.issue("good", dns=["localhost"]), authority.path)
    with pytest.raises(ssl.SSLCertVerificationError, match="Authority Key Identifier"):
        _shake_hands(authority.issue("bad", dns=["localhost"], names_issuer=False), authority.path)


@pytest.mark.behaviour("fetch.certificates-alike")
def test_what_the_host_trusts_itself_needs_no_root_above_it(tmp_path: Path) -> None:
    server = Authority(tmp_path).issue("server", dns=["localhost"])
    _shake_hands(server, server.certificate)


@pytest.mark.behaviour("fetch.certificates-alike")
def test_nobody_else_decides_whom_this_host_trusts() -> None:
    makers = {
        str(path.relative_to(SOURCE))
        for path in SOURCE.rglob("*.py")
        if "create_default_context(" in path.read_text().replace("create_default_context(ssl.Purpose.CLIENT_AUTH)", "")
    }
    assert makers == {"core/tls.py"}
