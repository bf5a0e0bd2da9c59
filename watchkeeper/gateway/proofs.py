"""Asking gateways, and what their answers prove of an order. Below: each gateway's Unix socket."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import msgspec

from watchkeeper.core.control import ask
from watchkeeper.core.errors import WatchkeeperError
from watchkeeper.gateway.containment import Order, OrderKind
from watchkeeper.gateway.measures.model import Probe
from watchkeeper.gateway.presence import Standing

PATIENCE = 2.0
"""Seconds that a gateway has to answer a push or a probe."""
NO_ROUTE = "no_route"
"""The effect of a probe in a gateway that has no route to its server: nobody reaches it through that one."""


class Containment(msgspec.Struct, frozen=True):
    """Whether an order was seen to work: verified, or unverified with the reason."""

    is_verified: bool
    reason: str
    acknowledged: dict[str, int] = {}
    """Gateway → the generation it has in force."""
    answers: dict[str, dict[str, Any]] = {}
    """Gateway → what its live guard said to the probe."""
    silent: tuple[str, ...] = ()
    """Gateways that have not said what would prove it, or disprove it: a busy one may say it when it is asked again."""


def ask_all(standings: list[Standing], what: str, arguments: dict[str, Any]) -> dict[str, dict[str, Any]]:
    """The answers of those that answered."""
    if not standings:
        return {}

    def one(standing: Standing) -> dict[str, Any] | None:
        try:
            answer = ask(Path(standing.socket), what, arguments, timeout=PATIENCE)
        except WatchkeeperError:
            return None
        return answer if isinstance(answer, dict) else None

    with ThreadPoolExecutor(max_workers=min(16, len(standings))) as pool:
        answers = zip(standings, pool.map(one, standings), strict=True)
    return {standing.id: answer for standing, answer in answers if answer is not None}


def doubt(standings: list[Standing], acknowledged: dict[str, int], order: Order) -> str:
    """Why a probe would prove nothing; empty when it would."""
    if order.lifted_at:
        return "the order was lifted"
    if not standings:
        return "no gateway is running"
    late = behind(standings, acknowledged, order)
    return f"not acknowledged by {', '.join(late)}" if late else ""


def behind(standings: list[Standing], acknowledged: dict[str, int], order: Order) -> tuple[str, ...]:
    """The gateways that have not said that they have the order."""
    return tuple(sorted(s.id for s in standings if acknowledged.get(s.id, s.acknowledged) < order.generation))


def objection(gateways: list[str], answers: dict[str, dict[str, Any]], order: Order, probe: Probe) -> str:
    """Why the answers do not prove the order; empty when they do."""
    served = [gateway for gateway in gateways if answers.get(gateway, {}).get("effect") != NO_ROUTE]
    if not served:
        return "no gateway serves this server"
    stops = ("deny", "ask") if order.kind is OrderKind.TAINT_SOURCE else ("deny",)
    for gateway in served:
        answer = answers.get(gateway)
        if answer is None:
            return f"{gateway} did not answer the probe"
        is_named = order.rule in answer.get("rules", ())
        if probe.is_spared:
            if is_named:
                return f"{gateway} refused by this order what it does not mean"
            continue
        if answer.get("effect") not in stops:
            is_told = probe.supposing is not None and probe.supposing.is_outbound
            return f"{gateway} let the probe pass" + (f": {answer.get('reason', '')}" if is_told else "")
        if not answer.get("enforced", False):
            return f"{gateway} would have refused the probe, but the route is in shadow mode"
        if not is_named:
            return f"{gateway} refused the probe for another reason"
    return ""
