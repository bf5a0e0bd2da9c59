"""What servers list, brought to the registry off the event loop."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence

from watchkeeper.gateway.listings import Observe
from watchkeeper.gateway.rulings import Findings
from watchkeeper.inspection.fingerprints import Definition
from watchkeeper.registry.model import Observation
from watchkeeper.registry.pins import Pins


def observing(pins: Pins) -> Observe:
    """`pins.observe` as the guard wants it: awaitable, and harmless to the event loop."""

    async def observe(
        server: str, definitions: Sequence[Definition], findings: Mapping[str, Findings], whole: str
    ) -> Observation:
        known = pins.recall(server, definitions, whole)
        if known is not None:
            return known
        return await asyncio.to_thread(pins.observe, server, definitions, findings, whole)

    return observe
