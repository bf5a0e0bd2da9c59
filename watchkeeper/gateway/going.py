"""A call that is passed on where its last byte was read and answered where its answer's last byte is: no task, no wait.

Above: the exchange begins one when there is nothing to wait for, and says what becomes of the answer. Below: a
connection that tells it once. Whatever does need waiting for is handed on to the client's connection as a coroutine.
"""

from __future__ import annotations

from collections.abc import Coroutine
from typing import Any, Protocol

from watchkeeper.gateway import tracing
from watchkeeper.gateway.limits.gate import Held
from watchkeeper.gateway.link import Broken, Link
from watchkeeper.gateway.ports import Answered, UnderWay
from watchkeeper.gateway.record import Call
from watchkeeper.gateway.upstream import Inbound, Outbound

Coming = Outbound | Coroutine[Any, Any, Outbound]
"""An answer, or what has to be awaited before there is one."""


class Owner(Protocol):
    """The exchange, as far as a call under way needs it."""

    def conclude(self, call: Call, out: Outbound) -> Coming:
        """The answer has come."""
        ...

    async def recover(self, call: Call, inbound: Inbound, error: Broken) -> Outbound:
        """The connection broke."""
        ...

    def settled(self, coming: Coming, held: Held | None) -> Coming:
        """What the call held is given back once it is over."""
        ...

    def gone(self, call: Call) -> None:
        """The client went away."""
        ...


class Going(UnderWay):
    """One such call."""

    __slots__ = ("_answered", "_call", "_is_over", "_owner", "held", "inbound", "link")

    def __init__(self, owner: Owner, call: Call, answered: Answered) -> None:
        self._owner = owner
        self._call = call
        self._answered = answered
        self._is_over = False
        self.inbound = inbound_of(call)
        self.link: Link | None = None
        self.held: Held | None = None

    def on_answer(self, answer: Outbound | Broken) -> None:
        """Told once by the connection; not heard any more when the client is gone."""
        if self._is_over:
            return
        owner, call = self._owner, self._call
        coming: Coming
        if isinstance(answer, Broken):
            coming = owner.recover(call, self.inbound, answer)
        else:
            try:
                coming = owner.conclude(call, answer)
            except Exception as error:  # noqa: BLE001 — raised again where the client waits: an unknown failure means deny
                coming = _failing(error)
        self._answered(coming if self.held is None else owner.settled(coming, self.held))

    def cancel(self) -> None:
        self._is_over = True
        if self.held is not None:
            self.held.release()
        if self.link is not None:
            self.link.abort()
        self._owner.gone(self._call)


async def _failing(error: Exception) -> Outbound:
    raise error


def inbound_of(call: Call) -> Inbound:
    """What goes to the server: exactly the bytes that were judged."""
    ruling, request, message = call.ruling, call.request, call.message
    body = ruling.body if ruling.body is not None and ruling.verdict.enforced else message.raw
    if call.route.hands_on_trace:
        call.span = tracing.begin(message.trace, request.trace)
        body = tracing.injected(body, call.span)
    session, credential = request.session, request.credential
    return Inbound("POST", request.headers, body, message, request.principal, call.era, session, credential)
