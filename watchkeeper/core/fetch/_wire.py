"""One request to one address, and its whole answer, bounded. Knows nothing of policy.

The connection goes to the address that was checked; the name is used for `Host`, SNI and the certificate only. Nothing
is read from the environment, no proxy is asked, no connection is kept.
"""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import Sequence

import httptools

from watchkeeper.core.fetch.model import FetchFailed, FetchRefused
from watchkeeper.core.fetch.target import Target

_MAX_HEAD = 32_768
_READ = 16_384
_CHUNKED = 6
"""Bytes on the wire for one of a body, when each is a chunk of its own."""
_SINGLE = frozenset({"content-type", "content-length", "location", "transfer-encoding", "content-encoding"})
_OURS = frozenset({"host", "connection", "content-length", "accept-encoding", "transfer-encoding"})

Pairs = Sequence[tuple[str, str]]


class Answer:
    """What the parser makes of the bytes."""

    def __init__(self, target: Target, max_bytes: int) -> None:
        self.status = 0
        self.headers: dict[str, str] = {}
        self.body = bytearray()
        self.is_complete = False
        self._target = target
        self._max_bytes = max_bytes
        self._seen = 0
        self._is_framed = False
        self._parser = httptools.HttpResponseParser(self)

    def feed(self, data: bytes) -> None:
        """Bytes from the wire. Raises `FetchRefused`."""
        self._seen += len(data)
        if self._seen > (_MAX_HEAD if self.status == 0 else _MAX_HEAD + _CHUNKED * self._max_bytes):
            raise FetchRefused(f"{self._target.shown} sends too much")
        try:
            self._parser.feed_data(data)
        except (httptools.HttpParserError, httptools.HttpParserUpgrade) as error:
            if isinstance(error.__context__, FetchRefused):
                raise error.__context__ from None
            raise FetchRefused(f"{self._target.shown} does not speak HTTP/1.1 as we read it") from error

    def end(self) -> None:
        """The other side closed. Raises `FetchFailed` when that was too early."""
        if self.status < 200 or self._is_framed:
            raise FetchFailed(f"{self._target.shown} closed the connection before it had answered")
        self.is_complete = True

    # -- the parser's callbacks

    def on_message_begin(self) -> None:
        self.headers = {}
        self.status = 0

    def on_header(self, name: bytes, value: bytes) -> None:
        if self.status:
            return  # a trailer
        known = name.decode("latin-1").lower()
        if known in self.headers and known in _SINGLE:
            raise FetchRefused(f"{self._target.shown} sent a header twice that can only be there once")
        self.headers[known] = value.decode("latin-1").strip()

    def on_headers_complete(self) -> None:
        self.status = self._parser.get_status_code()
        self._is_framed = "content-length" in self.headers or "transfer-encoding" in self.headers
        if self.headers.get("content-encoding", "identity").lower() != "identity":
            raise FetchRefused(f"{self._target.shown} compressed its answer although it was asked not to")

    def on_body(self, data: bytes) -> None:
        self.body += data
        if len(self.body) > self._max_bytes:
            raise FetchRefused(f"{self._target.shown} sent more than {self._max_bytes} bytes")

    def on_message_complete(self) -> None:
        self.is_complete = self.status >= 200


async def exchange(
    target: Target, addresses: Sequence[str], tls: ssl.SSLContext | None, request: bytes, max_bytes: int
) -> Answer:
    """Write the request to the first address that accepts it. Raises `FetchFailed`, `FetchRefused`."""
    reader, writer = await _connect(target, addresses, tls)
    answer = Answer(target, max_bytes)
    try:
        writer.write(request)
        await writer.drain()
        while not answer.is_complete:
            data = await reader.read(_READ)
            if data:
                answer.feed(data)
            else:
                answer.end()
    except (OSError, ssl.SSLError) as error:
        raise FetchFailed(f"{target.shown} broke off") from error
    finally:
        writer.transport.abort()
    return answer


async def _connect(
    target: Target, addresses: Sequence[str], tls: ssl.SSLContext | None
) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
    failure: OSError | None = None
    for address in addresses:
        try:
            return await asyncio.open_connection(
                address, target.port, ssl=tls, server_hostname=target.host if tls else None
            )
        except ssl.SSLCertVerificationError as error:
            raise FetchFailed(
                f"the certificate of {target.shown} is not trusted: {error.verify_message}",
                hint="if its authority is yours, name it in fetch.ca_file",
            ) from error
        except OSError as error:
            failure = error
    raise FetchFailed(f"{target.shown} cannot be reached") from failure


def render(target: Target, verb: str, headers: Pairs, body: bytes) -> bytes:
    """The request as bytes. Raises `FetchRefused` for a header that would break out of its line."""
    lines = [f"{verb} {target.path} HTTP/1.1", f"Host: {target.authority}"]
    lines += ["Connection: close", "Accept-Encoding: identity", "User-Agent: watchkeeper"]
    for name, value in headers:
        if name.lower() in _OURS or not (name + value).isascii() or not (name + value).isprintable() or ":" in name:
            raise FetchRefused("a request's header is not acceptable")
        lines.append(f"{name}: {value}")
    if verb != "GET":
        lines.append(f"Content-Length: {len(body)}")
    return "\r\n".join(lines).encode() + b"\r\n\r\n" + body
