"""A legacy HTTP+SSE server as an upstream: to the gateway it looks like a Streamable HTTP server of the older era.

Each `initialize` opens an event stream of its own; its session id is minted here and bound to the principal. A modern
request is answered as an older server would, so that its client begins with `initialize` by itself.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import msgspec

from watchkeeper.gateway.http_sse.peer import SsePeer, Turned
from watchkeeper.gateway.pool import HttpUpstream
from watchkeeper.gateway.settings import GatewaySettings
from watchkeeper.gateway.stdio import answers
from watchkeeper.gateway.stdio.fleet import Fleet, Full, Member
from watchkeeper.gateway.stdio.model import Limits
from watchkeeper.gateway.stdio.older import OlderSessions, busy, only_older
from watchkeeper.gateway.upstream import Inbound, Outbound

STREAMS = 1024
"""Streams of one route open at once; one more is answered 503."""
STREAMS_PER_PRINCIPAL = 64


def limits_of(settings: GatewaySettings) -> Limits:
    """The bounds of a route, from the gateway's settings."""
    return Limits(
        children=STREAMS,
        children_per_principal=STREAMS_PER_PRINCIPAL,
        start_seconds=settings.answer_seconds,
        request_seconds=settings.answer_seconds,
        ceiling_seconds=settings.ceiling_seconds,
    )


class SseUpstream:
    """The streams of one route."""

    def __init__(
        self,
        url: str,
        settings: GatewaySettings,
        *,
        streams: HttpUpstream,
        posts_to: Callable[[str], HttpUpstream],
        limits: Limits | None = None,
    ) -> None:
        """`streams` reaches `url`, and `posts_to` makes what reaches an endpoint of the same origin."""
        self._url = url
        self._posts_to = posts_to
        self._limits = limits or limits_of(settings)
        self._streams = streams
        self._fleet = Fleet(self._limits, _nobody)
        self._older = OlderSessions(self._fleet, self._limits, self._peer_for, _renew)

    async def send(self, inbound: Inbound) -> Outbound:
        """Pass a message on; see `Upstream.send`. Raises `Unavailable`."""
        message = inbound.message
        if message is not None and message.raw != inbound.body:
            message = msgspec.structs.replace(message, raw=inbound.body)
        if inbound.era == "modern":
            return answers.method_not_allowed() if message is None else only_older(message)
        try:
            return await self._older.serve(inbound, message)
        except Full as error:
            return busy(error.reason, message)
        except Turned as error:
            return error.answer

    async def close(self) -> None:
        """Close every stream."""
        await self._fleet.close()
        await self._streams.close()

    def standing(self) -> dict[str, Any]:
        """See `Stands`."""
        return self._streams.standing() | {"streams": len(self._fleet)}

    def _peer_for(self, inbound: Inbound) -> SsePeer:
        return SsePeer(self._url, inbound, self._streams, self._posts_to, self._limits)


def _renew(member: Member, inbound: Inbound) -> None:
    peer = member.conversation.peer
    assert isinstance(peer, SsePeer)
    peer.renew(inbound.headers)


def _nobody(_: Member) -> None:
    """The exchange records a session's beginning and end; a stream is no process of ours."""
