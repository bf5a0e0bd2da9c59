"""The first exercise: honest calls in both eras, then a rug pull, a poisoned result and a leaking secret, each
stopped for real.

A real client calls real servers through the running gateway. Nothing here reaches behind the gateway's back: what
counts as *seen* is what the client got, what the journal recorded, what the playbook proved. Every wait is bounded; a
step that is not seen in time is a failed step.
"""

from __future__ import annotations

import asyncio
import json
import secrets
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import TypeVar

import msgspec

from watchkeeper.core.errors import WatchkeeperError
from watchkeeper.core.files import write_private
from watchkeeper.events import Event
from watchkeeper.exercise.agent import LEGACY, MODERN, Agent, connect
from watchkeeper.exercise.model import Report, Step
from watchkeeper.exercise.ports import Estate
from watchkeeper.exercise.stage import CLIENT, TIME, TRAINING, training_state

WAIT = 15.0
"""Seconds to wait for what should be seen."""

_BASE32 = "ABCDEFGHIJKLMNOPQRSTUVWXYZ234567"

T = TypeVar("T")
Told = Callable[[Step], None]


def fake_secret() -> str:
    """Text of the shape of a cloud provider's access key; drawn anew, so that it is nobody's."""
    return "AKIA" + "".join(secrets.choice(_BASE32) for _ in range(16))


class Demo:
    """One run of the exercise against an estate; `told` hears of each step as it ends."""

    def __init__(self, estate: Estate, told: Told) -> None:
        self._estate = estate
        self._told = told
        self._steps: list[Step] = []
        self._state = training_state(estate.data_dir)
        self._denials: list[Event] = []

    async def run(self) -> Report:
        """Every step in order. Raises nothing that a step can tell."""
        self._behave()
        await asyncio.to_thread(self._estate.clear)
        try:
            await self._honest_calls()
            await self._attacks()
            await self._response()
        finally:
            self._behave()
        return Report(self._steps)

    async def _honest_calls(self) -> None:
        await self._step("legacy_call", "A call in the older era passes and is recorded", self._legacy_call)
        await self._step("modern_call", "A call in the modern era passes and is recorded", self._modern_call)
        await self._step("pin_approved", "A tool's definition is approved", self._approve)

    async def _attacks(self) -> None:
        await self._step("poisoned_result_stopped", "An instruction hidden in a result is stopped", self._poison)
        await self._step("rug_pull_held", "A description changed after approval is held", self._rug_pull)
        await self._step("secret_stopped", "A secret in a call's arguments is stopped", self._leak)

    async def _response(self) -> None:
        await self._step("detected", "A rule raised an alert (time since the denial)", self._detected)
        await self._step("incident_opened", "One incident is open, with all of it", self._one_incident)
        await self._step(
            "contained",
            "The playbook contained it, a probe proved it (time since the alert)",
            self._contained,
        )
        await self._step("proof_verifies", "The decision is provable with the stand-alone verifier", self._proof)

    # -- the steps: each returns its evidence, or raises `Unseen` ------------------------------------------------

    async def _legacy_call(self) -> str:
        async with self._connected(TIME, LEGACY) as agent:
            answer = await agent.call("get_current_time", {"timezone": "UTC"})
            version = agent.version
        if answer.refused:
            raise Unseen(f"the call was refused: {answer.text}")
        await self._recorded(TIME, "get_current_time", "allow")
        return f"MCP {version}: {answer.text[:60]!r}"

    async def _modern_call(self) -> str:
        async with self._connected(TRAINING, MODERN) as agent:
            listed = await agent.tools()
            answer = await agent.call("weather", {"city": "Lisbon"})
            version = agent.version
        if answer.refused or "weather" not in listed:
            raise Unseen(f"the call was refused: {answer.text}")
        await self._recorded(TRAINING, "weather", "allow")
        return f"MCP {version}: {answer.text[:60]!r}"

    async def _approve(self) -> str:
        await asyncio.to_thread(self._estate.approve, TRAINING, "weather")
        events = await self._wait(lambda: self._estate.events("registry.pin.approved", server=TRAINING))
        return f"approved by {events[-1].actor}"

    async def _poison(self) -> str:
        self._behave(poison_result=True)
        async with self._connected(TRAINING, MODERN) as agent:
            answer = await agent.call("notes_read", {"name": "shopping"})
        if not answer.refused:
            raise Unseen("the poisoned result reached the client")
        return await self._denied("notes_read", answer.text)

    async def _rug_pull(self) -> str:
        self._behave(rug_pull=True)
        async with self._connected(TRAINING, MODERN) as agent:
            if "weather" in await agent.tools():
                raise Unseen("the changed tool is still listed")
            answer = await agent.call("weather", {"city": "Lisbon"})
        if not answer.refused:
            raise Unseen("the changed tool could be called")
        await self._wait(lambda: self._estate.events("registry.pin.changed", server=TRAINING))
        return await self._denied("weather", answer.text)

    async def _leak(self) -> str:
        async with self._connected(TRAINING, MODERN) as agent:
            answer = await agent.call("send_message", {"to": "someone@example.org", "text": f"key: {fake_secret()}"})
        if not answer.refused:
            raise Unseen("the secret left")
        return await self._denied("send_message", answer.text)

    async def _detected(self) -> Timed:
        cause = self._denials[0].time if self._denials else 0

        def about() -> list[Event]:
            """Alerts about the denial and what came after it; what honest calls raised before says nothing of it."""
            alerts = self._estate.events("detect.alert.raised", server=TRAINING)
            return [alert for alert in alerts if alert.body.get("event_time", alert.time) >= cause]

        alerts = await self._wait(about)
        first = min(alerts, key=lambda alert: alert.time)
        return Timed(str(first.body.get("title", "")), max(0, first.time - (cause or first.time)) / 1000)

    async def _one_incident(self) -> str:
        wanted = {"weather", "notes_read", "send_message"}

        def whole() -> list[str]:
            # an order that was lifted before this run may be an incident of its own, about the client
            incidents = [one for one in self._estate.incidents() if one["incident"]["server"] == TRAINING]
            if len(incidents) != 1:
                return []
            told = json.dumps(incidents[0], ensure_ascii=False, default=str)
            return [str(incidents[0]["incident"]["number"])] if all(tool in told for tool in wanted) else []

        return (await self._wait(whole))[0]

    async def _contained(self) -> Timed:
        verified = await self._wait(lambda: self._estate.events("respond.containment.verified", server=TRAINING))
        finished = await self._wait(lambda: self._estate.events("respond.playbook.finished"))
        if finished[-1].outcome != "success":
            raise Unseen(f"the playbook ended with {finished[-1].outcome}")
        alerts = self._estate.events("detect.alert.raised", server=TRAINING)
        if not alerts:
            raise Unseen("there is no alert to count from")
        took = (verified[0].time - min(a.time for a in alerts)) / 1000
        return Timed("every live gateway acknowledged, the probe was refused", took)

    async def _proof(self) -> str:
        if not self._denials:
            raise Unseen("there is no denial to prove")
        event = self._denials[0]
        proof = await asyncio.to_thread(self._estate.prove, event.id)
        return f"event {event.id}, {proof['size']} entries in the tree"

    # -- how a step is taken -----------------------------------------------------------------------------------------

    async def _step(self, name: str, title: str, take: Callable[[], Awaitable[str | Timed]]) -> None:
        began = time.perf_counter()
        took = None
        try:
            evidence = await take()
            seen, detail = True, evidence.detail if isinstance(evidence, Timed) else evidence
            took = evidence.ms if isinstance(evidence, Timed) else None
        except (Unseen, WatchkeeperError) as failure:
            seen, detail = False, str(failure)
        except Exception as failure:  # noqa: BLE001 — a step reports whatever broke it; the demo tells, it does not crash
            seen, detail = False, f"{type(failure).__name__}: {failure}"
        passed = (time.perf_counter() - began) * 1000 if took is None else took
        step = Step(name=name, title=title, seen=seen, ms=round(passed, 1), detail=detail)
        self._steps.append(step)
        self._told(step)

    @asynccontextmanager
    async def _connected(self, server: str, era: str) -> AsyncIterator[Agent]:
        token = await asyncio.to_thread(self._estate.token, CLIENT)
        async with connect(self._estate.url(server), token, era) as agent:
            yield agent

    async def _recorded(self, server: str, tool: str, outcome: str) -> list[Event]:
        return await self._wait(
            lambda: self._estate.events("gateway.request.decided", server=server, target=tool, outcome=outcome)
        )

    async def _denied(self, tool: str, told: str) -> str:
        def denials() -> list[Event]:
            decided = self._estate.events("gateway.request.decided", server=TRAINING, target=tool)
            return [e for e in decided if "deny" in (e.outcome, e.body.get("answer", {}).get("outcome"))]

        events = await self._wait(denials)
        self._denials.append(events[-1])
        return f"the client was told: {told[:100]!r}"

    async def _wait(self, look: Callable[[], list[T]]) -> list[T]:
        deadline = time.monotonic() + WAIT
        while True:
            if found := await asyncio.to_thread(look):
                return found
            if time.monotonic() > deadline:
                raise Unseen(f"not seen within {WAIT:.0f} s")
            await asyncio.sleep(0.02)

    def _behave(self, **flaws: bool) -> None:
        self._state.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        write_private(self._state, json.dumps(flaws).encode())


class Timed(msgspec.Struct, frozen=True):
    """Evidence that tells its own time: what the recorded events say, not how long the exercise looked for them."""

    detail: str
    ms: float


class Unseen(Exception):
    """What should have happened did not."""
