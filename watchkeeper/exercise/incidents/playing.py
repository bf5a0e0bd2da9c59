"""Plays one scripted incident: the attack, the alert, the playbook, its proofs, its gates, its end, and back again.

Everything is looked up in what was recorded or asked of the running estate; what the playbook says of itself in words
counts for nothing. Every wait is bounded, and a step that is not seen in time is a failed step.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable, Mapping
from contextlib import nullcontext, suppress
from typing import Any

from watchkeeper.core.clock import SystemClock
from watchkeeper.core.errors import Conflict, WatchkeeperError
from watchkeeper.events import Event
from watchkeeper.exercise.agent import AUTO
from watchkeeper.exercise.attacks.scene import Scene
from watchkeeper.exercise.demo import Timed, Unseen
from watchkeeper.exercise.incidents.looking import REASON, Looking
from watchkeeper.exercise.incidents.model import Scripted
from watchkeeper.exercise.incidents.ports import RESPONDER, Ground
from watchkeeper.exercise.incidents.scenes import look_again, still_refused, works_again
from watchkeeper.exercise.model import Report, Step
from watchkeeper.exercise.stage import THIEF, TOOLS, TRAINING

_DECIDED = "gateway.request.decided"
_LIFTED = "gateway.order.lifted"
_RAISED = "detect.alert.raised"
_VERIFIED = "respond.containment.verified"


class Rehearsal(Looking):
    """One run of an incident; `told` hears of each step as it ends."""

    def __init__(self, ground: Ground, script: Scripted, told: Callable[[Step], None]) -> None:
        super().__init__(ground, script)
        self._scene = Scene(ground)
        self._told = told
        self._steps: list[Step] = []
        self._began = SystemClock().now()
        self._restored_at = 0
        self._lifted: set[str] = set()
        """Orders that the run itself has taken back."""

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
            ("begun", f"The playbook {script.book} began (time since the alert)", self._begun),
        ]
        if script.verified:
            plan.append(("verified", "Each containment is proven by a probe (time since the alert)", self._verified))
        if script.unavailable:
            plan.append(("unavailable", "What nothing here carries out yet says so", self._unavailable))
        if script.tried:
            plan.append(("refused", "What was contained does not work any more", self._refused))
        if script.approvals or script.manual:
            plan.append(("waiting", "What cannot be undone, or a person does, waits in the inbox", self._waiting))
            plan.append(("standing", f"While it waits the incident is {script.waits or script.state}", self._standing))
        if script.is_undone:
            plan.append(("undone", "The run is ended and takes back what it did", self._undone))
        else:
            if script.approvals:
                plan.append(("approved", "Other operators approve, and it is done and proven", self._approved))
            if script.manual:
                plan.append(("answered", "Another operator says what they did", self._answered))
            plan.append(("ended", f"The run ended, and the incident is {script.state}", self._ended))
        plan.append(
            ("closed", "The incident is closed, and what is still in force is lifted, each a fact", self._closed)
        )
        if script.tried:
            plan.append(("restored", "What was contained works again", self._restored))
        if script.echo:
            plan.append(("echoed", "A rule tells that it was called, and that is closed", self._echoed))
        plan.append(("quiet", "Lifting it alarmed nobody, and the incident stays closed", self._quiet))
        return plan

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

    async def _undone(self) -> str:
        run, before = self._run["run"]["id"], await asyncio.to_thread(self._in_force)
        asked = {"run": run, "undo": True, "reason": REASON}
        await asyncio.to_thread(lambda: self._ground.ask("playbooks.cancel", **asked))
        self._run = await self._wait_run(lambda found: found["run"]["state"] == "finished")
        given = {order["id"]: order["kind"] for order in before if order["run"] == run}
        left = {order["id"] for order in await asyncio.to_thread(self._in_force)}
        if not given or left & given.keys():
            raise Unseen(f"in force before: {given}; afterwards: {left & given.keys()}")
        self._lifted = set(given)
        return f"lifted: {', '.join(sorted(given.values()))}"

    async def _closed(self) -> str:
        was_changed = "rug_pull" in self._scene.said
        self._scene.behave()
        if was_changed:
            await self._mended()
        await asyncio.to_thread(self._end)
        orders = await asyncio.to_thread(self._in_force)
        for order in orders:
            await asyncio.to_thread(self._lift, order["id"])
        lifted = self._lifted | {order["id"] for order in orders}

        def told() -> bool:
            return lifted <= {event.body["order"] for event in self._ground.events(_LIFTED)}

        await self._wait(lambda: [True] if told() else [])
        return f"lifted: {', '.join(sorted(order['kind'] for order in orders)) or 'nothing was left'}"

    async def _mended(self) -> None:
        """The server shows again what it should, and that is looked at: it belongs to this incident."""
        began = SystemClock().now()
        if await look_again(self._scene):
            looks = {"actor": f"agent:{THIEF}", "server": TRAINING}
            await self._wait(lambda: [e for e in self._ground.events(_DECIDED, **looks) if e.time >= began])
        await self._wait(lambda: [True] if self._ground.is_caught_up() else [])

    async def _restored(self) -> str:
        if "revoke" in self._script.approvals:
            await asyncio.to_thread(self._ground.forget_tokens)
        async with self._scene.agent(era=AUTO) as agent:
            await agent.tools()
        self._restored_at = SystemClock().now()
        return await works_again(self._scene, self._script.tried, self._script.by)

    async def _echoed(self) -> str:
        began = self._restored_at

        def told() -> list[str]:
            alerts = [e for e in self._ground.events(_RAISED) if e.body.get("name") == self._script.echo]
            ids = {e.id for e in alerts if e.body.get("event_time", 0) >= began}
            cases = (self._ground.ask("incidents.show", incident=row["id"]) for row in self._opened())
            return [c["incident"]["number"] for c in cases if ids & {alert["id"] for alert in c["alerts"]}]

        (number, *_) = await self._wait(told)
        close = {"incident": number, "reason": REASON}
        await asyncio.to_thread(lambda: self._ground.ask("incidents.close", **close))
        return f"{self._script.echo}: {number}"

    async def _quiet(self) -> str:
        await self._wait(lambda: [True] if self._ground.is_caught_up() else [])
        alerts = await asyncio.to_thread(self._ground.events, _RAISED)
        if told := [e.body.get("title") for e in alerts if e.body.get("event_kind") == _LIFTED]:
            raise Unseen(f"alerts about what was lifted on purpose: {told}")
        if (state := await asyncio.to_thread(self._state)) != "closed":
            raise Unseen(f"{self._number} is {state}")
        return f"{self._number} is closed"

    # -- around the steps ---------------------------------------------------------------------------------------

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
        if self._number:
            self._end()
        self._ground.clear()

    def _end(self) -> None:
        """Its runs are over, and it is closed."""
        for row in self._ground.ask("playbooks.runs", incident=self._number):
            if row["state"] != "finished":
                with suppress(Conflict):  # it has ended meanwhile
                    self._ground.ask("playbooks.cancel", run=row["id"], undo=True, reason=REASON)
        if self._state() != "closed":
            self._ground.ask("incidents.close", incident=self._number, reason=REASON)
