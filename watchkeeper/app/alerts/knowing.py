"""What is known of an alert's server, tool and principal: asked in memory where it can be, in the control state else.

What nobody can answer yet (a catalogue of servers, dependencies, indicators) is said not to be known.
"""

from __future__ import annotations

import threading
from collections.abc import Mapping
from typing import Any
from urllib.parse import urlsplit

from watchkeeper.app.alerts.indicators import Indicators
from watchkeeper.app.platform import Platform
from watchkeeper.core.errors import NotFound
from watchkeeper.detect.alerts.model import Subject, Unknown
from watchkeeper.detect.alerts.ports import Source
from watchkeeper.detect.intelligence.keeping.library import Library
from watchkeeper.gateway.caller import AGENT
from watchkeeper.gateway.containment import OrderKind, OrdersInForce, spelt
from watchkeeper.gateway.measures.targets import touching
from watchkeeper.gateway.settings import ServerSettings
from watchkeeper.inspection.capabilities import capabilities

_KINDS = ("tool", "prompt", "resource")
_LONGEST = 256


class Asset:
    """The server, as the settings describe it."""

    def __init__(self, servers: Mapping[str, ServerSettings]) -> None:
        self._servers = servers

    def tell(self, subject: Subject) -> Mapping[str, Any] | Unknown:
        """How it is reached, and how much depends on it."""
        found = self._servers.get(subject.server)
        if found is None:
            return Unknown("no server of this name is in the settings" if subject.server else "it is about no server")
        by_command = bool(found.command)
        return {
            "transport": "stdio" if by_command else found.transport,
            "at": (found.command[0] if by_command else urlsplit(found.url).hostname or "")[:_LONGEST],
            "criticality": found.criticality,
            "shadow": found.shadow,
            "era": subject.era,
        }


class Definition:
    """What was pinned of the tool, prompt or resource: since when, changed when, approved by whom."""

    def __init__(self, platform: Platform) -> None:
        self._pins = platform.pins
        self._pins.label_tools(capabilities().of_tool)  # now, not between an event and its alert

    def tell(self, subject: Subject) -> Mapping[str, Any] | Unknown:
        """Its pin."""
        if not (subject.server and subject.target):
            return Unknown("it is about no tool")
        for kind in _KINDS:
            try:
                pin = self._pins.get(subject.server, subject.target, kind)
            except NotFound:
                continue
            return {
                "kind": kind,
                "state": pin.state.value,
                "pinned": pin.pinned,
                "seen": pin.seen,
                "first_seen": pin.first_seen,
                "changed_at": pin.changed_at,
                "change": pin.change,
                "approved_by": pin.approved_by,
                "approved_at": pin.approved_at,
                "reason": pin.reason[:_LONGEST],
                "labels": list(self._pins.labels(subject.server, kind, subject.target)),
            }
        return Unknown("the server never showed anything of this name")


class Identity:
    """The principal: since when there is one, what it may do, whether it is in quarantine."""

    def __init__(self, platform: Platform) -> None:
        self._on = platform

    def tell(self, subject: Subject) -> Mapping[str, Any] | Unknown:
        """Who it is."""
        principal = subject.principal
        if not principal:
            return Unknown("nobody was verified")
        if principal.startswith("system:"):
            return {"kind": "system"}
        if principal.startswith("operator:"):
            return self._operator(principal)
        for client in reversed(self._on.clients.clients()):
            if client.principal == principal:
                return {
                    "kind": "client",
                    "first_seen": client.created_at,
                    "minted_by": client.created_by,
                    "revoked_at": client.revoked_at,
                    "groups": list(client.groups)[:20],
                    **self._standing(subject),
                }
        if principal.startswith(AGENT) and "/" in principal:  # when it was first seen its issuer may know
            issuer = principal.removeprefix(AGENT).partition("/")[0].rpartition(":")[2]
            return {"kind": "subject", "issuer": issuer[:_LONGEST], **self._standing(subject)}
        return Unknown("no client of this name has, or had, a token here")

    def _standing(self, subject: Subject) -> dict[str, Any]:
        return {
            "grants": self._on.grants.count(subject.principal, subject.server),
            "quarantined": self._is_quarantined(subject.principal),
        }

    def _operator(self, principal: str) -> Mapping[str, Any] | Unknown:
        for person in self._on.roster.list():
            if person.actor == principal:
                return {"kind": "operator", "role": person.role, "revoked_at": person.revoked_at}
        return Unknown("it is on no roster; whoever may use the data folder need not be")

    def _is_quarantined(self, principal: str) -> bool:
        wanted = spelt(OrderKind.QUARANTINE_PRINCIPAL, principal)
        return any(
            order.kind is OrderKind.QUARANTINE_PRINCIPAL and order.target == wanted
            for order in self._on.orders.in_force()
        )


class Nobody:
    """A source that there is not yet."""

    def __init__(self, why: str) -> None:
        self._why = why

    def tell(self, subject: Subject) -> Mapping[str, Any] | Unknown:
        """Why it is not known."""
        return Unknown(self._why)


class Containments:
    """Which orders touch a subject, as of the newest; read anew when the orders' generation has moved."""

    def __init__(self, platform: Platform) -> None:
        self._book = platform.orders
        self._lock = threading.Lock()
        self._generation = -1
        self._touching = OrdersInForce()

    def standing(self, subject: Subject) -> int:
        """The generation of the last order given or lifted that touches it."""
        orders = touching(self._fresh(), subject.principal, subject.server, subject.target)
        return max((order.generation for order in orders), default=0)

    def tell(self, subject: Subject) -> Mapping[str, Any] | Unknown:
        """The orders that are in force and touch it."""
        found = touching(self._fresh(), subject.principal, subject.server, subject.target)
        there = [order for order in found if not order.lifted_at]
        return {"in_force": [f"{order.kind.value} {order.target}"[:_LONGEST] for order in there[:10]] or "nothing"}

    def _fresh(self) -> OrdersInForce:
        generation = self._book.generation()
        with self._lock:
            if generation != self._generation:
                self._touching = OrdersInForce(self._book.all(), generation)
                self._generation = generation
            return self._touching


def sources_of(
    platform: Platform, servers: Mapping[str, ServerSettings], library: Library | None = None
) -> dict[str, Source]:
    """Every source by its name, the quickest first."""
    return {
        "asset": Asset(servers),
        "containment": Containments(platform),
        "definition": Definition(platform),
        "identity": Identity(platform),
        "intelligence": (
            Indicators(library, servers, platform.pins, platform.clock)
            if library is not None
            else Nobody("no source of indicators is connected")
        ),
        "registry": Nobody("there is no catalogue of servers yet"),
        "advisories": Nobody("dependencies are not examined yet"),
    }
