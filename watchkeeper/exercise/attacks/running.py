"""Runs attacks one after the other, and waits for what detection says of each.

What counts is what was recorded: alerts about events since the attack began, of rules that are expected, or that name
one of the attack's techniques; what else was raised meanwhile is not about it. Every wait is bounded. When no rule is
expected, the wait ends once detection has looked at everything; then silence is an answer, and it is recorded as one.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Callable, Iterable

from watchkeeper.core.clock import SystemClock
from watchkeeper.core.errors import WatchkeeperError
from watchkeeper.detect.alerts.model import RAISED
from watchkeeper.detect.proving.silence import HELD_BACK, SILENCED
from watchkeeper.events import Event
from watchkeeper.exercise.attacks.model import Attack, Outcome, Result, Spoke
from watchkeeper.exercise.attacks.scene import Scene
from watchkeeper.exercise.ports import Cleared, Estate

PATIENCE = 5.0
"""Seconds to wait for an alert."""
_SETTLED = 0.4
"""Seconds after which a detection that has caught up is believed to say no more."""
_ROUNDS = 4
"""What is lifted and closed at the end may raise an alert once more; this often it is looked again."""
_ALERT = "detect.alert"
_FINISHED = "respond.playbook.finished"
_log = logging.getLogger(__name__)
Told = Callable[[Outcome], None]


class Range:
    """One run; `told` hears of each attack as it ends, before the next begins."""

    def __init__(self, estate: Estate, told: Told, patience: float = PATIENCE) -> None:
        self._estate = estate
        self._scene = Scene(estate)
        self._told = told
        self._patience = patience
        self._clock = SystemClock()
        self.cleared = Cleared()
        """What was lifted and closed so far, between attacks and behind the last."""

    async def run(self, attacks: Iterable[Attack]) -> list[Outcome]:
        """Every attack in turn. Raises nothing that an outcome can tell."""
        outcomes = []
        try:
            for attack in attacks:
                await self._clear()
                outcome = await self._one(attack)
                self._told(outcome)
                outcomes.append(outcome)
        finally:
            await self._leave()
        return outcomes

    async def _clear(self) -> bool:
        """A harmless server, and nothing in force of what playbooks did about the attack before; whether there was."""
        self._scene.behave()
        cleared = await asyncio.to_thread(self._estate.clear)
        self.cleared += cleared
        return bool(cleared)

    async def _leave(self) -> None:
        """The stage as it was. Definitions that are shown as before, and orders that are lifted, raise alerts too."""
        await self._clear()
        try:
            async with self._scene.agent() as agent:
                await agent.tools()
        except Exception:  # noqa: BLE001 — the attacks are through; a server that is gone shows nothing anew
            _log.info("the training server could not be asked for its tools again", exc_info=True)
        for _ in range(_ROUNDS):
            await self._settled()
            if not await self._clear():
                return

    async def _settled(self) -> None:
        """Until detection and response have looked at everything for a moment, as long as patience lasts."""
        began = quiet = time.monotonic()
        while (now := time.monotonic()) - quiet < min(_SETTLED, self._patience) and now - began < self._patience:
            if not await asyncio.to_thread(self._estate.is_caught_up):
                quiet = now
            await asyncio.sleep(0.03)

    async def _one(self, attack: Attack) -> Outcome:
        began, clock = self._clock.now(), time.perf_counter()
        try:
            result = await attack.act(self._scene)
        except WatchkeeperError as failure:
            return _outcome(attack, Result(stopped=False, detail=""), (), 0.0, failed=failure.reason)
        except Exception as failure:  # noqa: BLE001 — whatever breaks one attack is told, and the others go on
            return _outcome(
                attack, Result(stopped=False, detail=""), (), 0.0, failed=f"{type(failure).__name__}: {failure}"
            )
        alerts = await self._alerts(attack, began)
        took = (time.perf_counter() - clock) * 1000
        await self._response(alerts, began)
        return _outcome(attack, result, [one for one in alerts if _is_about(one, attack)], took)

    async def _alerts(self, attack: Attack, began: int) -> list[Event]:
        start = time.monotonic()
        while True:
            alerts = await asyncio.to_thread(self._since, began)
            waited = time.monotonic() - start
            if any(alert.body.get("name") in attack.expected for alert in alerts):
                return alerts
            if waited > self._patience:
                return alerts
            if not attack.expected and waited > _SETTLED and await asyncio.to_thread(self._estate.is_caught_up):
                return await asyncio.to_thread(self._since, began)
            await asyncio.sleep(0.03)

    async def _response(self, alerts: Iterable[Event], began: int) -> None:
        """Wait for the playbook that an alert asks for: what it orders would be taken for the next attack's end."""
        deadline = time.monotonic() + self._patience
        if not any(alert.body.get("playbook") and alert.outcome != "deny" for alert in alerts):
            return  # what the gateway stopped by itself needs no playbook
        while time.monotonic() < deadline:
            finished = await asyncio.to_thread(self._estate.events, _FINISHED)
            if any(event.time >= began for event in finished):
                return
            await asyncio.sleep(0.03)

    def _since(self, began: int) -> list[Event]:
        since = (one for one in self._estate.events(_ALERT) if one.body.get("event_time", 0) >= began)
        return [one for one in since if one.kind == RAISED or (one.kind == SILENCED and HELD_BACK in _reasons(one))]


def _reasons(alert: Event) -> list[str]:
    return list(alert.body.get("reasons") or ())


def _is_about(alert: Event, attack: Attack) -> bool:
    return alert.body.get("name") in attack.expected or bool(set(attack.techniques) & _tags(alert))


def _tags(alert: Event) -> set[str]:
    """As attacks write them: SAFE-MCP's ids in short."""
    return {str(tag).replace("safe-mcp.safe-", "safe-mcp.") for tag in alert.body.get("tags") or ()}


def _outcome(attack: Attack, result: Result, alerts: Iterable[Event], ms: float, failed: str = "") -> Outcome:
    return Outcome(
        name=attack.name,
        title=attack.title,
        techniques=attack.techniques,
        expected=attack.expected,
        detected=tuple({spoke.rule: spoke for spoke in map(_spoke, alerts)}.values()),
        stopped=result.stopped,
        ms=round(ms, 1),
        detail=result.detail[:300],
        failed=failed,
    )


def _spoke(alert: Event) -> Spoke:
    body = alert.body
    took = max(0, alert.time - int(body.get("event_time") or alert.time)) / 1000
    return Spoke(str(body.get("rule", "")), str(body.get("name", "")), alert.id, round(took, 1))
