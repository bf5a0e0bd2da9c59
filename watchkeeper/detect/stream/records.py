"""What the stream records of its own troubles: a stage that failed, a memory that was lost. Pure; ids are derived."""

from __future__ import annotations

import msgspec

from watchkeeper.core.ids import derived_id
from watchkeeper.detect.alerts.model import ACTOR
from watchkeeper.detect.stream.memories import Loss
from watchkeeper.events import Event, Position, Severity
from watchkeeper.events.model import VERSION

STAGE_FAILED = "detect.stage.failed"
MEMORY_LOST = "detect.memory.lost"


def stage_failure(stage: str, at: tuple[Event, Position], now: int, *, why: str, silent: int, worker: int) -> Event:
    """A stage could not look at an event; `silent` failures before it were not recorded."""
    event, position = at
    return Event(
        v=VERSION,
        id=derived_id("stage failure", stage, worker, position.writer, position.index, event.id),
        time=now,
        kind=STAGE_FAILED,
        tenant=event.tenant,
        actor=ACTOR,
        server=event.server,
        target=event.target,
        outcome="failure",
        body={
            "stage": stage,
            "why": why,
            "event": event.id,
            "position": {"writer": position.writer, "index": position.index},
            "silent": silent,
        },
    )


def memory_lost(reader: str, loss: Loss, now: int) -> Event:
    """What a stage remembered could not be given back to it."""
    return Event(
        v=VERSION,
        id=derived_id("memory lost", reader, loss.memory, now),
        time=now,
        kind=MEMORY_LOST,
        actor=ACTOR,
        target=loss.memory,
        outcome="failure",
        severity=Severity.HIGH,
        body={"reader": reader, **msgspec.structs.asdict(loss)},
    )
