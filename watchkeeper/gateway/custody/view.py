"""What is live in one gateway process: sessions, what is under way in them, and the servers started for them."""

from __future__ import annotations

from collections.abc import Callable, Collection
from typing import NamedTuple

from watchkeeper.gateway.aggregate.endpoint import Aggregate
from watchkeeper.gateway.aggregate.party import Party
from watchkeeper.gateway.containment import AGENT
from watchkeeper.gateway.custody.model import Live
from watchkeeper.gateway.duties.tasks import Task, Tasks
from watchkeeper.gateway.fitting import Fitting
from watchkeeper.gateway.holds import EVERY_SERVER, Subject, session_digest, task_digest
from watchkeeper.gateway.model import Request
from watchkeeper.gateway.service import Gateway
from watchkeeper.gateway.upstream import Farewell, Hosted, Houses, Renews, Upstream
from watchkeeper.protocol.eras import MODERN

EVERYBODY = Subject("principal", EVERY_SERVER)
"""Whoever is at a server, as a subject of `View` only: no order and no request from outside names it."""
_LISTEN = b"subscriptions/listen"


class Serving(NamedTuple):
    """A request that is being answered now."""

    server: str
    request: Request
    end: Callable[[Farewell], object]

    @property
    def is_stream(self) -> bool:
        """Whether it is a standing stream, which is no call."""
        return self.request.verb == "GET" or self.request.mirrors.get(b"mcp-method") == _LISTEN


class Seen(NamedTuple):
    """A session of the older era, with its id."""

    server: str
    session: str
    principal: str
    client: str


class View:
    """Looks at a gateway."""

    def __init__(self, gateway: Gateway, tasks: Tasks) -> None:
        self._gateway = gateway
        self._tasks = tasks

    @property
    def fittings(self) -> dict[str, Fitting]:
        """Routes and endpoints by name."""
        return dict(self._gateway.fittings)

    def upstream(self, server: str) -> Upstream | None:
        """What reaches a server; None where this gateway has no route to it."""
        fitting = self._gateway.fittings.get(server)
        return fitting.route.upstream if fitting is not None else None

    def sessions(self, subject: Subject) -> list[Seen]:
        """The subject's sessions of the older era."""
        known = (Seen(at, raw, s.principal, s.client) for at, raw, s in self._gateway.house.sessions.all())
        return [seen for seen in known if is_of(subject, seen.server, seen.principal, seen.session)]

    def serving(self, subject: Subject) -> list[Serving]:
        """The subject's requests that are being answered now."""
        found: list[Serving] = []
        for door in (*self._gateway.doors, *self._gateway.leaving):
            for connection in door.connections:
                if (request := connection.serving) is not None:
                    found.append(Serving(door.route.name, request, connection.dismiss))
        if (relay := self._gateway.house.relay) is not None:
            found += [Serving(*carried) for carried in relay.serving()]
        return [one for one in found if self._is_of(subject, one)]

    def hosted(self, subject: Subject) -> list[tuple[str, Hosted]]:
        """Servers that were started for the subject."""
        return [
            (name, hosted)
            for name in self._gateway.fittings
            if (houses := houses_in(self.upstream(name))) is not None
            for hosted in houses.hosted()
            if is_of(subject, name, hosted.principal, hosted.session)
        ]

    def tasks(self, subject: Subject) -> list[tuple[str, str, Task]]:
        """Server, id and owner of the subject's tasks; a session's are its server's to list."""
        made = self._tasks.made_here("" if subject.server == EVERY_SERVER else subject.server)
        if subject.what == "task":
            return [one for one in made if task_digest(one[0], one[1]) == subject.name]
        return [one for one in made if is_of(subject, one[0], one[2].principal, "")]

    def over(self, server: str, task: str) -> None:
        """A task's server said that it has ended."""
        self._tasks.over(server, task)

    def outlives(self, server: str, principal: str) -> bool:
        """Whether a principal's tasks may still be worked on: one that we start keeps none once its process is gone."""
        upstream = self.upstream(server)
        houses = houses_in(upstream)
        if houses is None:
            return upstream is not None
        return any(hosted.principal == principal for hosted in houses.hosted())

    def parties(self, subject: Subject, sessions: Collection[str]) -> list[tuple[str, Aggregate, Party]]:
        """Sessions with endpoints that are the subject's own, or behind which one of these sessions is."""
        found = []
        for name, fitting in self._gateway.fittings.items():
            for party in fitting.aggregate.parties() if fitting.aggregate is not None else ():
                behind = {seat.session for seat in party.seats.values() if seat.session}
                if not behind.isdisjoint(sessions) or is_of(subject, name, party.principal, party.id):
                    found.append((name, fitting.aggregate, party))
        return found  # type: ignore[return-value]  # those without an aggregate have no party

    def _is_of(self, subject: Subject, one: Serving) -> bool:
        """An endpoint's request is its members', as far as a principal goes: a session has an id for each."""
        request, fitting = one.request, self._gateway.fittings.get(one.server)
        servers = {one.server}
        if subject.what == "principal" and fitting is not None and fitting.endpoint is not None:
            servers |= set(fitting.endpoint.prefixes)
        return any(is_of(subject, server, request.principal, request.session) for server in servers)

    def live(self, subject: Subject = EVERYBODY) -> list[Live]:
        """Everything of the subject that is live here, a row for each session or principal at a server.

        What was passed on to another worker is that one's to say: it is one call.
        """
        rows: dict[tuple[str, str, str], dict[str, int]] = {}
        clients: dict[tuple[str, str, str], str] = {}
        processes: dict[tuple[str, str, str], list[int]] = {}

        def row(server: str, principal: str, session: str) -> dict[str, int]:
            key = (server, principal, session_digest(session) if session else "")
            return rows.setdefault(key, {"calls": 0, "streams": 0, "tasks": 0})

        for seen in self.sessions(subject):
            row(seen.server, seen.principal, seen.session)
            clients[seen.server, seen.principal, session_digest(seen.session)] = seen.client
        for one in (serving for serving in self.serving(subject) if not serving.request.passed_on):
            session = "" if one.request.version in MODERN else one.request.session
            row(one.server, one.request.principal, session)["streams" if one.is_stream else "calls"] += 1
        for server, hosted in self.hosted(subject):
            row(server, hosted.principal, hosted.session)
            digest = session_digest(hosted.session) if hosted.session else ""
            processes.setdefault((server, hosted.principal, digest), []).append(hosted.pid)
        for server, _, task in self.tasks(subject):
            row(server, task.principal, "")["tasks"] += 1
        return [
            Live(
                server=server,
                principal=principal,
                era="legacy" if session else "modern",
                session=session,
                client=clients.get((server, principal, session), ""),
                calls=counts["calls"],
                streams=counts["streams"],
                tasks=counts["tasks"],
                processes=tuple(processes.get((server, principal, session), ())),
            )
            for (server, principal, session), counts in sorted(rows.items())
        ]


def is_of(subject: Subject, server: str, principal: str, session: str) -> bool:
    """Whether something of this principal, in this session, is the subject's."""
    if subject.server not in (EVERY_SERVER, server):
        return False
    if subject.what == "principal":
        return subject.name == EVERY_SERVER or principal.removeprefix(AGENT) == subject.name
    return subject.what == "session" and bool(session) and session_digest(session) == subject.name


def inner_of(upstream: Upstream | None) -> Upstream | None:
    """An upstream without what bounds it or puts credentials on."""
    while (inner := getattr(upstream, "inner", None)) is not None:
        upstream = inner
    return upstream


def houses_in(upstream: Upstream | None) -> Houses | None:
    """The same as what starts servers, if it does."""
    inner = inner_of(upstream)
    return inner if isinstance(inner, Houses) else None


def renews_in(upstream: Upstream | None) -> Renews | None:
    """The same as what can be reached anew, if it can."""
    inner = inner_of(upstream)
    return inner if isinstance(inner, Renews) else None
