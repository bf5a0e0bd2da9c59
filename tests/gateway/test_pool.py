"""Connections to HTTP servers: kept, re-used, given up, and never a call sent twice."""

from __future__ import annotations

import asyncio
import datetime
import ipaddress
import ssl
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec

from tests.gateway.conftest import SSE_HEAD, House, as_chunk, call, plain, raw, stream
from watchkeeper.gateway.pool import HttpUpstream
from watchkeeper.gateway.settings import GatewaySettings
from watchkeeper.gateway.upstream import Inbound, UpstreamFailed

OK = b'{"jsonrpc":"2.0","id":1,"result":{}}'
JSON = b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\n"


@pytest.mark.behaviour("gateway.upstream-kept-alive")
async def test_calls_one_after_the_other_share_a_connection(house: House) -> None:
    for answer in (
        plain(OK),
        stream(b"data: " + OK + b"\n\n"),
        plain(b"", status="202 Accepted", headers=""),
        plain(OK),
    ):
        house.server.answer = answer
        assert (await house.post(call())).status in (200, 202)
    assert house.server.connections == 1


async def test_calls_at_once_have_a_connection_each(house: House) -> None:
    both = asyncio.Event()

    async def wait(got, reader, writer) -> None:
        if len(house.server.got) == 2:
            both.set()
        await both.wait()
        await plain(OK)(got, reader, writer)

    house.server.answer = wait
    got = await asyncio.gather(house.post(call()), house.post(call()))
    assert [g.body for g in got] == [OK, OK]
    assert house.server.connections == 2


@pytest.mark.behaviour("gateway.answer-framings")
@pytest.mark.parametrize(
    ("answer", "body"),
    [
        (JSON + b"Content-Length: %d\r\n\r\n" % len(OK) + OK, OK),
        (JSON + b"Transfer-Encoding: chunked\r\n\r\n%x\r\n" % len(OK) + OK + b"\r\n0\r\nX-Trailer: t\r\n\r\n", OK),
        (b"HTTP/1.1 100 Continue\r\n\r\n" + JSON + b"Content-Length: %d\r\n\r\n" % len(OK) + OK, OK),
        (b"HTTP/1.1 103 Early Hints\r\nLink: x\r\n\r\n" * 2 + JSON + b"Content-Length: %d\r\n\r\n" % len(OK) + OK, OK),
        (b"HTTP/1.1 202 Accepted\r\nContent-Length: 0\r\n\r\n", b""),
        (b"HTTP/1.1 202 Accepted\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n", b""),
        (b"HTTP/1.1 204 No Content\r\n\r\n", b""),
    ],
)
async def test_each_framing_of_an_answer_is_read_and_the_connection_kept(
    house: House, answer: bytes, body: bytes
) -> None:
    house.server.answer = raw(answer)
    for _ in range(2):
        got = await house.post(call())
        assert got.body == body
        assert got.header("x-trailer") is got.header("link") is None
    assert house.server.connections == 1


async def test_an_answer_that_ends_with_its_connection_is_whole(house: House) -> None:
    house.server.answer = raw(JSON + b"\r\n" + OK, close=True)
    assert [(await house.post(call())).body for _ in range(2)] == [OK, OK]
    assert house.server.connections == 2


async def test_an_answer_cut_off_in_the_middle_is_a_502(house: House) -> None:
    house.server.answer = raw(JSON + b"Content-Length: 100\r\n\r\n" + OK, close=True)
    got = await house.post(call())
    assert got.status == 502
    assert "may have been carried out" in got.json["error"]["message"]


@pytest.mark.behaviour("gateway.bad-answers-refused")
@pytest.mark.parametrize(
    "answer",
    [
        b"rubbish\r\n\r\n",
        b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: x\r\nConnection: Upgrade\r\n\r\n",
        JSON + b"Content-Encoding: gzip\r\nContent-Length: 4\r\n\r\nxxxx",
        JSON + b"Content-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
        JSON + b"Content-Length: 5\r\nContent-Length: 6\r\n\r\nxxxxxx",
        JSON + b"X: " + b"y" * 70_000 + b"\r\n\r\n",
    ],
)
async def test_an_answer_that_is_not_plain_http_is_a_502(house: House, answer: bytes) -> None:
    house.server.answer = raw(answer)
    got = await house.post(call("ping"))
    assert (got.status, got.json["error"]["code"]) == (502, 50200)


async def test_an_answer_that_is_too_large_is_a_502(make_house) -> None:
    house = await make_house(max_answer_bytes=2048)
    house.server.answer = plain(b" " * 3000 + OK)
    assert (await house.post(call("ping"))).status == 502
    house.server.answer = stream(b"data: " + b"x" * 3000 + b"\n\n")
    assert b"too long" in (await house.post(call("ping"))).body


@pytest.mark.behaviour("gateway.redirects-refused")
async def test_a_redirect_around_the_gateway_is_refused(house: House) -> None:
    house.server.answer = plain(OK, headers='Content-Type: application/json\r\nAlt-Svc: h3="elsewhere:443"\r\n')
    assert (await house.post(call("ping"))).header("alt-svc") is None
    house.server.answer = plain(b"", status="307 Temporary Redirect", headers="Location: http://elsewhere.example/\r\n")
    got = await house.post(call("ping"))
    assert (got.status, got.header("location")) == (502, None)
    assert "set the final address" in got.json["error"]["message"]


class ClosesAfterOne:
    """Answers the first request of each connection and reads the second one before it closes without a word."""

    def __init__(self) -> None:
        self.served: set[int] = set()

    async def __call__(self, got, reader, writer) -> None:
        if id(writer) in self.served:
            writer.transport.abort()
            writer.close()
            return
        self.served.add(id(writer))
        await plain(OK)(got, reader, writer)


@pytest.mark.behaviour("gateway.calls-are-never-repeated")
async def test_a_call_on_a_connection_that_closes_is_not_sent_again(house: House) -> None:
    house.server.answer = ClosesAfterOne()
    assert (await house.post(call())).status == 200
    got = await house.post(call())
    assert got.status == 502
    assert "may have been carried out, and was not sent again" in got.json["error"]["message"]
    assert len(house.server.got) == 2


@pytest.mark.behaviour("gateway.reads-are-repeated-once")
async def test_a_read_on_a_connection_that_closes_is_sent_again_on_a_fresh_one(house: House) -> None:
    house.server.answer = ClosesAfterOne()
    assert (await house.post(call())).status == 200
    assert (await house.post(call("ping"))).body == OK
    assert len(house.server.got) == 3
    assert house.server.connections == 2


async def test_a_connection_the_server_closed_while_idle_is_not_used(house: House) -> None:
    async def close_after(got, reader, writer) -> None:
        await plain(OK)(got, reader, writer)
        await writer.drain()
        writer.close()

    house.server.answer = close_after
    for _ in range(5):
        got = await house.post(call("ping"))
        assert got.body == OK


async def test_bytes_nobody_asked_for_end_the_connection(house: House) -> None:
    async def chatty(got, reader, writer) -> None:
        await plain(OK)(got, reader, writer)
        await writer.drain()
        writer.write(JSON + b"Content-Length: 2\r\n\r\n{}")

    house.server.answer = chatty
    for _ in range(3):
        assert (await house.post(call("ping"))).body in (OK,)


async def test_configured_headers_replace_the_clients(house: House, make_house) -> None:
    upstream = HttpUpstream(
        f"http://127.0.0.1:{house.server.port}/a?b=c", GatewaySettings(), headers={"Authorization": "Bearer up"}
    )
    await upstream.send(Inbound("POST", [(b"authorization", b"x"), (b"X-A", b"1")], OK, None, "agent:a", "legacy"))
    await upstream.close()
    got = house.server.got[0]
    assert got.first == "POST /a?b=c HTTP/1.1"
    assert [v for k, v in got.headers if k.lower() == "authorization"] == ["Bearer up"]
    assert got.header("x-a") == "1"


async def test_an_idle_connection_is_let_go_before_the_server_does(make_house) -> None:
    house = await make_house(keepalive_seconds=0.2)
    await house.post(call())
    await asyncio.wait_for(house.server.closed.wait(), 10)


def self_signed(folder: Path) -> ssl.SSLContext:
    """A server's side of TLS for 127.0.0.1 whose certificate nobody vouches for."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "127.0.0.1")])
    now = datetime.datetime.now(datetime.UTC)
    certificate = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(1)
        .not_valid_before(now - datetime.timedelta(days=1))
        .not_valid_after(now + datetime.timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName([x509.IPAddress(ipaddress.ip_address("127.0.0.1"))]), False)
        .sign(key, hashes.SHA256())
    )
    pem = folder / "both.pem"
    pem.write_bytes(
        key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
        + certificate.public_bytes(serialization.Encoding.PEM)
    )
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(pem)
    return context


@pytest.mark.behaviour("gateway.upstream-tls-verified")
@pytest.mark.parametrize("is_trusted", [False, True])
async def test_a_server_over_tls_must_be_trusted(house: House, tmp_path: Path, is_trusted: bool) -> None:
    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(JSON + b"Content-Length: %d\r\n\r\n" % len(OK) + OK)
        await reader.read()
        writer.close()

    tls = await asyncio.start_server(serve, "127.0.0.1", 0, ssl=self_signed(tmp_path))
    port = tls.sockets[0].getsockname()[1]
    upstream = HttpUpstream(f"https://127.0.0.1:{port}/mcp", GatewaySettings())
    if is_trusted:
        assert upstream._tls is not None
        upstream._tls.load_verify_locations(tmp_path / "both.pem")
    inbound = Inbound("POST", [], OK, None, "agent:a", "legacy")
    try:
        if is_trusted:
            assert (await upstream.send(inbound)).body == OK
        else:
            with pytest.raises(UpstreamFailed, match="is not trusted"):
                await upstream.send(inbound)
    finally:
        await upstream.close()
        tls.close()


NOTE = b'{"jsonrpc":"2.0","method":"notifications/initialized"}'
HINTS = b"HTTP/1.1 103 Early Hints\r\nLink: x\r\n\r\n"
ACCEPTED = b"HTTP/1.1 202 Accepted\r\nContent-Length: 0\r\n\r\n"
STREAMED = SSE_HEAD + as_chunk(b"data: " + OK + b"\n\n")


@pytest.mark.behaviour("upstream.framing-traps")
@pytest.mark.parametrize(
    ("answer", "body", "status"),
    [
        (STREAMED + b"0\r\nX-Trailer: t\r\nX-Other: u\r\n\r\n", call(), 200),
        (HINTS + STREAMED + b"0\r\n\r\n", call(), 200),
        (HINTS + ACCEPTED, NOTE, 202),
        (ACCEPTED, NOTE, 202),
    ],
    ids=["trailers-behind-a-stream", "1xx-before-a-stream", "1xx-before-an-empty-202", "empty-202"],
)
async def test_a_kept_connection_stands_where_the_next_answer_begins(
    house: House, answer: bytes, body: bytes, status: int
) -> None:
    assert (await house.post(call())).body == OK  # leaves a connection: the next calls go out without waiting
    for _ in range(3):
        house.server.answer = raw(answer)
        got = await house.post(body)
        assert (got.status, got.header("x-trailer"), got.header("link")) == (status, None, None)
        house.server.answer = plain(OK)
        assert (await house.post(call())).body == OK
    assert house.server.connections == 1
