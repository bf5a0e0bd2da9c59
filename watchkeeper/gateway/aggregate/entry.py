"""What a member's own door would do for it, done for what comes through an endpoint.

1. A message that has passed this member before goes in a circle: one of the servers leads back here.
2. The client's credential goes on only where the member's own route keeps it (token passthrough).
"""

from __future__ import annotations

from watchkeeper.gateway import replies
from watchkeeper.gateway.aggregate.model import Serve
from watchkeeper.gateway.hops import circle
from watchkeeper.gateway.model import Request, Route
from watchkeeper.gateway.upstream import Outbound
from watchkeeper.protocol.errors import LOOP, error_body


def as_member(route: Route, serve: Serve) -> Serve:
    """A member's exchange, as an endpoint reaches it."""
    hop = route.hop.encode()

    async def guarded(request: Request) -> Outbound:
        if why := circle(request.headers, hop):
            return Outbound(508, [replies.JSON], error_body(None, LOOP, why))
        if not route.keeps_credential:
            request.credential = None
        return await serve(request)

    return guarded
