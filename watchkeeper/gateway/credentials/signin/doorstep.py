"""Where a person's browser comes back to: one page on this machine's loopback, for one sign-in.

1. It listens on 127.0.0.1 only, answers one path, and only under its own name (DNS rebinding).
2. `state` is ours and good once; an answer with another one changes nothing (a forged answer, a code of somebody else).
3. The page repeats nothing it was sent, may not be framed or stored, and sends no referrer with the code in it.
4. Heads are short and quick; nothing else is read.
"""

from __future__ import annotations

import asyncio
import hmac
from types import TracebackType
from typing import Self
from urllib.parse import parse_qsl, urlsplit

from watchkeeper.core.errors import Conflict

PATH = "/callback"
_MAX_HEAD = 16_384
_SECONDS = 10.0
_KNOWN = frozenset({"code", "state", "iss", "error", "error_description", "error_uri", "session_state", "scope"})
_HEAD = (
    "HTTP/1.1 {status}\r\nContent-Type: text/html; charset=utf-8\r\nContent-Length: {length}\r\n"
    "Content-Security-Policy: default-src 'none'; frame-ancestors 'none'\r\nX-Frame-Options: DENY\r\n"
    "Cache-Control: no-store\r\nReferrer-Policy: no-referrer\r\nX-Content-Type-Options: nosniff\r\n"
    "Connection: close\r\n\r\n"
)
_PAGE = "<!doctype html><meta charset=utf-8><title>Watchkeeper</title><p>{text}</p>"


class Doorstep:
    """Listens from entering the context to leaving it. Raises `Conflict` when the port is taken."""

    def __init__(self, port: int, state: str) -> None:
        self._state = state
        self._port = port
        self._server: asyncio.Server | None = None
        self._came: asyncio.Future[dict[str, str]] = asyncio.get_running_loop().create_future()

    @property
    def redirect_uri(self) -> str:
        """Exactly what is registered and sent."""
        return f"http://127.0.0.1:{self._port}{PATH}"

    async def answer(self) -> dict[str, str]:
        """The parameters of the one answer that carries our state."""
        return await self._came

    def take(self, query: str) -> bool:
        """Take an answer, however it came; whether it is the one that is waited for."""
        pairs = [pair for pair in parse_qsl(query, keep_blank_values=True) if pair[0] in _KNOWN]
        given = dict(pairs)
        is_ours = hmac.compare_digest(given.get("state", "").encode(), self._state.encode())
        if not is_ours or len(given) != len(pairs) or self._came.done():
            return False
        self._came.set_result(given)
        return True

    async def __aenter__(self) -> Self:
        try:
            self._server = await asyncio.start_server(self._serve, "127.0.0.1", self._port, limit=_MAX_HEAD)
        except OSError as error:
            raise Conflict(
                f"port {self._port} on this machine is taken", hint="free it, or set oauth.redirect_port"
            ) from error
        self._port = self._server.sockets[0].getsockname()[1]
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._server is not None:
            self._server.close()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            async with asyncio.timeout(_SECONDS):
                head = await reader.readuntil(b"\r\n\r\n")
                status, text = self._look(head.decode("latin-1"))
                body = _PAGE.format(text=text).encode()
                writer.write(_HEAD.format(status=status, length=len(body)).encode() + body)
                await writer.drain()
        except (OSError, TimeoutError, ValueError, asyncio.IncompleteReadError, asyncio.LimitOverrunError):
            pass  # whoever it was did not ask for this page
        finally:
            writer.close()

    def _look(self, head: str) -> tuple[str, str]:
        line, *rest = head.split("\r\n")
        verb, _, target = line.partition(" ")
        parts = urlsplit(target.rpartition(" ")[0])
        hosts = [value.strip() for name, _, value in (one.partition(":") for one in rest) if name.lower() == "host"]
        if verb != "GET" or parts.path != PATH or hosts != [f"127.0.0.1:{self._port}"]:
            return "404 Not Found", "There is nothing here."
        if not self.take(parts.query):
            return "400 Bad Request", "This is not the answer that Watchkeeper waits for. Begin again on its host."
        return "200 OK", "Watchkeeper has the answer. Close this window and look at the terminal."
