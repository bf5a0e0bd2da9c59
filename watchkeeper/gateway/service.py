"""The gateway as one thing to start and to drain: a door for each route, and what all doors share."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Mapping, Sequence
from functools import partial

from watchkeeper.core.clock import Clock
from watchkeeper.core.errors import Misconfigured, Unavailable
from watchkeeper.events.model import new_event
from watchkeeper.gateway.aggregate.endpoint import Aggregate
from watchkeeper.gateway.aggregate.entry import as_member
from watchkeeper.gateway.aggregate.model import Endpoint, Serve
from watchkeeper.gateway.callers import Callers
from watchkeeper.gateway.edges.door import Door
from watchkeeper.gateway.edges.reception import Reception
from watchkeeper.gateway.exchange import Exchange
from watchkeeper.gateway.limits.gate import Gate
from watchkeeper.gateway.model import Route
from watchkeeper.gateway.oauth.elevation import Elevations
from watchkeeper.gateway.oauth.issuers import Issuers
from watchkeeper.gateway.oauth.resource import Resource
from watchkeeper.gateway.ports import Begin, Guard, Identities, Recorder
from watchkeeper.gateway.relay.relay import Relay
from watchkeeper.gateway.sessions import Sessions
from watchkeeper.gateway.settings import GatewaySettings, check_gateway
from watchkeeper.gateway.upstream import Upstream

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
    ) -> None:
        check_gateway(settings)
        _check_routes([*routes, *(endpoint.route for endpoint in endpoints)])
        self._journal = journal
        self._clock = clock
        self._issuers = issuers
        self._relay = relay
        self._upstreams: list[Upstream] = []
        self._doors: list[Door] = []
        self._aggregates: list[Aggregate] = []
        sessions = Sessions(settings.max_sessions)
        serves: dict[str, Serve] = {}
        receive = partial(
            _callers, clients=identities, issuers=issuers, clock=clock, elevations=Elevations(journal, clock)
        )
        for route in routes:
            if route.upstream is None:
                raise Misconfigured(f"the route {route.name} leads nowhere", hint="give its server a url or a command")
            exchange = Exchange(
                route, route.upstream, guard=guard, journal=journal, clock=clock, sessions=sessions, gate=gate
            )
            self._upstreams.append(route.upstream)
            begin: Begin = exchange.begin
            serve: Serve = exchange.serve
            if relay is not None:
                begin = relay.between(route, exchange.begin, exchange.serve, exchange.refused)
                serve = relay.reach(route.name)
            callers = receive(route)
            reception = Reception(callers, begin, serve, exchange.refused)
            self._doors.append(Door(route, callers, settings, reception.begin, exchange.refused))
            serves[route.name] = as_member(route, reception.serve)
        for endpoint in endpoints:
            aggregate = Aggregate(endpoint, serves, journal=journal, clock=clock, max_sessions=settings.max_sessions)
            self._aggregates.append(aggregate)
            begin, serve = aggregate.begin, aggregate.serve
            if relay is not None:
                begin = relay.between(endpoint.route, aggregate.begin, aggregate.serve, aggregate.refused)
                serve = relay.reach(endpoint.route.name)
            callers = receive(endpoint.route)
            reception = Reception(callers, begin, serve, aggregate.refused)
            self._doors.append(Door(endpoint.route, callers, settings, reception.begin, aggregate.refused))

    @property
    def ports(self) -> Mapping[str, int]:
        """Route name → port; those the system chose are known after `start`."""
        return {door.route.name: door.port for door in self._doors}

    async def start(self, listening: Mapping[str, socket.socket] | None = None) -> None:
        """Listen on every port, or accept on the sockets that listen for the routes already.

        Raises `Conflict` when a port is taken, and then none is open.
        """
        opened: list[Door] = []
        try:
            if self._relay is not None:
                await self._relay.open()
            for door in self._doors:
                await door.open((listening or {}).get(door.route.name))
                opened.append(door)
        except Exception:
            for door in opened:
                await door.close(0)
            raise
        self._note("gateway.process.started")

    async def drain(self, within: float) -> None:
        """Take nothing new, let calls under way finish within so many seconds, then close everything."""
        closing = [door.close(within) for door in self._doors]
        if self._relay is not None:
            closing.append(self._relay.close(within))
        await asyncio.gather(*closing)
        await asyncio.gather(*(aggregate.close() for aggregate in self._aggregates))
        await asyncio.gather(*(upstream.close() for upstream in self._upstreams), return_exceptions=True)
        if self._issuers is not None:
            await self._issuers.close()
        self._note("gateway.process.stopped")

    def _note(self, kind: str) -> None:
        body = {"ports": dict(self.ports)}
        try:
            self._journal.append(new_event(self._clock.now(), kind, actor=_ACTOR, outcome="success", body=body))
        except Unavailable:
            return  # the gateway refuses calls by itself while the journal fails


def _callers(
    route: Route, *, clients: Identities, issuers: Issuers | None, clock: Clock, elevations: Elevations
) -> Callers:
    scopes = tuple(sorted({*route.scopes, *(issuers.scopes if issuers is not None else ())}))
    resource = Resource(
        path=route.path,
        public_url=route.public_url,
        issuers=issuers.urls if issuers is not None else (),
        scopes=scopes,
        all_scopes=scopes,
        name=route.name,
    )
    return Callers(resource, clients=clients, issuers=issuers, clock=clock, elevations=elevations)


def _check_routes(routes: Sequence[Route]) -> None:
    names = [route.name for route in routes]
    if len(set(names)) != len(names):
        raise Misconfigured("two routes have the same name", hint="give each server a name of its own")
    ports = [route.port for route in routes if route.port]
    if len(set(ports)) != len(ports):
        raise Misconfigured("two routes have the same port", hint="give each [servers.NAME] port another number")
