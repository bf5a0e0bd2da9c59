"""Plays one scripted incident: the attack, the alert, the playbook, its proofs, its gates, its end, and back again.

Everything is looked up in what was recorded or asked of the running estate; what the playbook says of itself in words
counts for nothing. Every wait is bounded, and a step that is not seen in time is a failed step.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable, Mapping
from contextlib import nullcontext
from typing import Any, TypeVar

from watchkeeper.core.clock import SystemClock
from watchkeeper.core.errors import WatchkeeperError
from watchkeeper.events import Event
from watchkeeper.exercise.agent import AUTO
from watchkeeper.exercise.attacks.scene import Scene
from watchkeeper.exercise.demo import Timed, Unseen
from watchkeeper.exercise.incidents.model import Scripted
from watchkeeper.exercise.incidents.ports import Ground
from watchkeeper.exercise.model import Report, Step
from watchkeeper.exercise.stage import TOOLS, TRAINING

WAIT = 60.0
"""Seconds to wait for what should be seen."""
_RAISED = "detect.alert.raised"
_VERIFIED = "respond.containment.verified"
_REASON = "an exercise"
T = TypeVar("T")


class Rehearsal:
    """One run of an incident; `told` hears of each step as it ends."""

    def __init__(self, ground: Ground, script: Scripted, told: Callable[[Step], None]) -> None:
        self._ground = ground
        self._script = script
        self._scene = Scene(ground)
        self._told = told
        self._steps: list[Step] = []
        self._began = SystemClock().now()
        self._alert: Event | None = None
        self._number = ""
        self._run: dict[str, Any] = {}

    async def run(self) -> Report:
        """Every step in order, the first that is not seen is the last."""
        await self._harmless()
        self._began = SystemClock().now()
        try:
            for name, title, take in self._plan():
                if not await self._step(name, title, take):
                    break
        finally:
            self._scene.behave()
            await asyncio.to_thread(self._close)
        return Report(self._steps)

    async def _harmless(self) -> None:
        """Nothing in force of what was played before, and every tool as it was approved."""
        self._scene.behave()
        await asyncio.to_thread(self._ground.clear)
        async with self._scene.agent(era=AUTO) as agent:
            await agent.tools()
        for tool in TOOLS:
            await asyncio.to_thread(self._ground.approve, TRAINING, tool)

    def _plan(self) -> list[tuple[str, str, Callable[[], Awaitable[str | Timed]]]]:
        script = self._script
        plan: list[tuple[str, str, Callable[[], Awaitable[str | Timed]]]] = [
            ("happened", script.title, self._happen),
            ("alerted", "A rule raised an alert, and an incident is open", self._alerted),
            ("begun", f"The playbook {script.name} began (time since the alert)", self._begun),
        ]
        if script.verified:
            plan.append(("verified", "Each containment is proven by a probe (time since the alert)", self._verified))
        if script.unavailable:
            plan.append(("unavailable", "What nothing here carries out yet says so", self._unavailable))
        if script.refused is not None:
            plan.append(("refused", "What was contained does not work any more", self._refused))
        if script.approvals or script.manual:
            plan.append(("waiting", "What cannot be undone, or a person does, waits in the inbox", self._waiting))
        if script.lifted:
            plan.append(("undone", "The run is ended and what it did is taken back", self._undone))
            return plan
        if script.approvals:
            plan.append(("approved", "Another operator approves, and it is done and proven", self._approved))
        if script.manual:
            plan.append(("answered", "Another operator says what they did", self._answered))
        plan.append(("ended", f"The run ended, and the incident is {script.state}", self._ended))
        return plan

    # -- the steps: each returns its evidence, or raises `Unseen` ------------------------------------------------

    async def _happen(self) -> str:
        return await self._script.provoke(self._scene)

    async def _alerted(self) -> Timed:
        def raised() -> list[Event]:
            wanted = "" if self._script.inputs is not None else self._script.name
            since = [e for e in self._ground.events(_RAISED) if e.body.get("event_time", 0) >= self._began]
            return [e for e in since if not wanted or (e.body.get("playbook") == wanted and e.outcome != "deny")]

        alert = self._alert = (await self._wait(raised))[-1]

        def opened() -> list[str]:
            cases = (self._ground.ask("incidents.show", incident=row["id"]) for row in self._opened())
            return [case["incident"]["number"] for case in cases if alert.id in [a["id"] for a in case["alerts"]]]

        self._number = (await self._wait(opened))[0]
        took = max(0, alert.time - int(alert.body.get("event_time") or alert.time)) / 1000
        return Timed(f"{alert.body.get('name')}: {self._number}", took)

    async def _begun(self) -> Timed:
        script = self._script
        trouble = script.during(self._ground) if script.during is not None else nullcontext()
        with trouble:
            if script.inputs is not None:
                asked = {"playbook": script.name, "incident": self._number, "reason": _REASON, "inputs": script.inputs}
                await asyncio.to_thread(lambda: self._ground.ask("playbooks.run", **asked))
            self._run = await self._wait_run(lambda found: bool(found["steps"]) and self._is_whole(found))
        return Timed(f"run {self._run['run']['id'][:8]}", self._since_alert(self._run["run"]["begun_at"]))

    async def _verified(self) -> Timed:
        wanted = set(self._script.verified)
        self._run = await self._wait_run(lambda found: wanted <= self._proven(found))
        events = [e for e in self._ground.events(_VERIFIED) if e.body.get("run") == self._run["run"]["id"]]
        times = {e.body["step"]: self._since_alert(e.time) for e in events if e.body.get("step") in wanted}
        told = ", ".join(f"{step} {ms:.0f} ms" for step, ms in sorted(times.items(), key=lambda one: one[1]))
        return Timed(told, max(times.values(), default=0.0))

    async def _unavailable(self) -> str:
        wanted = set(self._script.unavailable)

        def said(found: Mapping[str, Any]) -> bool:
            return wanted <= {step["step"] for step in found["steps"] if step["state"] == "unavailable"}

        self._run = await self._wait_run(said)
        return ", ".join(sorted(wanted))

    async def _refused(self) -> str:
        assert self._script.refused is not None
        return await self._script.refused(self._scene)

    async def _waiting(self) -> str:
        wanted = set(self._script.approvals) | set(self._script.manual)
        self._run = await self._wait_run(lambda found: wanted <= set(self._open(found)))
        inbox = {gate["id"] for gate in await asyncio.to_thread(self._ground.ask, "playbooks.approvals")}
        if missing := [step for step in wanted if self._open(self._run)[step] not in inbox]:
            raise Unseen(f"not in the inbox: {', '.join(missing)}")
        done = [step["step"] for step in self._run["steps"] if step["step"] in wanted and step["state"] == "completed"]
        if done:
            raise Unseen(f"done before anybody agreed: {', '.join(done)}")
        return ", ".join(sorted(wanted))

    async def _approved(self) -> str:
        wanted = set(self._script.approvals)
        for step in wanted:
            await self._decide(step, "approve")
        self._run = await self._wait_run(lambda found: wanted <= self._proven(found))
        return ", ".join(sorted(wanted))

    async def _answered(self) -> str:
        for step in self._script.manual:
            await self._decide(step, "done")
        return ", ".join(self._script.manual)

    async def _ended(self) -> str:
        self._run = await self._wait_run(lambda found: found["run"]["state"] == "finished")
        state = await self._wait(lambda: [s for s in [self._state()] if s == self._script.state])
        return f"{self._number} is {state[0]}; the run: {self._run['run']['outcome']}"

    async def _undone(self) -> str:
        run = self._run["run"]["id"]
        before = await asyncio.to_thread(self._kinds)
        if missing := set(self._script.lifted) - before:
            raise Unseen(f"was not in force: {', '.join(sorted(missing))}")
        asked = {"run": run, "undo": True, "reason": _REASON}
        await asyncio.to_thread(lambda: self._ground.ask("playbooks.cancel", **asked))
        self._run = await self._wait_run(lambda found: found["run"]["state"] == "finished")
        left = await asyncio.to_thread(self._kinds)
        if still := set(self._script.lifted) & left:
            raise Unseen(f"is still in force: {', '.join(sorted(still))}")
        return f"lifted: {', '.join(self._script.lifted)}"

    # -- looking ---------------------------------------------------------------------------------------------------

    def _opened(self) -> list[dict[str, Any]]:
        return [row for row in self._ground.ask("incidents.list") if row["state"] != "closed"]

    def _state(self) -> str:
        return str(self._ground.ask("incidents.show", incident=self._number)["incident"]["state"])

    def _kinds(self) -> set[str]:
        incident = self._run["run"]["incident"]
        return {str(one["kind"]) for one in self._ground.ask("quarantine.list") if one["incident"] == incident}

    def _is_whole(self, found: Mapping[str, Any]) -> bool:
        """Whether this run's plan has all that the script wants; an earlier one knew of fewer alerts."""
        planned = [step for step in _each(found["plan"]["steps"]) if not (step.get("skip") or step.get("broken"))]
        names = {step["id"] for step in planned}
        return set(self._script.verified) | set(self._script.approvals) | set(self._script.unavailable) <= names

    @staticmethod
    def _proven(found: Mapping[str, Any]) -> set[str]:
        return {step["step"] for step in found["steps"] if step["verified"] is True}

    @staticmethod
    def _open(found: Mapping[str, Any]) -> dict[str, str]:
        kinds = ("approval", "manual")
        return {
            gate["step"]: gate["id"] for gate in found["gates"] if gate["state"] == "open" and gate["kind"] in kinds
        }

    async def _decide(self, step: str, choice: str) -> None:
        gate = self._open(self._run)[step]
        said = {"gate": gate, "choice": choice, "comment": _REASON}
        await asyncio.to_thread(lambda: self._ground.decide("playbooks.say", **said))

    async def _wait_run(self, holds: Callable[[Mapping[str, Any]], bool]) -> dict[str, Any]:
        def look() -> list[dict[str, Any]]:
            rows = self._ground.ask("playbooks.runs", incident=self._number)
            mine = [row for row in rows if row["playbook"] == self._script.name]
            if self._run:
                mine = [row for row in mine if row["id"] == self._run["run"]["id"]]
            found = (self._ground.ask("playbooks.run_show", run=row["id"]) for row in mine)
            return [one for one in found if holds(one)]

        try:
            return (await self._wait(look))[0]
        except Unseen as error:
            raise Unseen(f"{error}; {await asyncio.to_thread(self._how_it_stands)}") from None

    def _how_it_stands(self) -> str:
        rows = self._ground.ask("playbooks.runs", incident=self._number)
        mine = [self._ground.ask("playbooks.run_show", run=row["id"]) for row in rows]
        told = [
            ", ".join(f"{step['step']} {step['state']} {step['verified']} {step['summary']}" for step in one["steps"])
            for one in mine
        ]
        return " | ".join(told) or "no playbook ran"

    async def _wait(self, look: Callable[[], list[T]]) -> list[T]:
        deadline = time.monotonic() + WAIT
        while True:
            if found := await asyncio.to_thread(look):
                return found
            if time.monotonic() > deadline:
                raise Unseen(f"not seen within {WAIT:.0f} s")
            await asyncio.sleep(0.05)

    def _since_alert(self, moment: int) -> float:
        return max(0, moment - (self._alert.time if self._alert is not None else moment)) / 1000

    async def _step(self, name: str, title: str, take: Callable[[], Awaitable[str | Timed]]) -> bool:
        began, took = time.perf_counter(), None
        try:
            evidence = await take()
            seen, detail = True, evidence.detail if isinstance(evidence, Timed) else evidence
            took = evidence.ms if isinstance(evidence, Timed) else None
        except (Unseen, WatchkeeperError) as failure:
            seen, detail = False, str(failure)
        except Exception as failure:  # noqa: BLE001 — a step reports whatever broke it
            seen, detail = False, f"{type(failure).__name__}: {failure}"
        passed = (time.perf_counter() - began) * 1000 if took is None else took
        step = Step(name=name, title=title, seen=seen, ms=round(passed, 1), detail=detail[:1000])
        self._steps.append(step)
        self._told(step)
        return seen

    def _close(self) -> None:
        """Nothing of it stays: its orders are lifted, its incident is closed, also one that no label marks."""
        for row in self._ground.ask("playbooks.runs", incident=self._number) if self._number else ():
            if row["state"] != "finished":
                self._ground.ask("playbooks.cancel", run=row["id"], undo=True, reason=_REASON)
        self._ground.clear()
        if self._number and self._state() != "closed":
            self._ground.ask("incidents.close", incident=self._number, reason=_REASON)


def _each(steps: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """These planned steps and those inside them."""
    inner = [_each(branch) for step in steps for branch in (step.get("branches") or {}).values()]
    return [*steps, *(one for block in inner for one in block)]
