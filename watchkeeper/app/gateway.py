"""The gateway process: routes, guard, control socket, and the order in which they begin and end."""

from __future__ import annotations

import asyncio
import os
import socket
from collections.abc import Callable, Collection, Mapping
from contextlib import AsyncExitStack
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from watchkeeper.app.approving import REFRESH
from watchkeeper.app.capturing import note_capture, trust_calls, wanted_with_capture
from watchkeeper.app.endpoints import endpoints_over
from watchkeeper.app.flowing import flow_for
from watchkeeper.app.governing import Built, Governing, govern
from watchkeeper.app.labelling import journal_class
from watchkeeper.app.launching import spawner_for
from watchkeeper.app.limiting import Consumption, keep_ledger
from watchkeeper.app.parts import Ground, egress_of, pin_terms_of, routes_of, terms_of
from watchkeeper.app.platform import Platform, note_service, opened
from watchkeeper.app.process import settle
from watchkeeper.app.redacting import redaction_for, syncing
from watchkeeper.app.renewal import Fitted, Holdings, Renewal
from watchkeeper.app.servers import effective
from watchkeeper.app.settings import Loaded
from watchkeeper.app.suppressing import judging, note_suppressions, second_look_for
from watchkeeper.core.errors import Conflict
from watchkeeper.core.files import Lock, make_private_folder
from watchkeeper.events import new_event
from watchkeeper.gateway.approvals.desk import Desk
from watchkeeper.gateway.canary import Canary
from watchkeeper.gateway.canary.visit import PRINCIPAL
from watchkeeper.gateway.containment import OrdersInForce
from watchkeeper.gateway.control import GatewayControl
from watchkeeper.gateway.custody.ledger import Ledger
from watchkeeper.gateway.custody.once import Once
from watchkeeper.gateway.custody.room import Custody
from watchkeeper.gateway.custody.tokens import TokenDoors
from watchkeeper.gateway.flow.ledger import FlowLedger
from watchkeeper.gateway.gaps import Gaps
from watchkeeper.gateway.heartbeat import sounding
from watchkeeper.gateway.lookout.freshness import Freshness
from watchkeeper.gateway.measures.ledger import TaintLedger
from watchkeeper.gateway.model import Route
from watchkeeper.gateway.pipeline import Guard
from watchkeeper.gateway.relay.relay import Relay
from watchkeeper.gateway.service import Gateway
from watchkeeper.gateway.sightings import observing
from watchkeeper.gateway.tasks import TaskLedger
from watchkeeper.inspection import Inspection
from watchkeeper.policy import PolicyEngine

WRITER = "gateway"
Greeting = Callable[[Platform], Mapping[str, Any]]
"""What else the ready line says."""


@dataclass(frozen=True)
class Post:
    """Which of a gateway's processes this is, and what it was given on its way."""

    writer: str = WRITER
    """Its log's name."""
    sockets: Mapping[str, socket.socket] = field(default_factory=dict)
    """Route → what listens for it already."""
    relay: Relay | None = None
    """Leads to the other workers, where there are any."""
    follows: Mapping[str, Any] | None = None
    """The worker that died in this one's place: number, process id, how it ended."""
    renewals: Callable[[Renewal], None] = lambda _: None
    """Told what changes the configuration, once there is one in force."""


@dataclass
class Stop:
    """When to stop, and how long calls under way may take then; seconds are the settings' unless said here."""

    asked: asyncio.Event
    within: float | None = None


async def serve(
    loaded: Loaded,
    post: Post,
    stop: Stop,
    ready: Callable[[Mapping[str, Any]], None],
    *,
    demo: bool,
    greeting: Greeting,
) -> None:
    """Serve every route in this process until told to stop, then drain. Raises what keeps it from starting."""
    servers = effective(loaded, demo=demo)
    with opened(
        loaded.data_dir, post.writer, journal_class(demo=demo), loaded.settings.journal, loaded.settings.state
    ) as platform:
        async with AsyncExitStack() as stack:
            workers = post.relay.count if post.relay is not None else 1
            gaps = Gaps.at(loaded.data_dir, post.writer, platform.journal, platform.clock)
            stack.callback(gaps.close)
            ground = Ground(platform, spawner_for(loaded), workers, gaps)
            stack.callback(ground.spawner.close)
            routes, stock = routes_of(loaded, servers, ground, {})
            fitted = fit_out(loaded, routes, platform, post.relay, gaps)
            gateway, control = fitted.gateway, fitted.control
            fitted.governing.loop = asyncio.get_running_loop()
            _note_start(platform, loaded, post)
            note_capture(platform, routes, post.writer)
            consumption = Consumption(fitted.terms.gate, await keep_ledger(loaded, post.relay, stack), post.relay)
            control.answers |= consumption.answers
            await control.start()
            stack.push_async_callback(control.close)
            greeted = greeting(platform)
            await gateway.start(post.sockets)
            watching = asyncio.create_task(fitted.canary.run())
            stack.callback(watching.cancel)
            finishing = asyncio.create_task(fitted.custody.recover())
            stack.callback(finishing.cancel)
            renewal = Renewal(
                loaded, ground, fitted, Holdings(stock, consumption, stack), writer=post.writer, demo=demo
            )
            await renewal.note_addresses(servers)
            post.renewals(renewal)
            settle()
            ready({**renewal.served(), **greeted})
            await stop.asked.wait()
            within = renewal.loaded.settings.gateway.drain_seconds
            await gateway.drain(within if stop.within is None else min(within, stop.within))
        note_service(platform, renewal.loaded, post.writer, "admin.service.stopped")


def _note_start(platform: Platform, loaded: Loaded, post: Post) -> None:
    if post.follows is not None:
        actor, body = f"system:{WRITER}", dict(post.follows)
        kind, now = "gateway.worker.replaced", platform.clock.now()
        platform.journal.append(new_event(now, kind, actor=actor, target=post.writer, outcome="failure", body=body))
    note_service(platform, loaded, post.writer, "admin.service.started")


def alone_on(data_dir: Path) -> Lock:
    """Two gateways on one folder would each hold half of its sessions and limits. Raises `Conflict`."""
    make_private_folder(data_dir)
    try:
        return Lock(data_dir / "run" / f"{WRITER}.lock").acquire(f"{data_dir}")
    except Conflict as error:
        raise Conflict(
            f"a gateway already runs on {data_dir}",
            hint="use that one, stop it, or give this one another folder with --data",
        ) from error


def assemble(
    loaded: Loaded, routes: list[Route], platform: Platform, relay: Relay | None = None
) -> tuple[Gateway, GatewayControl]:
    """A gateway with everything that is on by default, and its control; neither is started."""
    fitted = fit_out(loaded, routes, platform, relay)
    return fitted.gateway, fitted.control


def fit_out(
    loaded: Loaded, routes: list[Route], platform: Platform, relay: Relay | None = None, gaps: Gaps | None = None
) -> Fitted:
    """The same with what may take another's place later."""
    trust_calls(platform)
    orders, governing = OrdersInForce(), Governing(loaded, platform, f"{os.getpid()}")
    guard = guard_for(loaded, platform, orders, governing.built)
    desk = desk_for(loaded, platform, governing.built.engine, [route.name for route in routes])
    govern(governing, guard, desk, platform)
    terms = terms_of(loaded, platform, relay)
    platform.pins.terms = pin_terms_of(loaded)
    gateway = Gateway(
        routes,
        guard=guard,
        identities=platform.clients,
        journal=platform.journal,
        clock=platform.clock,
        settings=terms.settings,
        gate=terms.gate,
        issuers=terms.issuers,
        relay=relay,
        endpoints=endpoints_over(loaded, routes),
        desk=desk,
        revoked=platform.revocations,
    )
    control = GatewayControl(
        f"{os.getpid()}",
        loaded.data_dir,
        database=platform.database,
        journal=platform.journal,
        clock=platform.clock,
        orders=orders,
        pins=platform.pins,
        identities=platform.clients,
        guard=guard,
        routes={route.name: route for route in routes},
        also=(
            TaskLedger(guard.tasks, platform.database, platform.clock).sync,
            desk.look,
            TaintLedger(lambda: guard.measures.taints, platform.database).sync,
            FlowLedger(lambda: guard.flow, platform.database, platform.clock).sync,
            governing.look,
            platform.revocations.look,
            *syncing(guard.redaction),
            *([gaps.look] if gaps is not None else []),
        ),
    )
    if gaps is not None:
        control.recording = gaps.standing
    if relay is not None and guard.flow is not None:
        guard.flow.is_one_of_several = relay.count > 1
    control.answers |= {REFRESH: desk.on_refresh, **governing.answers}
    custody = custody_over(loaded, platform, control.gateway_id, gateway, guard)
    control.answers |= custody.answers
    control.answers |= TokenDoors(platform.revocations, gateway).answers
    canary = canary_over(control, platform, orders, guard)
    control.answers["canary.reports"] = canary.on_reports
    control.answers["heartbeat"] = sounding(control.gateway_id, platform.journal, platform.clock)
    return Fitted(gateway, control, guard, terms, relay, desk, canary, governing, custody)


def custody_over(loaded: Loaded, platform: Platform, gateway_id: str, gateway: Gateway, guard: Guard) -> Custody:
    """What ends sessions here, and knows what was ended before; it has not looked for what was left yet."""
    ledger = Ledger(platform.database, platform.clock, loaded.data_dir, platform.journal.writer)
    once = Once(gateway_id, ledger, platform.clock).recording(platform.journal, loaded.data_dir)
    return Custody(once, gateway, guard.tasks)


def canary_over(control: GatewayControl, platform: Platform, orders: OrdersInForce, guard: Guard) -> Canary:
    """What looks at this process's servers as somebody else; it is not started."""
    return Canary(
        lambda: control.routes,
        platform.pins,
        guard,
        platform.clock,
        notice=guard.notice,
        is_contained=lambda server: orders.denies(PRINCIPAL, server) is not None,
    )


def desk_for(loaded: Loaded, platform: Platform, policy: PolicyEngine, servers: Collection[str]) -> Desk:
    """Where this process asks people."""
    desk = Desk(platform.approvals, platform.pins, loaded.settings.approvals, policy.version)
    desk.servers = servers
    return desk


def guard_for(loaded: Loaded, platform: Platform, orders: OrdersInForce, built: Built) -> Guard:
    """The guard with everything that is on by default."""
    policy = built.engine
    wanted = wanted_with_capture(loaded, policy.wanted)
    inspection = Inspection.from_plugins(loaded.data_dir / "cache", wanted, egress_of(loaded))
    guard = Guard(
        orders=orders,
        pins=platform.pins,
        inspection=judging(loaded, inspection),
        policy=policy,
        asks=True,
        times=built.times,
        flow=flow_for(loaded, policy, platform),
        observe=observing(platform.pins),
        groups_of=platform.clients.groups_of,
        redaction=redaction_for(loaded, platform),
        freshness=Freshness(lambda server: platform.pins.terms.of(server)),  # noqa: PLW0108 — they are replaced
    )
    guard.second = look = second_look_for(loaded, platform, inspection.inspect)
    note_suppressions(platform, look, WRITER)
    return guard
