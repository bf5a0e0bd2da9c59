"""A server of bytes on loopback, with and without TLS, and a resolver that says what a test wants."""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import AsyncIterator, Awaitable, Callable

import pytest

from tests.gateway.certificates import Authority

NAME = "idp.example"


@pytest.fixture(scope="session")
def authority(tmp_path_factory: pytest.TempPathFactory) -> Authority:
    return Authority(tmp_path_factory.mktemp("authority"))


@pytest.fixture(scope="session")
def tls(authority: Authority) -> ssl.SSLContext:
    """Of a server that is called `idp.example`."""
    pair = authority.issue("server", dns=[NAME])
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(pair.certificate, pair.key)
    return context


class Place:
    """Answers every connection with the bytes the test wrote; keeps what it was asked."""

    def __init__(self) -> None:
        self.asked: list[bytes] = []
        self.connections = 0
        self.answers: list[bytes] = []
        """One for each connection; the last one for all that follow."""
        self.stalls = False
        """Says nothing after its answer, and stays."""
        self.closed = asyncio.Event()

    async def start(self, tls: ssl.SSLContext | None = None) -> None:
        self._server = await asyncio.start_server(self._serve, "127.0.0.1", 0, ssl=tls)
        self.port = self._server.sockets[0].getsockname()[1]

    async def stop(self) -> None:
        self._server.close()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.connections += 1
        try:
            self.asked.append(await self._read(reader))
            writer.write(self.answers.pop(0) if len(self.answers) > 1 else self.answers[0])
            await writer.drain()
            if self.stalls:
                await reader.read()
        except (ConnectionError, asyncio.IncompleteReadError):
            pass
        finally:
            self.closed.set()
            writer.close()

    async def _read(self, reader: asyncio.StreamReader) -> bytes:
        head = await reader.readuntil(b"\r\n\r\n")
        length = next((int(x[15:]) for x in head.split(b"\r\n") if x.lower().startswith(b"content-length:")), 0)
        return head + await reader.readexactly(length)


def answer(body: bytes = b"{}", *, status: str = "200 OK", media: str = "application/json", more: str = "") -> bytes:
    return f"HTTP/1.1 {status}\r\nContent-Type: {media}\r\n{more}Content-Length: {len(body)}\r\n\r\n".encode() + body


def redirect(location: str) -> bytes:
    return answer(b"", status="302 Found", more=f"Location: {location}\r\n")


Open = Callable[..., Awaitable[Place]]


@pytest.fixture
async def open_place() -> AsyncIterator[Open]:
    places: list[Place] = []

    async def make(*answers: bytes, tls: ssl.SSLContext | None = None) -> Place:
        place = Place()
        place.answers = list(answers) or [answer()]
        await place.start(tls)
        places.append(place)
        return place

    yield make
    for place in places:
        await place.stop()


class Names:
    """A resolver: what it was asked, and one list of addresses after the other."""

    def __init__(self, *answers: list[str]) -> None:
        self.asked: list[str] = []
        self._answers = list(answers)

    async def __call__(self, host: str, port: int) -> list[str]:
        self.asked.append(host)
        return self._answers.pop(0) if len(self._answers) > 1 else self._answers[0]
