"""Verdicts and rulings as the guard words them: each with its correlation id, and enforced unless in shadow."""

from __future__ import annotations

import itertools
import logging
import secrets

import msgspec

from watchkeeper.gateway.containment import Order
from watchkeeper.gateway.model import Route, Ruling
from watchkeeper.inspection.inspection import BROKEN
from watchkeeper.inspection.model import Finding
from watchkeeper.policy.model import Effect, Verdict

ERROR = "pipeline.error"
HELD = "pin.held"
_FAILED = Finding("pipeline", ERROR, BROKEN, 5)
_log = logging.getLogger(__name__)

Findings = tuple[Finding, ...]


class Rulings:
    """Makes them. The lowest part of the guard: it knows no message."""

    def __init__(self) -> None:
        self._prefix = secrets.token_hex(4)
        self._counter = itertools.count(1)

    def _deny(self, route: Route, findings: Findings, rules: tuple[str, ...], reason: str) -> Ruling:
        return Ruling(self._verdict(route, Effect.DENY, rules, reason), findings)

    def _verdict(
        self, route: Route, effect: Effect, rules: tuple[str, ...] = (), reason: str = "", after: Verdict | None = None
    ) -> Verdict:
        """A verdict; `after` a policy's, with what its policies in shadow mode would have done."""
        is_enforced = effect is Effect.ALLOW or not route.shadow
        verdict = Verdict(effect, rules, reason, is_enforced, f"{self._prefix}-{next(self._counter):x}")
        if after is None or after.would is None:
            return verdict
        return msgspec.structs.replace(verdict, shadowed=after.shadowed, would=after.would)

    def _failed(self, route: Route) -> Ruling:
        _log.exception("the pipeline failed", extra={"server": route.name})
        reason = "Watchkeeper could not judge this message, so it was stopped."
        return msgspec.structs.replace(self._deny(route, (_FAILED,), (ERROR,), reason), has_failed=True)


def unplaced(finding: Finding) -> Finding:
    """A finding in one definition said of the whole listing, where its path and offsets mean nothing."""
    return msgspec.structs.replace(finding, path="", start=0, end=0)


def contained(orders: tuple[Order, ...]) -> tuple[tuple[str, ...], str]:
    what = {order.kind for order in orders}
    words = " and ".join(sorted(kind.value.replace("_", " ") for kind in what))
    return tuple(order.rule for order in orders), f"A containment order is in force ({words}); an operator can lift it."


def held_reason(kind: str, server: str) -> str:
    return (
        f"Watchkeeper holds this {kind} of {server}: it is not the definition that was pinned, or inspection found "
        "something in it. A person must approve it first; do not try again until then."
    )
