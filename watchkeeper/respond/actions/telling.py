"""Telling people."""

from __future__ import annotations

from typing import ClassVar

import msgspec

from watchkeeper.respond.interface import ActionContext, NothingToUndo, Outcome, Reach
from watchkeeper.respond.model import Notification


class Notify(NothingToUndo):
    """Tells people what happened and what was done."""

    name: ClassVar[str] = "notify"
    reach: ClassVar[Reach] = Reach.NONE
    touches: ClassVar[str] = ""
    evidence: ClassVar[frozenset[str]] = frozenset({"channels"})

    class Parameters(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
        text: str
        channels: tuple[str, ...] = ()
        """Integrations that are told beside those whose settings ask for this severity."""

    def run(self, parameters: Parameters, context: ActionContext) -> Outcome:
        done = f"\nDone so far:\n{context.report}" if context.report else ""
        return self._send(parameters, context, f"{parameters.text}{done}", context.key)

    def undo(self, parameters: Parameters, context: ActionContext) -> Outcome:
        """What was told is not untold: the same people are told that it is taken back."""
        return self._send(parameters, context, f"CORRECTION, taken back: {parameters.text}", f"{context.key}:undo")

    def _send(self, parameters: Parameters, context: ActionContext, text: str, key: str) -> Outcome:
        incident = context.incident
        notification = Notification(
            key=key,
            time=context.services.clock.now(),
            incident=str(incident["id"]),
            number=str(incident["number"]),
            title=str(incident["title"]),
            text=text,
            severity=int(incident["severity"]),
            labels=tuple(incident["labels"]),
            channels=parameters.channels,
        )
        context.claim()
        channels = list(context.services.notifier.send(notification))
        return Outcome(f"told by {', '.join(channels)}", {"channels": channels})

    def by_hand(self, parameters: Parameters) -> str:
        return "Tell whoever is on call."
