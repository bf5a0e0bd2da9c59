"""Telling people."""

from __future__ import annotations

from typing import ClassVar

import msgspec

from watchkeeper.respond.actions.effects import NothingToUndo
from watchkeeper.respond.interface import ActionContext, Outcome, Reach
from watchkeeper.respond.model import Notification


class Notify(NothingToUndo):
    """Tells people what happened and what was done."""

    name: ClassVar[str] = "notify"
    reach: ClassVar[Reach] = Reach.NONE
    touches: ClassVar[str] = ""
    evidence: ClassVar[frozenset[str]] = frozenset({"channels"})

    class Parameters(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
        text: str

    def run(self, parameters: Parameters, context: ActionContext) -> Outcome:
        incident = context.incident
        notification = Notification(
            key=context.key,
            time=context.services.clock.now(),
            incident=str(incident["id"]),
            number=str(incident["number"]),
            title=str(incident["title"]),
            text=f"{parameters.text}\n{context.report}".strip(),
            severity=int(incident["severity"]),
            labels=tuple(incident["labels"]),
        )
        context.claim()
        channels = list(context.services.notifier.send(notification))
        return Outcome(f"told by {', '.join(channels)}", {"channels": channels})

    def by_hand(self, parameters: Parameters) -> str:
        return "Tell whoever is on call."
