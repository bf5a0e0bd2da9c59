"""The heavy half of `wrap`: data folder, guard, orders, and the session between a client and a server that runs."""

from __future__ import annotations

import asyncio
import os
import sys
from collections.abc import AsyncIterator, Iterator
from contextlib import ExitStack, asynccontextmanager, contextmanager

from watchkeeper.app.approving import REFRESH
from watchkeeper.app.capturing import capture_of, note_capture, trust_calls
from watchkeeper.app.gateway import desk_for, guard_for
from watchkeeper.app.governing import Governing, govern
from watchkeeper.app.limiting import gate_for
from watchkeeper.app.planned import Plan
from watchkeeper.app.platform import Platform, note_service, opened
from watchkeeper.app.redacting import syncing
from watchkeeper.core.errors import Conflict, Denied
from watchkeeper.gateway.containment import AGENT, OrdersInForce
from watchkeeper.gateway.control import GatewayControl
from watchkeeper.gateway.custody.alone import Alone
from watchkeeper.gateway.custody.ledger import Ledger
from watchkeeper.gateway.custody.once import Once
from watchkeeper.gateway.custody.tokens import TokenDoors
from watchkeeper.gateway.measures.ledger import TaintLedger
from watchkeeper.gateway.model import Route
from watchkeeper.gateway.stdio.child import Child
from watchkeeper.gateway.stdio.journal import Launches
from watchkeeper.gateway.wrap.between import Between, Wrapped
from watchkeeper.gateway.wrap.inbox import Inbox
from watchkeeper.gateway.wrap.lines import Lines, Writer
from watchkeeper.gateway.wrap.session import Session

_MOST = 256
"""Servers of one name wrapped at once on one data folder."""
_PATIENCE = 5.0
"""Seconds the client has to read what was written last."""


@contextmanager
def opened_as(planned: Plan) -> Iterator[Platform]:
    """The data folder, under the first log of this server's name that no other process writes.

    Logs are used again, so that there are as many as there were ever servers at once. Raises `Denied` for a client
    whose token was revoked, `Conflict` when too many run.
    """
    loaded = planned.loaded
    with ExitStack() as stack:
        for number in range(1, _MOST + 1):
            try:
                writer = f"wrap-{planned.name}-{number}"
                platform = stack.enter_context(
                    opened(loaded.data_dir, writer, settings=loaded.settings.journal, state=loaded.settings.state)
                )
                break
            except Conflict:
                continue
        else:
            raise Conflict(f"{_MOST} servers named {planned.name} are wrapped already", hint="end some of them")
        _refuse_revoked(planned, platform)
        yield platform


def _refuse_revoked(planned: Plan, platform: Platform) -> None:
    name = planned.principal.removeprefix(AGENT)
    known = [client for client in platform.clients.clients() if client.name == name]
    if known and all(client.revoked_at for client in known):
        raise Denied(f"the client {name} was revoked", rule="gateway.revoked", hint="name another one with --client")


@asynccontextmanager
async def wrapped_session(planned: Plan, platform: Platform, child: Child, inbox: Inbox) -> AsyncIterator[Session]:
    """A session that may run; its server's start is recorded, and its end when this is left. Raises `Unavailable`."""
    loaded, name = planned.loaded, planned.name
    launches = Launches(name, child.command, platform.journal, platform.clock)
    launches.spawned(child, planned.principal, "")
    server, settings = planned.server, loaded.settings.gateway
    route = Route(
        name=name,
        shadow=server.shadow,
        durability=server.durability,
        eras=server.eras,
        capture=capture_of(loaded, server),
    )
    trust_calls(platform)
    note_capture(platform, [route], f"wrap-{name}")
    orders, governing = OrdersInForce(), Governing(loaded, platform, f"wrap-{name}-{os.getpid()}")
    guard = guard_for(loaded, platform, orders, governing.built)
    desk = desk_for(loaded, platform, governing.built.engine, [name])
    govern(governing, guard, desk, platform)
    taints = TaintLedger(lambda: guard.measures.taints, platform.database)
    control = GatewayControl(
        governing.name,
        loaded.data_dir,
        database=platform.database,
        journal=platform.journal,
        clock=platform.clock,
        orders=orders,
        pins=platform.pins,
        identities=platform.clients,
        guard=guard,
        routes={name: route},
        also=(desk.look, governing.look, taints.sync, *syncing(guard.redaction)),
    )
    control.answers |= {REFRESH: desk.on_refresh, **governing.answers}
    ledger = Ledger(platform.database, platform.clock, loaded.data_dir, platform.journal.writer)
    once = Once(control.gateway_id, ledger, platform.clock)
    control.answers |= Alone(name, planned.principal, child, once).answers
    control.answers |= TokenDoors(platform.revocations, None).answers
    governing.loop = asyncio.get_running_loop()
    note_service(platform, loaded, f"wrap-{name}", "admin.service.started")
    await control.start()
    try:
        control.addresses = {name: "standard input and output"}
        control.sandboxes = {name: child.sandbox.label}
        writer = Writer(sys.stdout.fileno())
        between = Between(
            route,
            child,
            writer,
            principal=planned.principal,
            guard=guard,
            journal=platform.journal,
            clock=platform.clock,
            gate=gate_for(loaded, platform),
            limits=Wrapped(
                message_bytes=settings.max_body_bytes, silence=settings.answer_seconds, ceiling=settings.ceiling_seconds
            ),
            desk=desk,
        )
        session = Session(between, inbox, Lines(sys.stdin.fileno(), settings.max_body_bytes), writer)
        yield session
        await writer.close(_PATIENCE)
        launches.exited(child, between, planned.principal, between.era, wanted=session.was_left)
    finally:
        await once.settle()
        await control.close()
    note_service(platform, loaded, f"wrap-{name}", "admin.service.stopped")
