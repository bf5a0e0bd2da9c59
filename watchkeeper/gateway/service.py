"""The gateway as one thing to start, to change and to drain: a door for each route, and what all doors share."""

from __future__ import annotations

import asyncio
import socket
import ssl
from collections.abc import Mapping, Sequence
from typing import Any

from watchkeeper.core.clock import Clock
from watchkeeper.core.errors import Misconfigured, Unavailable
from watchkeeper.events.model import new_event
from watchkeeper.gateway import replies
from watchkeeper.gateway.aggregate.model import Endpoint, Serve
from watchkeeper.gateway.approvals.desk import Desk
from watchkeeper.gateway.edges.door import Door
from watchkeeper.gateway.edges.listening import Moves, moves
from watchkeeper.gateway.fitting import Fitting, House, Terms, fit_endpoint, fit_route
from watchkeeper.gateway.limits.gate import Gate
from watchkeeper.gateway.model import Request, Route
from watchkeeper.gateway.oauth.elevation import Elevations
from watchkeeper.gateway.oauth.issuers import Issuers
from watchkeeper.gateway.ports import Guard, Identities, Recorder, Revoked
from watchkeeper.gateway.relay.relay import Between, Relay
from watchkeeper.gateway.retiring import Retiring, Unfinished
from watchkeeper.gateway.sessions import Sessions
from watchkeeper.gateway.settings import GatewaySettings, check_gateway
from watchkeeper.gateway.tls.handshakes import Handshakes
from watchkeeper.gateway.upstream import Outbound, UpstreamFailed

_ACTOR = "system:gateway"


class Gateway:
    """Serves routes from `start` until `drain`."""

    def __init__(
        self,
        routes: Sequence[Route],
        *,
        guard: Guard,
        identities: Identities,
        journal: Recorder,
        clock: Clock,
        settings: GatewaySettings,
        gate: Gate | None = None,
        endpoints: Sequence[Endpoint] = (),
        issuers: Issuers | None = None,
        relay: Relay | None = None,
        desk: Desk | None = None,
        revoked: Revoked | None = None,
    ) -> None:
        sessions, elevations = Sessions(settings.max_sessions), Elevations(journal, clock)
        check_gateway(settings)
        self._handshakes = Handshakes(settings) if settings.tls_certificate else None
        self._renewing: asyncio.Task[None] | None = None
        self._house = House(
            *(guard, identities, journal, clock, sessions, elevations, relay, self._handshakes, desk, revoked)
        )
        self._terms = Terms(settings, gate, issuers)
        self._fittings: dict[str, Fitting] = {}
        self._retiring = Retiring()
        self._fittings = self._fit(routes, endpoints, self._terms)

    @property
    def doors(self) -> list[Door]:
        """One for each route and endpoint."""
        return [fitting.door for fitting in self._fittings.values()]

    @property
    def leaving(self) -> list[Door]:
        """Doors that a change of configuration took away, while somebody is served by them."""
        return list(self._retiring.doors.values())

    @property
    def gate(self) -> Gate | None:
        """The limits in force."""
        return self._terms.gate

    @property
    def issuers(self) -> tuple[str, ...]:
        """The authorization servers whose tokens are accepted, by name."""
        return self._terms.issuers.names if self._terms.issuers is not None else ()

    @property
    def ports(self) -> Mapping[str, int]:
        """Route name → port; those the system chose are known after `start`."""
        return {name: fitting.door.port for name, fitting in self._fittings.items()}

    @property
    def fittings(self) -> Mapping[str, Fitting]:
        """What serves each route and endpoint now."""
        return self._fittings

    @property
    def house(self) -> House:
        """What all of them share."""
        return self._house

    async def start(self, listening: Mapping[str, socket.socket] | None = None) -> None:
        """Listen on every port, or accept on the sockets that listen for the routes already.

        Raises `Conflict` when a port is taken, and then none is open.
        """
        relay = self._house.relay
        if relay is not None:
            relay.serve(_between(self._fittings))
            await relay.open()
        await _open([fitting.door for fitting in self._fittings.values()], listening or {})
        if self._handshakes is not None:
            self._renewing = asyncio.get_running_loop().create_task(self._handshakes.watch(self._tell))
        self._note("gateway.process.started")

    def check(self, routes: Sequence[Route], terms: Terms, endpoints: Sequence[Endpoint] = ()) -> None:
        """Raises `Misconfigured` when `change` would; a port that is taken is known only when it is opened."""
        self._fit(routes, endpoints, terms)
        self._secured(terms.settings)

    async def change(
        self,
        routes: Sequence[Route],
        terms: Terms,
        endpoints: Sequence[Endpoint] = (),
        listening: Mapping[str, socket.socket] | None = None,
    ) -> None:
        """Serve these from now on. Connections stay; what is under way goes on as it began.

        A route is the same when it has its name; its upstream is the same when it is the same object. Raises
        `Misconfigured`, and `Conflict` when a port is taken; then nothing has changed.
        """
        after = self._fit(routes, endpoints, terms)
        secured = self._secured(terms.settings)
        ports = _moves(self._fittings, after)
        await _open([after[name].door for name in ports.open], listening or {})
        # From here on nothing waits and nothing fails: no request sees half of it.
        before, old_terms = self._fittings, self._terms
        under_way = {name: self._under_way(name) for name in before}
        for name in ports.stay:
            before[name].door.become(after[name].door)
            after[name] = after[name].behind(before[name].door)
        for name, other in ports.inherit.items():
            before[other].door.bequeath(after[name].door)
        self._fittings, self._terms = after, terms
        if self._handshakes is not None and secured is not None:
            self._handshakes.adopt(terms.settings, secured)
        self._house.sessions.limit = terms.settings.max_sessions
        if self._house.relay is not None:
            self._house.relay.serve(_between(after))
        drain = terms.settings.drain_seconds
        for name, fitting in before.items():
            if name not in ports.stay:
                self._retiring.door(fitting.door, drain)
        self._retiring.behind(before, after, (old_terms, terms), under_way)

    async def drain(self, within: float) -> None:
        """Take nothing new, let calls under way finish within so many seconds, then close everything."""
        fittings = list(self._fittings.values())
        if self._house.desk is not None:
            self._house.desk.close()
        if self._renewing is not None:
            self._renewing.cancel()
        closing = [fitting.door.close(within) for fitting in fittings]
        if self._house.relay is not None:
            closing.append(self._house.relay.close(within))
        await asyncio.gather(*closing)
        await self._retiring.close()
        await asyncio.gather(*(fitting.aggregate.close() for fitting in fittings if fitting.aggregate is not None))
        upstreams = [fitting.route.upstream for fitting in fittings if fitting.route.upstream is not None]
        await asyncio.gather(*(upstream.close() for upstream in upstreams), return_exceptions=True)
        if self._terms.issuers is not None:
            await self._terms.issuers.close()
        if self._terms.gate is not None:
            await self._terms.gate.close()
        self._note("gateway.process.stopped")

    def _fit(self, routes: Sequence[Route], endpoints: Sequence[Endpoint], terms: Terms) -> dict[str, Fitting]:
        check_gateway(terms.settings)
        _check_routes([*routes, *(endpoint.route for endpoint in endpoints)])
        fittings = {route.name: fit_route(route, self._house, terms) for route in routes}
        serves = {route.name: self._reach(route.name) for route in routes}
        for endpoint in endpoints:
            fittings[endpoint.route.name] = fit_endpoint(
                endpoint, serves, self._house, terms, self._fittings.get(endpoint.route.name)
            )
        return fittings

    def _reach(self, name: str) -> Serve:
        """A route as it is at the time of each request, for an endpoint of which it is a member."""

        async def serve(request: Request) -> Outbound:
            fitting = self._fittings.get(name)
            if fitting is None:  # a session with a former endpoint may outlive its servers
                return replies.failed(None, UpstreamFailed(f"{name} is not served any more"))
            return await fitting.serve(request)

        return serve

    def _under_way(self, name: str) -> Unfinished:
        relay = self._house.relay
        return self._fittings[name].door.under_way() + (relay.under_way(name) if relay is not None else [])

    def _secured(self, settings: GatewaySettings) -> ssl.SSLContext | None:
        """What changed settings let ports show. Raises `Misconfigured` when that cannot be, or not while we serve."""
        if (self._handshakes is None) == bool(settings.tls_certificate):
            raise Misconfigured(
                "gateway.tls_certificate: TLS can be neither begun nor ended while clients are connected",
                hint="restart the gateway for it",
            )
        return self._handshakes.read(settings) if self._handshakes is not None else None

    def _note(self, kind: str) -> None:
        self._record(kind, "success", {"ports": dict(self.ports)})

    def _tell(self, kind: str, why: str) -> None:
        self._record(kind, "failure" if why else "success", {"reason": why})

    def _record(self, kind: str, outcome: str, body: dict[str, Any]) -> None:
        journal, clock = self._house.journal, self._house.clock
        try:
            journal.append(new_event(clock.now(), kind, actor=_ACTOR, outcome=outcome, body=body))
        except Unavailable:
            return  # the gateway refuses calls by itself while the journal fails


async def _open(doors: Sequence[Door], listening: Mapping[str, socket.socket]) -> None:
    """All of them or none. Raises `Conflict`, `Misconfigured`."""
    opened: list[Door] = []
    try:
        for door in doors:
            await door.open(listening.get(door.route.name))
            opened.append(door)
    except Exception:
        for door in opened:
            await door.close(0)
        raise


def _moves(before: Mapping[str, Fitting], after: Mapping[str, Fitting]) -> Moves:
    return moves(
        {name: (fitting.route.host, fitting.door.port) for name, fitting in before.items()},
        {name: (fitting.route.host, fitting.route.port) for name, fitting in after.items()},
    )


def _between(fittings: Mapping[str, Fitting]) -> dict[str, Between]:
    return {name: fitting.between for name, fitting in fittings.items() if fitting.between is not None}


def _check_routes(routes: Sequence[Route]) -> None:
    names = [route.name for route in routes]
    if len(set(names)) != len(names):
        raise Misconfigured("two routes have the same name", hint="give each server a name of its own")
    ports = [route.port for route in routes if route.port]
    if len(set(ports)) != len(ports):
        raise Misconfigured("two routes have the same port", hint="give each [servers.NAME] port another number")
