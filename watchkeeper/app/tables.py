"""Every table of ours in one place: importing the rooms that keep tables registers them on `Base`."""

from __future__ import annotations

from watchkeeper.core.database import Base
from watchkeeper.detect import detector
from watchkeeper.detect.alerts.exceptions import book as exceptions
from watchkeeper.detect.alerts.queue import book as alerts
from watchkeeper.detect.hunts.standing import book as hunts
from watchkeeper.detect.proving import register
from watchkeeper.gateway import identity, orders
from watchkeeper.gateway.approvals import book as approvals
from watchkeeper.gateway.bundles import book as bundles
from watchkeeper.gateway.credentials import grants
from watchkeeper.gateway.custody import ledger as endings
from watchkeeper.gateway.flow import ledger as flow
from watchkeeper.gateway.redaction import values
from watchkeeper.gateway.revocations import book as revocations
from watchkeeper.operators import roster
from watchkeeper.registry import pins
from watchkeeper.respond import incidents, lease
from watchkeeper.respond.deadman import pausing
from watchkeeper.respond.gates import book as gates
from watchkeeper.respond.integrations import outbox as integrations
from watchkeeper.respond.oncall import book as oncall
from watchkeeper.respond.webhooks import outbox as webhooks
from watchkeeper.web import operators

METADATA = Base.metadata
ROOMS = (
    *(alerts, exceptions),
    *(approvals, bundles, detector, endings, flow, grants, identity, orders, pins, revocations),
    *(gates, hunts, incidents, integrations, lease, operators, register, roster, values, webhooks),
    *(oncall, pausing),
)
"""The rooms that keep tables."""
