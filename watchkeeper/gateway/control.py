"""A running gateway's ear: it takes over orders, pins and tokens, and answers probes by its own live guard.

Above: the app starts one beside the routes it serves. Below: the control socket (`core.control`), the control state and
the journal. News come by a push on the socket; a poll five times a second finds them when a push was lost. While the
control state cannot be read the gateway goes on by what it has in memory, and `status` says so.
"""

from __future__ import annotations

import asyncio
import logging
import re
import threading
from collections.abc import Awaitable, Callable, Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any, Protocol

import msgspec

from watchkeeper.core.clock import Clock
from watchkeeper.core.control import Handler, Service, serve
from watchkeeper.core.database import Database
from watchkeeper.core.errors import Invalid, NotFound, Unavailable, WatchkeeperError
from watchkeeper.core.files import socket_path
from watchkeeper.events import Journal, new_event
from watchkeeper.gateway.containment import AGENT, OrdersInForce
from watchkeeper.gateway.holds import Reference
from watchkeeper.gateway.identity import Identities
from watchkeeper.gateway.measures.isolation import Isolation
from watchkeeper.gateway.measures.model import Probe, Supposing
from watchkeeper.gateway.model import Route, Ruling
from watchkeeper.gateway.orders import NO_ROUTE, OrderBook
from watchkeeper.gateway.ports import Guard
from watchkeeper.gateway.presence import Presence
from watchkeeper.gateway.upstream import Stands
from watchkeeper.protocol.message import NAMED_BY, Message, parse_message
from watchkeeper.registry.pins import Pins

_DIGEST = re.compile(r"[0-9a-f]{64}")
POLL = 0.2
"""Seconds between two looks at the control state."""
_BEATS = 3
"""A heartbeat is written every so many looks."""
_ACTOR = "system:gateway"
_log = logging.getLogger(__name__)


class Probed(Guard, Protocol):
    """The guard, as far as it can be probed."""

    def probe(self, route: Route, message: Message, supposing: Supposing, principal: str, session: str = "") -> Ruling:
        """What would become of a message. Memory only; nothing is forwarded."""
        ...


class GatewayControl:
    """Keeps one gateway process in step with the control state, from `start` until `close`."""

    def __init__(
        self,
        gateway_id: str,
        data_dir: Path,
        *,
        database: Database,
        journal: Journal,
        clock: Clock,
        orders: OrdersInForce,
        pins: Pins,
        identities: Identities,
        guard: Probed,
        routes: Mapping[str, Route],
        also: Sequence[Callable[[], object]] = (),
        tenant: str = "default",
    ) -> None:
        """`also` is called, blocking, whenever the control state is looked at."""
        self.gateway_id = gateway_id
        self.path = socket_path(data_dir, f"gateway-{gateway_id}")
        self.failure = ""
        """Why the control state cannot be followed now; empty while it can."""
        self.addresses: dict[str, str] = {}
        """Where clients reach each route; whoever starts the listeners fills it."""
        self.answers: dict[str, Handler] = {}
        """What else the socket answers, from parts that this one does not know; filled before `start`."""
        self.sandboxes: dict[str, str] = {}
        """What confines each server that is started here; filled by the same."""
        self.recording: Callable[[], dict[str, Any]] = dict
        """What passes unrecorded just now; empty while everything is recorded."""
        self.reload: Callable[[str], Awaitable[dict[str, Any]]] | None = None
        """Has the settings read again, for whom; None where that is not done."""
        self._journal = journal
        self._clock = clock
        self._orders = orders
        self._pins = pins
        self._identities = identities
        self.guard = guard
        self.isolation = Isolation(orders)
        self._loop: asyncio.AbstractEventLoop | None = None
        self.routes = routes
        self._also = also
        self._tenant = tenant
        self._book = OrderBook(database, journal, clock, tenant)
        self._presence = Presence(database, clock, tenant)
        self._acknowledged = -1
        self._taking = threading.Lock()
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._follow, name=f"control-{gateway_id}", daemon=True)
        self._server: Service | None = None

    async def start(self) -> None:
        """Take everything over, then listen and say that we live. Until this returns no client may be served.

        Raises `Unavailable` when the control state or the journal cannot be used.
        """
        await asyncio.to_thread(self.refresh)
        await self.isolation.settle(self.routes)
        self._loop = asyncio.get_running_loop()
        handlers = {
            "orders.refresh": self._on_orders,
            "pins.refresh": self._on_pins,
            "clients.refresh": self._on_clients,
            "clients.admits": self._on_admits,
            "probe": self._on_probe,
            "status": self._on_status,
            "reload": self._on_reload,
        }
        self._server = await serve(self.path, handlers | self.answers)
        await asyncio.to_thread(self._presence.enter, self.gateway_id, self.path, self._acknowledged)
        self._thread.start()

    async def close(self) -> None:
        """Leave the register and stop listening. Call it once no client is served any more."""
        self._stop.set()
        if self._thread.is_alive():
            await asyncio.to_thread(self._thread.join)
        if self._server is not None:
            self._server.close()
            with suppress(Unavailable):  # that the process is gone is seen, too
                await asyncio.to_thread(self._presence.leave, self.gateway_id)

    def refresh(self) -> None:
        """Take over what any process changed: orders, pins, tokens; what fails does not keep the others from arriving.

        Blocking. Raises the first failure, `Unavailable` when the control state or the journal cannot be used.
        """
        failures: list[WatchkeeperError] = []
        for take_over in (self._take_orders, self._pins.reload, self._identities.reload, *self._also):
            try:
                take_over()
            except WatchkeeperError as error:
                failures.append(error)
        if failures:
            raise failures[0]

    def _take_orders(self) -> int:
        with self._taking:
            if self._book.generation() != self._orders.generation:
                generation, orders = self._book.load()
                self._orders.replace(orders, generation)
                if self._loop is not None:
                    asyncio.run_coroutine_threadsafe(self.isolation.settle(self.routes), self._loop)
            if self._acknowledged != self._orders.generation:
                self._acknowledge(self._orders.generation)
            return self._acknowledged

    def _acknowledge(self, generation: int) -> None:
        """In force first, then durable in the journal, then said to whoever asks."""
        self._journal.record(
            new_event(
                self._clock.now(),
                "gateway.order.acknowledged",
                tenant=self._tenant,
                actor=_ACTOR,
                target=self.gateway_id,
                outcome="success",
                body={"generation": generation},
            )
        )
        self._presence.beat(self.gateway_id, generation)
        self._acknowledged = generation

    def _follow(self) -> None:
        looks = 0
        while not self._stop.wait(POLL):
            looks += 1
            try:
                if looks % _BEATS == 0:
                    self._presence.beat(self.gateway_id, self._acknowledged)
                self.refresh()
                self._report("")
            except Exception as error:  # noqa: BLE001 — the thread's outermost loop: it must outlive whatever happens
                self._report(str(error) or type(error).__name__)

    def _report(self, failure: str) -> None:
        if failure and not self.failure:
            _log.error("the control state cannot be followed", extra={"why": failure})
        elif self.failure and not failure:
            _log.info("the control state is followed again")
        self.failure = failure

    # what the control socket answers

    async def _on_orders(self, _: dict[str, Any]) -> dict[str, Any]:
        generation = await asyncio.to_thread(self._take_orders)
        await self.isolation.settle(self.routes)
        return {"generation": generation}

    async def _on_pins(self, _: dict[str, Any]) -> dict[str, Any]:
        await asyncio.to_thread(self._pins.reload)
        return {"generation": self._pins.generation}

    async def _on_clients(self, _: dict[str, Any]) -> dict[str, Any]:
        await asyncio.to_thread(self._identities.reload)
        return {"generation": self._identities.generation}

    async def _on_admits(self, arguments: dict[str, Any]) -> dict[str, Any]:
        """Which of these tokens, told by digest, the door would let in."""
        digests = [str(digest) for digest in arguments.get("digests", ())]
        if not all(_DIGEST.fullmatch(digest) for digest in digests):
            raise Invalid("not the digests of tokens", hint="64 hex digits each")
        await asyncio.to_thread(self._identities.reload)
        return {"admitted": [digest for digest in digests if self._identities.admits(digest)]}

    async def _on_status(self, _: dict[str, Any]) -> dict[str, Any]:
        return {
            "gateway": self.gateway_id,
            "orders": self._orders.generation,
            "pins": self._pins.generation,
            "clients": self._identities.generation,
            "routes": sorted(self.routes),
            "capture": {name: route.capture.told() for name, route in self.routes.items() if route.capture is not None},
            "addresses": self.addresses,
            "sandboxes": self.sandboxes,
            "upstreams": {name: _standing(route) for name, route in self.routes.items()},
            "failure": self.failure,
            "recording": self.recording(),
        }

    async def _on_reload(self, arguments: dict[str, Any]) -> dict[str, Any]:
        if self.reload is None:
            raise NotFound("this gateway does not read its settings again", hint="stop it and start it anew")
        return await self.reload(str(arguments.get("by", "")) or _ACTOR)

    async def _on_probe(self, arguments: dict[str, Any]) -> dict[str, Any]:
        try:
            probe = msgspec.convert(arguments, Probe)
        except msgspec.ValidationError as error:
            raise Invalid(f"not a probe: {error}") from error
        route = self.routes.get(probe.server or min(self.routes, default=""))
        if route is None:
            return {"effect": NO_ROUTE, "enforced": True, "rules": [], "reason": "this gateway has no such route"}
        principal = AGENT + probe.principal.removeprefix(AGENT)
        answer = await self._judged(route, probe, principal)
        event = new_event(
            self._clock.now(),
            "gateway.probe.answered",
            tenant=self._tenant,
            actor=_ACTOR,
            server=route.name,
            target=probe.name,
            outcome=answer["effect"],
            labels=("probe",),
            body={"gateway": self.gateway_id, "principal": principal, "method": probe.method, **answer},
        )
        await asyncio.to_thread(self._journal.record, event)
        return answer

    async def _judged(self, route: Route, probe: Probe, principal: str) -> dict[str, Any]:
        supposing = probe.supposing or Supposing()
        if supposing.is_outbound:
            effect, rules, reason = await self.isolation.tried(route, self.routes)
            return {"effect": effect, "enforced": True, "rules": list(rules), "reason": reason}
        verdict = self.guard.probe(route, _as_message(probe), supposing, principal, _session(probe)).verdict
        return {
            "effect": verdict.effect.value,
            "enforced": verdict.enforced,
            "rules": list(verdict.rules),
            "reason": verdict.reason,
        }


def _standing(route: Route) -> dict[str, Any]:
    return route.upstream.standing() if isinstance(route.upstream, Stands) else {}


def _session(probe: Probe) -> str:
    return Reference(probe.session) if probe.session else ""


def _as_message(probe: Probe) -> Message:
    """The very message that a client would send."""
    params: dict[str, Any] = {}
    if member := NAMED_BY.get(probe.method):
        params[member] = probe.name
    if probe.method in {"tools/call", "prompts/get"}:
        params["arguments"] = probe.arguments
    call = {"jsonrpc": "2.0", "id": "probe", "method": probe.method, "params": params}
    return parse_message(msgspec.json.encode(call))
