"""What stands between a door and its exchange where a gateway has several workers."""

from __future__ import annotations

import socket
from collections.abc import Callable, Coroutine, Mapping
from pathlib import Path
from typing import Any, NamedTuple

from watchkeeper.gateway import replies
from watchkeeper.gateway.model import Refusal, Request, Route
from watchkeeper.gateway.ports import Answered, Begin, UnderWay
from watchkeeper.gateway.relay.landing import Landing, Serve
from watchkeeper.gateway.relay.ownership import home_of, tag_answer, untagged, with_session
from watchkeeper.gateway.relay.peer import Lost, Peer
from watchkeeper.gateway.upstream import Farewell, Outbound
from watchkeeper.protocol import errors
from watchkeeper.protocol.eras import MODERN
from watchkeeper.protocol.errors import BadMessage
from watchkeeper.protocol.message import Message, parse_message

Refused = Callable[[Refusal], None]


class Between(NamedTuple):
    """One route, between a door and its exchange."""

    begin: Begin
    """For the door."""
    serve: Serve
    """For whoever reaches the route from inside: an endpoint of which it is a member."""
    here: Serve
    """For the other workers."""


class Relay:
    """Leads each request of this worker to the worker that it belongs to, this one included."""

    def __init__(self, number: int, paths: Mapping[int, Path], listening: socket.socket, secret: bytes) -> None:
        """`paths` are the workers' sockets, `listening` is this worker's own."""
        self.number = number
        self.count = len(paths)
        self._listening = listening
        self._peers = {other: Peer(other, path, secret) for other, path in paths.items() if other != number}
        self._here: dict[str, Serve] = {}
        self._landing = Landing(self._here, secret)

    async def open(self) -> None:
        await self._landing.open(self._listening)

    async def close(self, within: float) -> None:
        """Let what others asked for finish within so many seconds, then cut everything."""
        await self._landing.close(within)
        for peer in self._peers.values():
            peer.close()

    def between(self, route: Route, begin: Begin, serve: Serve, refused: Refused) -> Between:
        """What a door asks instead of `begin`; `refused` remembers a request whose owner was lost.

        The other workers reach the route by `here`, once `serve` was told of it.
        """
        home = home_of(route.name, self.count) if route.is_started else 0

        async def here(request: Request) -> Outbound:
            out = await serve(request)
            out.headers = tag_answer(out.headers, self.number)
            return out

        async def there(peer: Peer, request: Request) -> Outbound:
            request.passed_on = True
            try:
                return await peer.pass_on(route.name, request)
            except Lost as error:
                refused(Refusal(502, errors.UPSTREAM_FAILED, error.reason, (), request.principal))
                return replies.failed(_message(request), error)

        def anywhere(request: Request) -> Coroutine[Any, Any, Outbound]:
            peer = self._peers.get(self._owner(request, home))
            return here(request) if peer is None else there(peer, request)

        def begun(request: Request, answered: Answered) -> Outbound | Coroutine[Any, Any, Outbound] | UnderWay:
            if request.version in MODERN and home in (0, self.number):
                return begin(request, answered)
            return anywhere(request)

        return Between(begun, anywhere, here)

    def serve(self, routes: Mapping[str, Between]) -> None:
        """What the other workers reach from now on."""
        self._here.clear()
        self._here.update({name: between.here for name, between in routes.items()})

    def under_way(self, route: str) -> list[Callable[[], bool]]:
        """For each call of this route that is being served now for another worker, whether it still is."""
        return self._landing.under_way(route)

    def serving(self) -> list[tuple[str, Request, Callable[[Farewell], object]]]:
        """Requests that this worker answers for others: route, request, and what ends it."""
        return self._landing.serving()

    def starts(self, route: str) -> bool:
        """Whether servers of this route that are started are started here."""
        return home_of(route, self.count) == self.number

    def _owner(self, request: Request, home: int) -> int:
        """Whose a request is; the worker's name is taken out of its session's id."""
        if request.version in MODERN:
            return home or self.number
        named, session = untagged(request.session)
        if named:
            request.session, request.headers = session, with_session(request.headers, session)
        return named or home or self.number


def _message(request: Request) -> Message | None:
    """For the id in an answer that the owner did not give."""
    try:
        return parse_message(request.body) if request.body else None
    except BadMessage:
        return None
