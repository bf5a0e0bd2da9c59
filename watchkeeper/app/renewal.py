"""Other settings for a gateway that serves: checked and built completely, then put in force at once, or not at all.

In two steps, so that several workers can first all agree: `prepare` does what can fail, in memory; `commit` swaps. What
takes effect is named in `LIVE`; a change elsewhere waits for a restart, and the answer says so.
"""

from __future__ import annotations

import asyncio
import logging
import socket
import time
from collections.abc import Iterable, Mapping
from contextlib import AsyncExitStack
from dataclasses import dataclass
from typing import Any

import msgspec

from watchkeeper.app.capturing import full_of, note_capture, wanted_with_capture
from watchkeeper.app.checking import check_quickly
from watchkeeper.app.endpoints import endpoints_over
from watchkeeper.app.flowing import following
from watchkeeper.app.flowing import prepared as prepared_flow
from watchkeeper.app.governing import Built, Governing
from watchkeeper.app.launching import command_of
from watchkeeper.app.limiting import Consumption, keep_ledger
from watchkeeper.app.parts import Ground, Stock, egress_of, pin_terms_of, routes_of, terms_of
from watchkeeper.app.platform import note_loaded, note_refused
from watchkeeper.app.settings import Loaded
from watchkeeper.app.suppressing import judging, note_suppressions, second_look_for
from watchkeeper.core.errors import Unavailable, WatchkeeperError
from watchkeeper.gateway.aggregate.model import Endpoint
from watchkeeper.gateway.approvals.desk import Desk
from watchkeeper.gateway.canary import Canary
from watchkeeper.gateway.control import GatewayControl
from watchkeeper.gateway.custody.room import Custody
from watchkeeper.gateway.fitting import Terms
from watchkeeper.gateway.flow.reading import Reading
from watchkeeper.gateway.judging import Notices
from watchkeeper.gateway.limits.ledger import Ledger
from watchkeeper.gateway.model import Route
from watchkeeper.gateway.pipeline import Guard
from watchkeeper.gateway.relay.relay import Relay
from watchkeeper.gateway.service import Gateway
from watchkeeper.gateway.settings import ServerSettings
from watchkeeper.gateway.weighing import SecondLook
from watchkeeper.inspection import Inspection
from watchkeeper.inspection.second import JudgedInspection
from watchkeeper.protocol.spawn import Spawner
from watchkeeper.registry.settings import PinTerms

LIVE = frozenset(
    {
        *("gateway", "servers", "endpoints", "issuers", "limits", "loops", "floods", "fetch"),
        *("policy", "approvals", "pins", "flow", "egress", "inspection", "redaction", "capture"),
    }
)
"""Sections whose changes take effect without a restart, `gateway.workers` excepted."""
WAITS = frozenset(
    {"state", "journal", "lake", "ingest", "sinks", "detect", "intelligence", "respond", "deadman", "console"}
)
"""All others: they are not the gateway's."""
_log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Fitted:
    """A gateway and what may take another's place in it."""

    gateway: Gateway
    control: GatewayControl
    guard: Guard
    terms: Terms
    relay: Relay | None
    desk: Desk
    canary: Canary
    governing: Governing
    custody: Custody


@dataclass
class Holdings:
    """What the parts hold beside themselves."""

    stock: Stock
    consumption: Consumption
    stack: AsyncExitStack
    """Left when the process ends."""


@dataclass(frozen=True)
class Prepared:
    """Settings that can be put in force."""

    loaded: Loaded
    routes: list[Route]
    endpoints: list[Endpoint]
    terms: Terms
    stock: Stock
    built: Built
    """The policies, with the bundle that was in force."""
    inspection: Notices
    """Looks for what the policy wants."""
    pins: PinTerms
    servers: dict[str, ServerSettings]
    ledger: Ledger | None
    stack: AsyncExitStack
    """What is open for it already."""
    reading: Reading
    """What the policy reads of labels, flow and counts."""
    second: SecondLook
    """At definitions that are new."""


class Renewal:
    """The configuration of one process, and how another takes its place."""

    def __init__(
        self, loaded: Loaded, ground: Ground, fitted: Fitted, holdings: Holdings, *, writer: str, demo: bool
    ) -> None:
        self.loaded = loaded
        """What is in force."""
        self.control = fitted.control
        self._ground = ground
        self._fitted = fitted
        self._gateway = fitted.gateway
        self._terms = fitted.terms
        self._holdings = holdings
        self._writer = writer
        self._demo = demo

    def served(self) -> dict[str, Any]:
        """Where clients reach what."""
        endpoints = addresses(self.loaded, self.loaded.settings.endpoints, self._gateway.ports)
        servers = addresses(self.loaded, self.control.routes, self._gateway.ports)
        return {"servers": servers, "endpoints": endpoints, "sandboxes": self.control.sandboxes}

    async def note_addresses(self, servers: Mapping[str, ServerSettings]) -> None:
        """Have the control socket say where clients reach what, and what confines the servers that are started."""
        self.control.sandboxes = await sandboxes(servers, self._ground.spawner)
        said = self.served()
        self.control.addresses = said["servers"] | said["endpoints"]

    async def prepare(self, loaded: Loaded) -> Prepared:
        """Check and build all of it; nothing changes yet. Raises `Misconfigured`, and what else stands in the way."""
        kept = with_ports_of(loaded, self._gateway.ports, self.loaded)
        servers = await asyncio.to_thread(check_quickly, kept, demo=self._demo)
        built = await asyncio.to_thread(self._fitted.governing.renewed, kept)
        policy = built.engine
        wanted = wanted_with_capture(kept, policy.wanted)
        looking = await asyncio.to_thread(self._fitted.guard.looking_for, wanted, egress_of(kept))
        assert isinstance(looking, Inspection | JudgedInspection)  # what `guard_for` handed in
        inspection = judging(kept, looking)
        second = second_look_for(kept, self._ground.platform, looking.inspect)
        routes, stock = routes_of(kept, servers, self._ground, self._holdings.stock)
        relay = self._fitted.relay
        terms = terms_of(kept, self._ground.platform, relay, (self.loaded, self._terms))
        endpoints = endpoints_over(kept, routes)
        self._gateway.check(routes, terms, endpoints)
        stack, ledger = AsyncExitStack(), self._holdings.consumption.ledger
        if ledger is None:
            ledger = await keep_ledger(kept, relay, stack)
        pins = pin_terms_of(kept)
        reading = await asyncio.to_thread(prepared_flow, kept, policy, self._ground.platform)
        return Prepared(
            loaded=loaded,
            routes=routes,
            endpoints=endpoints,
            terms=terms,
            stock=stock,
            built=built,
            inspection=inspection,
            pins=pins,
            servers=servers,
            ledger=ledger,
            stack=stack,
            reading=reading,
            second=second,
        )

    async def commit(
        self, prepared: Prepared, by: str, listening: Mapping[str, socket.socket] | None = None
    ) -> dict[str, Any]:
        """Put it in force; returns what has changed, and what waits for a restart.

        Raises `Conflict` when a port is taken, and then nothing has changed.
        """
        try:
            await self._gateway.change(prepared.routes, prepared.terms, prepared.endpoints, listening)
        except WatchkeeperError:
            await self.forget(prepared)
            raise
        self._fitted.guard.follow(
            prepared.built.engine,
            prepared.inspection,
            prepared.built.times,
            following(self._fitted.guard.flow, prepared.loaded, prepared.reading, self._ground.platform),
        )
        self._fitted.guard.second = prepared.second
        note_suppressions(self._ground.platform, prepared.second, self._writer)
        self._fitted.governing.follow(prepared.built)
        self._fitted.guard.redaction.vault.settings = prepared.loaded.settings.redaction
        self._fitted.desk.follow(prepared.loaded.settings.approvals, prepared.built.engine.version)
        self._fitted.desk.servers = [route.name for route in prepared.routes]
        self._ground.platform.pins.terms = prepared.pins
        if full_of(prepared.routes) != full_of(list(self.control.routes.values())):
            note_capture(self._ground.platform, prepared.routes, self._writer)
        self.control.routes = {route.name: route for route in prepared.routes}
        if prepared.terms.gate is not self._terms.gate:
            if prepared.ledger is not None:
                prepared.ledger.change(prepared.loaded.settings.limits, time.monotonic_ns())
            self._holdings.consumption.follow(prepared.terms.gate, prepared.ledger)
        self._holdings.stack.push_async_exit(prepared.stack)
        told = what_changed(self.loaded, prepared.loaded)
        self.loaded, self._terms, self._holdings.stock = prepared.loaded, prepared.terms, prepared.stock
        await self.note_addresses(prepared.servers)
        platform = self._ground.platform
        await asyncio.to_thread(note_loaded, platform, prepared.loaded, self._writer, by=by, **told)
        _log.info("other settings are in force", extra={"changed": told["changed"]})
        return {**told, **self.served(), "file": str(prepared.loaded.path or "")}

    async def forget(self, prepared: Prepared) -> None:
        """It is not put in force."""
        await prepared.stack.aclose()
        if prepared.terms.gate is not None and prepared.terms.gate is not self._terms.gate:
            await prepared.terms.gate.close()

    async def refuse(self, error: WatchkeeperError, by: str) -> None:
        """Remember that settings were not taken, and why: those that were in force still are."""
        _log.error("other settings were refused", extra={"why": error.reason, "hint": error.hint})
        await asyncio.to_thread(note_refused, self._ground.platform, self.loaded, self._writer, error, by=by)


def with_ports_of(loaded: Loaded, ports: Mapping[str, int], before: Loaded) -> Loaded:
    """The settings in which whoever asks for no port of its own keeps the one it has.

    Otherwise a new section in the middle would move all that follow, and a client would find another server at its URL.
    """
    gateway = loaded.settings.gateway
    if not gateway.port or (gateway.host, gateway.port) != (before.settings.gateway.host, before.settings.gateway.port):
        return loaded
    settings = loaded.settings
    asked = {one.port for one in settings.servers.values()} | {one.port for one in settings.endpoints.values()}

    def kept(name: str, port: int) -> int:
        have = ports.get(name, 0)
        return port if port or have in asked else have

    servers = {name: msgspec.structs.replace(one, port=kept(name, one.port)) for name, one in settings.servers.items()}
    endpoints = {
        name: msgspec.structs.replace(one, port=kept(name, one.port)) for name, one in settings.endpoints.items()
    }
    return msgspec.structs.replace(
        loaded, settings=msgspec.structs.replace(settings, servers=servers, endpoints=endpoints)
    )


def what_changed(before: Loaded, after: Loaded) -> dict[str, list[str]]:
    """Sections that differ: those that took effect, and those that wait for a restart."""
    old, new = msgspec.structs.asdict(before.settings), msgspec.structs.asdict(after.settings)
    changed: list[str] = []
    waits: list[str] = []
    for section in old:
        if old[section] == new[section]:
            continue
        named = _named(section, old[section], new[section])
        (changed if section in LIVE else waits).extend(named)
    if "gateway" in changed and before.settings.gateway.workers != after.settings.gateway.workers:
        waits.append("gateway.workers")
        same = msgspec.structs.replace(after.settings.gateway, workers=before.settings.gateway.workers)
        if same == before.settings.gateway:
            changed.remove("gateway")
    return {"changed": changed, "waits_for_restart": waits}


def _named(section: str, old: Any, new: Any) -> list[str]:
    if not isinstance(old, dict):
        return [section]
    return [f"{section}.{name}" for name in sorted({*old, *new}) if old.get(name) != new.get(name)]


async def sandboxes(servers: Mapping[str, ServerSettings], spawner: Spawner) -> dict[str, str]:
    """What confines each server that we start, said plainly where it is nothing."""
    labels: dict[str, str] = {}
    for name, server in servers.items():
        if not server.command:
            continue
        try:
            kind = await spawner.kind_for(command_of(server))
        except Unavailable as error:
            labels[name] = f"it will not be started: {error.reason}"
            continue
        labels[name] = kind.label
        if not kind.confines:
            _log.warning("a server is not confined", extra={"server": name, "why": kind.detail})
    return labels


def addresses(loaded: Loaded, names: Iterable[str], ports: Mapping[str, int]) -> dict[str, str]:
    """Name → URL for clients."""
    gateway = loaded.settings.gateway
    shown = f"[{gateway.host}]" if ":" in gateway.host else gateway.host
    scheme = "https" if gateway.tls_certificate else "http"
    return {name: f"{scheme}://{shown}:{ports[name]}{gateway.path}" for name in names}
