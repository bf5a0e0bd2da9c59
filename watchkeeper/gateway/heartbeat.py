"""A heartbeat that the dead-man's switch asks for: an event like any other, to be looked for at the other end."""

from __future__ import annotations

import asyncio
from typing import Any

from watchkeeper.core.clock import Clock
from watchkeeper.core.control import Handler
from watchkeeper.core.text import visible
from watchkeeper.events import Journal, new_event

SOUNDED = "gateway.heartbeat.sounded"
DRILL = "exercise"
"""No figure about the real estate counts it."""


def sounding(gateway_id: str, journal: Journal, clock: Clock) -> Handler:
    """What the control socket answers to `heartbeat`: the id of the event, once it is durable."""

    async def sound(asked: dict[str, Any]) -> dict[str, str]:
        body = {"nonce": visible(str(asked.get("nonce", "")), limit=64)[:64]}
        event = new_event(
            clock.now(),
            SOUNDED,
            actor="system:deadman",
            target=gateway_id,
            outcome="success",
            labels=(DRILL,),
            body=body,
        )
        await asyncio.to_thread(journal.record, event)
        return {"event": event.id}

    return sound
