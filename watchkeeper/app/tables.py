"""Every table of ours in one place: importing the domains' front doors registers them on `Base`."""

from __future__ import annotations

from watchkeeper import detect, registry, respond, web
from watchkeeper.core.database import Base
from watchkeeper.gateway import orders

METADATA = Base.metadata
DOMAINS = (detect, orders, registry, respond, web)
"""The domains that keep tables."""
