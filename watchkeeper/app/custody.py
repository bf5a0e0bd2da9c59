"""What operators do with sessions: see them, hold and release them, end them, drain a server's transport.

Orders are given and proven as a playbook's are; the watch asks every gateway, and says which of them did not answer.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import msgspec

from watchkeeper.core.errors import NotFound, Unavailable, WatchkeeperError
from watchkeeper.core.ids import observed_id
from watchkeeper.gateway.custody.model import Asked
from watchkeeper.gateway.custody.reach import Custodian
from watchkeeper.gateway.holds import Subject, subject_of
from watchkeeper.gateway.orders import Order, OrderKind
from watchkeeper.gateway.relay.ownership import untagged

if TYPE_CHECKING:
    from collections.abc import Callable

    from watchkeeper.app.platform import Platform


class Custodial:
    """The acts, on an open platform."""

    def __init__(self, platform: Platform) -> None:
        self._orders = platform.orders
        self._gateways = Custodian(platform.database, platform.clock)
        self.acts: dict[str, Callable[[dict[str, Any]], Any]] = {
            "sessions.list": self.list,
            "sessions.hold": self.hold,
            "sessions.release": self.release,
            "sessions.kill": self.kill,
            "sessions.drain": self.drain,
        }

    def list(self, asked: dict[str, Any]) -> dict[str, Any]:
        """Everything that is live, by gateway, with what holds it."""
        said = self._gateways.live()
        held = {o.target: o.id for o in self._orders.in_force() if o.kind is OrderKind.QUARANTINE_SESSION}
        rows = []
        for gateway, found in sorted(said.answers.items()):
            for row in found:
                own = [Subject("session", row.session, row.server)] if row.session else []
                name = row.principal.removeprefix("agent:")
                own += [Subject("principal", name, row.server), Subject("principal", name)]
                orders = [held[subject.text] for subject in own if subject.text in held]
                rows.append({"gateway": gateway, "held": orders, **msgspec.to_builtins(row)})
        return {"sessions": rows, "silent": said.silent, "gateways": sorted({*said.answers, *said.silent})}

    def hold(self, asked: dict[str, Any]) -> dict[str, Any]:
        """Hold a subject; one that is held already is not held twice."""
        subject = _subject(asked)
        order = self._held(subject) or self._orders.issue(
            OrderKind.QUARANTINE_SESSION, subject.text, reason=asked["reason"], by=asked["by"], key=observed_id()
        )
        return {"order": order, "acknowledged": self._orders.push()}

    def release(self, asked: dict[str, Any]) -> Order:
        """Release what is held. Raises `NotFound`."""
        subject = _subject(asked)
        order = self._held(subject)
        if order is None:
            raise NotFound(f"{subject.text} is not held", hint="see `watchkeeper sessions list`")
        lifted = self._orders.lift(order.id, by=asked["by"], reason=asked["reason"])
        self._orders.push()
        return lifted

    def kill(self, asked: dict[str, Any]) -> dict[str, Any]:
        """End what a subject has live, and look what is left."""
        subject = _subject(asked)
        said = self._gateways.end(subject, _asked(asked))
        rest = self._gateways.rest(subject)
        left = {gateway: one for gateway, one in rest.answers.items() if not one.is_nothing}
        return {"subject": subject.text, "ended": said.answers, "left": left, "silent": said.silent | rest.silent}

    def drain(self, asked: dict[str, Any]) -> dict[str, Any]:
        """Drain a server's transport, and open it once it serves again. Raises `Unavailable` when it does not."""
        server, on_behalf = asked["server"], _asked(asked)
        kind = OrderKind.DRAIN_TRANSPORT
        order = self._orders.issue(kind, server, reason=asked["reason"], by=asked["by"], key=on_behalf.key)
        self._orders.push()
        try:
            drained = self._gateways.drain(server, float(asked.get("within", 10.0)), on_behalf)
        except WatchkeeperError:  # nobody serves it, or the bound is none: nothing was drained
            self._orders.lift(order.id, by=asked["by"], reason="nothing was drained")
            self._orders.push()
            raise
        tried = self._gateways.attempt(server)
        why = {gateway: one.reason for gateway, one in tried.answers.items() if not one.serves}
        why |= drained.silent | tried.silent
        if why or not tried.answers:
            told = "; ".join(sorted(why.values())) or "no gateway serves it"
            raise Unavailable(
                f"{server} was drained and does not answer: {told}",
                hint=f"nobody begins anything there until `watchkeeper quarantine lift {order.id}`",
            )
        self._orders.lift(order.id, by=asked["by"], reason="it was drained, and serves again")
        self._orders.push()
        return {"server": server, "order": order.id, "drained": drained.answers, "serves": tried.answers}

    def _held(self, subject: Subject) -> Order | None:
        wanted = (OrderKind.QUARANTINE_SESSION, subject.text)
        return next((order for order in self._orders.in_force() if (order.kind, order.target) == wanted), None)


def _subject(asked: Mapping[str, Any]) -> Subject:
    named = {what: str(asked.get(what, "")) for what in ("session", "task", "principal")}
    named["session"] = untagged(named["session"])[1]  # of several workers the id that a client has names one
    return subject_of(str(asked.get("server", "")), **named)


def _asked(asked: Mapping[str, Any]) -> Asked:
    return Asked(key=observed_id(), by=asked["by"], reason=asked["reason"])
