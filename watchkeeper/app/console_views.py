"""Servers, lists of incidents, orders, notifications and journal state as the console's ports want them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import msgspec

from watchkeeper.app.administration import WATCH
from watchkeeper.app.platform import Platform
from watchkeeper.app.standing import recording, standing
from watchkeeper.app.verification import Verification
from watchkeeper.core import control
from watchkeeper.core.clock import SECOND
from watchkeeper.core.errors import NotFound, WatchkeeperError
from watchkeeper.core.files import socket_path
from watchkeeper.gateway.containment import SERVERS, Order
from watchkeeper.gateway.presence import Presence
from watchkeeper.gateway.settings import ServerSettings
from watchkeeper.registry import Pin as Known
from watchkeeper.registry.history import told
from watchkeeper.respond import Incident as Opened
from watchkeeper.respond.incidents import IncidentDesk
from watchkeeper.respond.notifications import ConsoleNotifier
from watchkeeper.web.model import (
    Anchor,
    DefinitionChange,
    IncidentRow,
    Lake,
    Notification,
    OrderRow,
    Pin,
    PinMoment,
    Server,
    Writer,
)

EXERCISE = "exercise"


class ServersView:
    """The servers of the settings, and what the registry knows of them."""

    def __init__(self, platform: Platform, servers: Mapping[str, ServerSettings]) -> None:
        self._on = platform
        self._servers = servers
        self._presence = Presence(platform.database, platform.clock)

    def servers(self) -> Sequence[Server]:
        live = self._live_routes()
        contained = {order.target for order in self._on.orders.in_force() if order.kind in SERVERS}
        return [self._server(name, server, live, contained) for name, server in self._servers.items()]

    def pins(self, server: str) -> Sequence[Pin]:
        pins = self._on.pins
        return [_pin(pin, pins.labels(pin.server, pin.kind, pin.name)) for pin in pins.list(server)]

    def diff(self, server: str, kind: str, name: str) -> DefinitionChange:
        taken = self._on.pins.snapshot(server, name, kind)
        texts = {sighting.fingerprint: _readable(sighting.canonical) for sighting in taken.history}
        findings = [f.label for s in taken.history if s.fingerprint == taken.pin.seen for f in s.findings]
        return DefinitionChange(
            old=texts.get(taken.pin.pinned, ""),
            new=texts.get(taken.pin.seen, ""),
            old_fingerprint=taken.pin.pinned,
            new_fingerprint=taken.pin.seen,
            findings=sorted(set(findings)),
            summary=taken.summary,
        )

    def history(self, server: str, kind: str, name: str) -> Sequence[PinMoment]:
        taken = self._on.pins.snapshot(server, name, kind)
        pin = taken.pin
        moments = [
            PinMoment(m.first_seen, "; ".join(m.summary[:3]) or "first shown by the server", m.fingerprint)
            for m in told(taken)
        ]
        if pin.pruned:
            moments.append(PinMoment(pin.first_seen, f"{pin.pruned} later definitions are in the journal only"))
        if pin.approved_at:
            moments.append(PinMoment(pin.approved_at, "approved", pin.pinned, pin.approved_by))
        return sorted(moments, key=lambda moment: moment.time, reverse=True)

    def _live_routes(self) -> Mapping[str, str]:
        """Server → address, as the running gateways say."""
        routes: dict[str, str] = {}
        for gateway in self._presence.serving():
            try:
                routes |= control.ask(Path(gateway.socket), "status", timeout=2.0).get("addresses", {})
            except WatchkeeperError:
                continue
        return routes

    def _server(self, name: str, server: ServerSettings, live: Mapping[str, str], contained: set[str]) -> Server:
        status = "quarantined" if name in contained else "up" if name in live else "unknown"
        detail = "" if name in live else "no running gateway says that it serves this"
        return Server(
            name=name,
            runs=server.url or " ".join((Path(server.command[0]).name, *server.command[1:])),
            address=live.get(name, ""),
            shadow=server.shadow,
            status=status,
            detail=detail,
        )


class IncidentsView:
    """Incidents, as the desk knows them."""

    def __init__(self, desk: IncidentDesk) -> None:
        self._desk = desk

    def list(self, state: str = "") -> Sequence[IncidentRow]:
        return [_row(incident) for incident in self._desk.list(state=state)]


class OrdersView:
    """Orders, newest first."""

    def __init__(self, platform: Platform) -> None:
        self._on = platform

    def all(self) -> Sequence[OrderRow]:
        return [order_row(order) for order in reversed(self._on.orders.all())]


class NotificationsView:
    """What people were told."""

    def __init__(self, notifier: ConsoleNotifier) -> None:
        self._notifier = notifier

    def recent(self) -> Sequence[Notification]:
        return [Notification(n.time, "console", f"{n.number}: {n.text}") for n in self._notifier.latest()]


class JournalView:
    """The journal's logs and the lake; what was not looked at is not known."""

    def __init__(self, platform: Platform, verification: Verification) -> None:
        self._on = platform
        self._verification = verification

    def writers(self) -> Sequence[Writer]:
        return self._verification.writers()

    def lake(self) -> Lake | None:
        try:
            said = control.ask(socket_path(self._on.data_dir, WATCH), "status", timeout=2.0)["lake"]
        except WatchkeeperError:
            return None
        updated = self._on.clock.now() - int(said["seconds"] * SECOND)
        return Lake(behind=said["rows"], updated_at=updated)

    def suspended(self) -> str:
        return "; ".join(said for row in standing(self._on.data_dir) if (said := recording(row["facts"])))

    def anchors(self) -> Sequence[Anchor]:
        said = control.ask(socket_path(self._on.data_dir, WATCH), "status", timeout=2.0)
        return [_anchor(one) for one in said["anchors"]]


def _anchor(said: dict[str, Any]) -> Anchor:
    if said["contradictions"]:
        state, detail = "contradicted", "The journal was rewritten, cut or replaced since. Keep its files as evidence."
    elif said["failing_since"]:
        state, detail = "unreachable", str(said["why"])
    else:
        state, detail = "anchored" if said["compared_at"] else "unknown", ""
    return Anchor(str(said["place"]), state, said["copied_at"] or None, said["compared_at"] or None, detail)


def _pin(pin: Known, labels: Sequence[str]) -> Pin:
    return Pin(
        server=pin.server,
        kind=pin.kind,
        name=pin.name,
        state=pin.state.value,
        fingerprint=pin.seen,
        first_seen=pin.first_seen,
        approved_by=pin.approved_by,
        approved_at=pin.approved_at or None,
        reason=pin.reason,
        change=pin.change,
        origin=f"{pin.origin} from {pin.origin_of}" if pin.origin else "",
        labels=labels,
    )


def _readable(canonical: bytes) -> str:
    return msgspec.json.format(canonical, indent=2).decode()


def _row(incident: Opened) -> IncidentRow:
    return IncidentRow(
        id=incident.number,
        title=incident.title,
        severity=incident.severity,
        state=incident.state.value,
        opened_at=incident.opened_at,
        updated_at=incident.updated_at,
        server=incident.server,
        principal=incident.principal,
        alerts=incident.alert_count,
        containment=_containment(incident),
        exercise=EXERCISE in incident.labels,
        status=incident.status.value,
        assignee=incident.assignee,
    )


def _containment(incident: Opened) -> str:
    if incident.state.value in ("unverified", "partly_contained"):
        return incident.state.value
    return "contained" if incident.contained_at else "none"


def order_row(order: Order) -> OrderRow:
    """An order as pages show it."""
    return OrderRow(
        id=order.id,
        kind=order.kind.value,
        target=order.target,
        reason=order.reason,
        issued_by=order.issued_by,
        issued_at=order.issued_at,
        incident=order.incident,
        lifted_at=order.lifted_at or None,
        lifted_by=order.lifted_by,
        run=order.run,
        asked_by=order.asked_by,
    )


__all__ = ["IncidentsView", "JournalView", "NotFound", "NotificationsView", "OrdersView", "ServersView"]
