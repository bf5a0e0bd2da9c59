"""What integrations did, as facts in the journal, and as lines of the incident that they did it for."""

from __future__ import annotations

from typing import Any

from sqlalchemy.orm import Session

from watchkeeper.core.clock import Clock
from watchkeeper.core.ids import derived_id
from watchkeeper.events.model import VERSION, Event, Severity, new_event
from watchkeeper.respond.errands import Errand, Receipt
from watchkeeper.respond.ledger import Ledger
from watchkeeper.respond.model import ACTOR, Mark


class Minutes:
    """Stages facts in the caller's transaction; `flush` after it. The same fact twice is one."""

    def __init__(self, ledger: Ledger, clock: Clock) -> None:
        self._ledger = ledger
        self._clock = clock

    def flush(self) -> None:
        self._ledger.flush()

    def taken(self, session: Session, errand: Errand, receipt: Receipt, attempts: int) -> None:
        """It was taken; or was answered as if it were, and is not there."""
        body = {"said": receipt.said, "reference": receipt.reference, "attempts": attempts}
        name = f"{errand.verb.value} by {errand.integration}"
        if receipt.verified is False:
            event = self._event(errand, "respond.delivery.unverified", body)
            self._stage(session, errand, event, f"{name} is NOT verified: {receipt.said}", Mark.FAILED)
            return
        event = self._event(errand, "respond.delivery.taken", body | {"verified": receipt.verified is True})
        proof = "verified" if receipt.verified else "taken"
        reference = f" as {receipt.reference}" if receipt.reference else ""
        self._stage(session, errand, event, f"{name}: {proof}{reference}", Mark.ACTION)

    def failed(self, session: Session, errand: Errand, why: str, attempts: int) -> None:
        """It was not taken; said once for an errand, however often it is tried."""
        event = self._event(errand, "respond.delivery.failed", {"why": why, "attempts": attempts})
        what = f"{errand.verb.value} by {errand.integration} failed, and is tried again: {why}"
        self._stage(session, errand, event, what, Mark.FAILED)

    def abandoned(self, session: Session, errand: Errand, why: str, attempts: int) -> None:
        """It lies aside."""
        event = self._event(errand, "respond.delivery.abandoned", {"why": why, "attempts": attempts})
        what = (
            f"{errand.verb.value} by {errand.integration} was given up: {why}. "
            f"Do it by hand, or `watchkeeper integrations retry {errand.integration}`"
        )
        self._stage(session, errand, event, what, Mark.FAILED)

    def suspended(self, session: Session, name: str, why: str) -> None:
        """It failed in a row, and is left alone for a while."""
        self._ledger.stage(session, self._about(name, "respond.integration.suspended", "failure", {"why": why}))

    def resumed(self, session: Session, name: str) -> None:
        """It works again."""
        self._ledger.stage(session, self._about(name, "respond.integration.resumed", "success", {}))

    def _about(self, name: str, kind: str, outcome: str, body: dict[str, Any]) -> Event:
        severity = Severity.MEDIUM if outcome == "failure" else Severity.INFORMATIONAL
        return new_event(
            self._clock.now(),
            kind,
            actor=ACTOR,
            target=f"integration:{name}",
            outcome=outcome,
            severity=severity,
            body={"integration": name} | body,
        )

    def _event(self, errand: Errand, kind: str, body: dict[str, Any]) -> Event:
        done = kind.endswith("taken")
        about = {"integration": errand.integration, "verb": errand.verb.value, "number": errand.number}
        return Event(
            v=VERSION,
            id=derived_id("delivery event", errand.integration, errand.key, kind),
            time=self._clock.now(),
            kind=kind,
            actor=ACTOR,
            target=errand.incident or f"integration:{errand.integration}",
            outcome="success" if done else "failure",
            severity=Severity.INFORMATIONAL if done else Severity.MEDIUM,
            labels=errand.labels,
            body=about | body,
        )

    def _stage(self, session: Session, errand: Errand, event: Event, what: str, mark: Mark) -> None:
        self._ledger.stage(session, event, errand.incident, what if errand.incident else "", mark)
