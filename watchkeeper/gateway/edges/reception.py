"""Between a door and its exchange: requests that are not yet, or never, an exchange's business.

A token whose issuer has to be asked is settled here, while the request waits; and what was answered at the door goes
back as it is. Every other request passes without a step.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Coroutine
from typing import Any

from watchkeeper.gateway.callers import Callers
from watchkeeper.gateway.edges import render
from watchkeeper.gateway.model import Refusal, Request, Unsettled
from watchkeeper.gateway.ports import Answered, Begin, UnderWay
from watchkeeper.gateway.upstream import Outbound


class Reception:
    """Begins one route's requests, those on a detour included."""

    def __init__(
        self,
        callers: Callers,
        begin: Begin,
        serve: Callable[[Request], Awaitable[Outbound]],
        refused: Callable[[Refusal], None],
    ) -> None:
        self._callers = callers
        self._begin = begin
        self._serve = serve
        self._refused = refused

    def begin(self, request: Request, answered: Answered) -> Outbound | Coroutine[Any, Any, Outbound] | UnderWay:
        """Begin to serve an admitted request; see `ports.Begin`."""
        detour = request.detour
        if detour is None:
            return self._begin(request, answered)
        return self._settle(request, detour) if isinstance(detour, Unsettled) else detour

    async def serve(self, request: Request) -> Outbound:
        """Serve a request that came in by another door: what this route asks of a caller is asked here."""
        refusal = self._callers.refusal_of(request.caller) if request.caller is not None else None
        if refusal is not None:
            self._refused(refusal)
            return render.refusal(refusal)
        return await self._serve(request)

    async def _settle(self, request: Request, unsettled: Unsettled) -> Outbound:
        seen = await self._callers.settle(unsettled)
        if isinstance(seen, Refusal):
            self._refused(seen)
            return render.refusal(seen)
        request.principal, request.caller, request.detour = seen.principal, seen, None
        return await self._serve(request)
