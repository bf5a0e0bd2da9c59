"""A port of ours: listening, the clients connected to it, their deadlines, and closing it without losing an answer."""

from __future__ import annotations

import asyncio
import socket
import ssl
from collections.abc import Callable
from typing import Any

from watchkeeper.gateway.callers import Callers
from watchkeeper.gateway.edges.admission import Rules
from watchkeeper.gateway.edges.http import ClientConnection
from watchkeeper.gateway.edges.listening import BACKLOG, explain
from watchkeeper.gateway.heads import Heads
from watchkeeper.gateway.model import Refusal, Route
from watchkeeper.gateway.ports import Begin
from watchkeeper.gateway.settings import GatewaySettings, is_loopback

_LOOPBACK_NAMES = ("127.0.0.1", "localhost", "[::1]")


class Door:
    """Serves one route on one port."""

    def __init__(
        self,
        route: Route,
        callers: Callers,
        settings: GatewaySettings,
        begin: Begin,
        refused: Callable[[Refusal], None],
        *,
        tls: ssl.SSLContext | None = None,
    ) -> None:
        self.route = route
        self.settings = settings
        self.begin = begin
        self.refused = refused
        self.draining = False
        self.connections: set[ClientConnection] = set()
        self.port = route.port
        self._callers = callers
        self._arrivals = _Arrivals(self)
        self._tls = tls
        self._server: asyncio.Server | None = None
        self._sweeper: asyncio.Task[None] | None = None
        self._emptied: asyncio.Future[None] | None = None
        self.rules = self._make_rules()

    async def open(self, listening: socket.socket | None = None) -> None:
        """Accept clients, on a socket that listens already where one is given.

        Raises `Conflict` when the port is taken, `Misconfigured` when the address is not ours.
        """
        loop = asyncio.get_running_loop()
        where: dict[str, Any] = {"host": self.route.host, "port": self.route.port}
        if listening is not None:
            where = {"sock": listening}
        try:
            self._server = await loop.create_server(self._arrivals, **where, **self._secured(), backlog=BACKLOG)
        except OSError as error:
            raise explain(self.route.name, self.route.host, self.route.port, error) from error
        self.port = self._server.sockets[0].getsockname()[1]
        self._begin_anew()

    def become(self, other: Door) -> None:
        """Serve as `other` was made to; its port stays ours. Clients that are connected stay, and what is under way
        goes on as it began; the next request of each is served anew."""
        self.route, self.settings, self._callers = other.route, other.settings, other._callers
        self.begin, self.refused = other.begin, other.refused
        self._begin_anew()
        for connection in self.connections:
            connection.renew()

    def bequeath(self, other: Door) -> None:
        """Let `other` have the port, and everybody who comes from now on; who is connected here is ours still."""
        other._server, self._server = self._server, None
        other._arrivals = self._arrivals
        other._arrivals.door = other
        other.port = self.port
        other._begin_anew()

    def under_way(self) -> list[Callable[[], bool]]:
        """For each call that is being served now, whether it still is."""
        return [still for connection in self.connections if (still := connection.under_way()) is not None]

    def _begin_anew(self) -> None:
        self.rules = self._make_rules()
        if self._sweeper is not None:
            self._sweeper.cancel()
        self._sweeper = asyncio.get_running_loop().create_task(self._sweep())

    def _secured(self) -> dict[str, Any]:
        if self._tls is None:
            return {}
        seconds = self.settings.header_seconds
        return {"ssl": self._tls, "ssl_handshake_timeout": seconds, "ssl_shutdown_timeout": seconds}

    async def close(self, within: float) -> None:
        """Take nobody new, let calls under way finish within so many seconds, then cut what is left."""
        self.shut()
        for connection in list(self.connections):
            connection.drain()
        if self.connections:
            self._emptied = asyncio.get_running_loop().create_future()
            await asyncio.wait([self._emptied], timeout=within)
        tasks = [connection.task for connection in self.connections if connection.task is not None]
        for connection in list(self.connections):
            connection.abort()
        await asyncio.gather(*tasks, return_exceptions=True)
        if self._sweeper is not None:
            self._sweeper.cancel()

    def shut(self) -> None:
        """Take nobody new from now on."""
        self.draining = True
        if self._server is not None:
            self._server.close()

    def left(self, connection: ClientConnection) -> None:
        """A connection is over."""
        self.connections.discard(connection)
        if self._emptied is not None and not self.connections and not self._emptied.done():
            self._emptied.set_result(None)

    def _make_rules(self) -> Rules:
        names = [*self.settings.allowed_hosts]
        names += _LOOPBACK_NAMES if is_loopback(self.route.host) else (self.route.host,)
        hosts = {name.lower() for name in names} | {f"{name.lower()}:{self.port}" for name in names}
        origins = {origin.lower() for origin in self.settings.allowed_origins}
        origins |= {
            f"{scheme}://{host}" for scheme in ("http", "https") for host in hosts if host.endswith(f":{self.port}")
        }
        self._callers.answer_to(frozenset(hosts), self.port)
        return Rules(
            path=self.route.path.encode(),
            hosts=frozenset(host.encode() for host in hosts),
            origins=frozenset(origin.encode() for origin in origins),
            max_body=self.settings.max_body_bytes,
            callers=self._callers,
            metadata_paths=self._callers.metadata_paths,
            keeps_credential=self.route.keeps_credential,
            known=Heads(),
            hop=self.route.hop.encode(),
        )

    async def _sweep(self) -> None:
        s = self.settings
        pause = min(0.5, min(s.idle_seconds, s.header_seconds, s.body_seconds, s.write_seconds) / 4)
        loop = asyncio.get_running_loop()
        while True:
            await asyncio.sleep(pause)
            now = loop.time()
            for connection in list(self.connections):
                connection.check(now)


class _Arrivals:
    """Makes each new connection one of whichever door has the port then."""

    def __init__(self, door: Door) -> None:
        self.door = door

    def __call__(self) -> ClientConnection:
        return ClientConnection(self.door)
