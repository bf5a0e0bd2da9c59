"""Plays one scripted incident: the attack, the alert, the playbook, its proofs, its gates, its end, and back again.

Everything is looked up in what was recorded or asked of the running estate; what the playbook says of itself in words
counts for nothing. Every wait is bounded, and a step that is not seen in time is a failed step.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable, Mapping
from contextlib import nullcontext
from typing import Any

from watchkeeper.core.clock import SystemClock
from watchkeeper.core.errors import WatchkeeperError
from watchkeeper.events import Event
from watchkeeper.exercise.demo import Timed, Unseen
from watchkeeper.exercise.incidents.ending import Ending
from watchkeeper.exercise.incidents.looking import REASON
from watchkeeper.exercise.incidents.model import Scripted
from watchkeeper.exercise.incidents.ports import RESPONDER, Ground
from watchkeeper.exercise.incidents.scenes import show_and_approve, still_refused
from watchkeeper.exercise.model import Report, Step

_RAISED = "detect.alert.raised"
_VERIFIED = "respond.containment.verified"

Take = Callable[[], Awaitable[str | Timed]]


class Rehearsal(Ending):
    """One run of an incident; `told` hears of each step as it ends."""

    def __init__(self, ground: Ground, script: Scripted, told: Callable[[Step], None]) -> None:
        super().__init__(ground, script)
        self._told = told
        self._steps: list[Step] = []
        self._began = SystemClock().now()

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
        if not self._script.is_granted:  # else nobody gets in yet
            await show_and_approve(self._scene)

    def _plan(self) -> list[tuple[str, str, Take]]:
        script = self._script
        is_asked, goes_on = bool(script.approvals or script.manual), not script.is_undone
        worthless = "What it was granted is worthless: to its issuer, to the server, and for a new token"
        ended = f"The run ended, and the incident is {script.state}"
        plan: list[tuple[object, str, str, Take]] = [
            (script.is_granted, "granted", "A person lets the client act for them", self._granted.lend),
            (True, "happened", script.title, self._happen),
            (True, "alerted", "A rule raised an alert, and an incident is open", self._alerted),
            (True, "begun", f"The playbook {script.book} began (time since the alert)", self._begun),
            (
                script.verified,
                "verified",
                "Each containment is proven by a probe (time since the alert)",
                self._verified,
            ),
            (script.unavailable, "unavailable", "What nothing here carries out yet says so", self._unavailable),
            (script.tried, "refused", "What was contained does not work any more", self._refused),
            (is_asked, "waiting", "What cannot be undone, or a person does, waits in the inbox", self._waiting),
            (
                is_asked,
                "standing",
                f"While it waits the incident is {script.waits or script.state}",
                self._standing,
            ),
            (script.is_undone, "undone", "The run is ended and takes back what it did", self._undone),
            (
                goes_on and script.approvals,
                "approved",
                "Other operators approve, and it is done and proven",
                self._approved,
            ),
            (script.is_granted, "worthless", worthless, self._granted.worthless),
            (goes_on and script.manual, "answered", "Another operator says what they did", self._answered),
            (goes_on, "ended", ended, self._ended),
            (True, "closed", "The incident is closed, and what is still in force is lifted, each a fact", self._closed),
            (
                script.is_granted,
                "locked_out",
                "No order is left, and still the client gets nothing there",
                self._locked_out,
            ),
            (script.tried, "restored", "What was contained works again", self._restored),
            (script.echo, "echoed", "A rule tells that it was called, and that is closed", self._echoed),
            (True, "quiet", "Lifting it alarmed nobody, and the incident stays closed", self._quiet),
        ]
        return [(name, title, take) for holds, name, title, take in plan if holds]

    # -- the steps: each returns its evidence, or raises `Unseen` ------------------------------------------------

    async def _happen(self) -> str:
        return await self._script.provoke(self._scene)

    async def _alerted(self) -> Timed:
        def raised() -> list[Event]:
            since = [e for e in self._ground.events(_RAISED) if e.body.get("event_time", 0) >= self._began]
            if self._script.alert:
                return [e for e in since if e.body.get("name") == self._script.alert]
            wanted = "" if self._script.inputs is not None else self._script.book
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
                asked = {"playbook": script.book, "incident": self._number, "reason": REASON, "inputs": script.inputs}
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
        return await still_refused(self._scene, self._script.tried, self._script.by)

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

    async def _standing(self) -> str:
        wanted = self._script.waits or self._script.state
        state = await self._wait(lambda: [s for s in [self._state()] if s == wanted])
        return f"{self._number} is {state[0]}"

    async def _approved(self) -> str:
        done, voters = set(self._script.approvals) - set(self._script.too_late), self._script.voters or (RESPONDER,)
        for step in self._script.approvals:
            for voice in voters:
                await self._still_asked(step)
                await self._decide(voice, step, "approve")
        self._run = await self._wait_run(lambda found: done <= self._proven(found) and self._has_given_up(found))
        return f"{', '.join(self._script.approvals)}, each by {len(voters)}"

    async def _still_asked(self, step: str) -> None:
        """Before the last of them has agreed nothing is done."""
        self._run = await self._wait_run(lambda found: step in self._open(found))
        if step in {one["step"] for one in self._run["steps"]}:
            raise Unseen(f"{step} was done before everybody agreed")

    def _has_given_up(self, found: Mapping[str, Any]) -> bool:
        given_up = {step["step"] for step in found["steps"] if step["state"] == "unavailable"}
        return set(self._script.too_late) <= given_up

    async def _answered(self) -> str:
        for step in self._script.manual:
            await self._decide(RESPONDER, step, "done")
        return ", ".join(self._script.manual)

    async def _ended(self) -> str:
        self._run = await self._wait_run(lambda found: found["run"]["state"] == "finished")
        state = await self._wait(lambda: [s for s in [self._state()] if s == self._script.state])
        return f"{self._number} is {state[0]}; the run: {self._run['run']['outcome']}"

    # -- around the steps ---------------------------------------------------------------------------------------

    async def _step(self, name: str, title: str, take: Take) -> bool:
        began, took = time.perf_counter(), None
        try:
            evidence = await take()
            seen, detail = True, evidence.detail if isinstance(evidence, Timed) else evidence
            took = evidence.ms if isinstance(evidence, Timed) else None
        except (Unseen, WatchkeeperError) as failure:
            seen, detail = False, str(failure)
        except Exception as failure:  # noqa: BLE001 — a step reports whatever broke it
            seen, detail = False, _innermost(failure)
        passed = (time.perf_counter() - began) * 1000 if took is None else took
        step = Step(name=name, title=title, seen=seen, ms=round(passed, 1), detail=detail[:1000])
        self._steps.append(step)
        self._told(step)
        return seen

    def _close(self) -> None:
        """Nothing of it stays: its orders are lifted, its incident is closed, also one that no label marks."""
        if self._number:
            self._end()
        self._ground.clear()


def _innermost(failure: BaseException) -> str:
    """What broke, be it told in a group of one."""
    while isinstance(failure, BaseExceptionGroup):
        failure = failure.exceptions[0]
    return f"{type(failure).__name__}: {failure}"
