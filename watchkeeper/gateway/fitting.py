"""What serves one route or endpoint, put together: exchange, reception, the way to other workers, a door; none opened.

Above: the service, which opens doors and swaps what stands behind them. Everything here is made anew for a changed
configuration; what must outlive it (sessions, guard, journal, clients) is handed in.
"""

from __future__ import annotations

from collections.abc import Callable, Coroutine, Mapping
from dataclasses import dataclass, replace
from typing import Any, NamedTuple

from watchkeeper.core.clock import Clock
from watchkeeper.core.errors import Misconfigured
from watchkeeper.gateway.aggregate.endpoint import Aggregate
from watchkeeper.gateway.aggregate.entry import as_member
from watchkeeper.gateway.aggregate.model import Endpoint, Serve
from watchkeeper.gateway.approvals.desk import Desk
from watchkeeper.gateway.approvals.passage import Passage
from watchkeeper.gateway.callers import Callers
from watchkeeper.gateway.edges.door import Door
from watchkeeper.gateway.edges.reception import Reception
from watchkeeper.gateway.exchange import Exchange
from watchkeeper.gateway.limits.gate import Gate
from watchkeeper.gateway.model import Refusal, Request, Route
from watchkeeper.gateway.oauth.elevation import Elevations
from watchkeeper.gateway.oauth.issuers import Issuers
from watchkeeper.gateway.oauth.needs import Needs
from watchkeeper.gateway.oauth.resource import Resource
from watchkeeper.gateway.ports import Begin, Guard, Identities, Recorder, Revoked
from watchkeeper.gateway.relay.relay import Between, Relay
from watchkeeper.gateway.sessions import Sessions
from watchkeeper.gateway.settings import GatewaySettings
from watchkeeper.gateway.tls.handshakes import Handshakes
from watchkeeper.gateway.upstream import Outbound


@dataclass(frozen=True)
class House:
    """What all routes share for as long as the process lives."""

    guard: Guard
    identities: Identities
    journal: Recorder
    clock: Clock
    sessions: Sessions
    elevations: Elevations
    relay: Relay | None
    handshakes: Handshakes | None = None
    """What TLS ports show."""
    desk: Desk | None = None
    """Where people are asked; None where nobody can be."""
    revoked: Revoked | None = None
    """Which tokens are refused before their end; None where none is."""


@dataclass(frozen=True)
class Terms:
    """What all routes share until the configuration changes."""

    settings: GatewaySettings
    gate: Gate | None = None
    issuers: Issuers | None = None


@dataclass(frozen=True)
class Fitting:
    """One route or endpoint, ready to be opened."""

    route: Route
    door: Door
    callers: Callers
    """Who may come in."""
    serve: Serve
    """For an endpoint of which it is a member."""
    between: Between | None = None
    endpoint: Endpoint | None = None
    aggregate: Aggregate | None = None
    """What serves an endpoint, and holds its sessions."""

    def behind(self, door: Door) -> Fitting:
        """The same, with a door that is open already."""
        return replace(self, door=door)


class _Inside(NamedTuple):
    """What serves the requests of a route or endpoint that came in."""

    begin: Begin
    serve: Callable[[Request], Coroutine[Any, Any, Outbound]]
    refused: Callable[[Refusal], None]


def fit_route(route: Route, house: House, terms: Terms) -> Fitting:
    """A route to one server. Raises `Misconfigured` when it leads nowhere."""
    if route.upstream is None:
        raise Misconfigured(f"the route {route.name} leads nowhere", hint="give its server a url or a command")
    exchange = Exchange(
        route,
        route.upstream,
        guard=house.guard,
        journal=house.journal,
        clock=house.clock,
        sessions=house.sessions,
        gate=terms.gate,
        needs=Needs(_resource(route, house, terms), route.tool_scopes) if route.tool_scopes else None,
        passage=Passage(house.desk) if house.desk is not None else None,
    )
    return _fit(route, _Inside(exchange.begin, exchange.serve, exchange.refused), house, terms)


def fit_endpoint(
    endpoint: Endpoint, serves: Mapping[str, Serve], house: House, terms: Terms, former: Fitting | None
) -> Fitting:
    """Several servers on one port; `serves` has what reaches each. One that is as it was keeps its sessions."""
    aggregate = former.aggregate if former is not None and former.endpoint == endpoint else None
    if aggregate is None:
        sessions = terms.settings.max_sessions
        aggregate = Aggregate(endpoint, serves, journal=house.journal, clock=house.clock, max_sessions=sessions)
    fitting = _fit(endpoint.route, _Inside(aggregate.begin, aggregate.serve, aggregate.refused), house, terms)
    return replace(fitting, endpoint=endpoint, aggregate=aggregate)


def _fit(route: Route, inside: _Inside, house: House, terms: Terms) -> Fitting:
    between: Between | None = None
    begin, serve, refused = inside
    if house.relay is not None:
        between = house.relay.between(route, begin, serve, refused)
        begin, serve = between.begin, between.serve
    callers = _callers(route, house, terms)
    reception = Reception(callers, begin, serve, refused)
    tls = house.handshakes.context if house.handshakes is not None else None
    door = Door(route, callers, terms.settings, reception.begin, refused, tls=tls)
    return Fitting(route, door, callers, as_member(route, reception.serve), between)


def _resource(route: Route, house: House, terms: Terms) -> Resource:
    issuers = terms.issuers
    scopes = {*route.scopes, *(issuers.scopes if issuers is not None else ())}
    return Resource(
        scheme="http" if house.handshakes is None else "https",
        path=route.path,
        public_url=route.public_url,
        issuers=issuers.urls if issuers is not None else (),
        scopes=tuple(sorted(scopes)),
        all_scopes=tuple(sorted(scopes.union(*route.tool_scopes.values()))),
        name=route.name,
    )


def _callers(route: Route, house: House, terms: Terms) -> Callers:
    return Callers(
        _resource(route, house, terms),
        clients=house.identities,
        issuers=terms.issuers,
        clock=house.clock,
        elevations=house.elevations,
        certificates=terms.settings.certificate_clients,
        revoked=house.revoked,
    )
