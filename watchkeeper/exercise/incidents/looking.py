"""What stands in the estate while an incident is played: asked of it again and again, with a bound."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Mapping
from typing import Any, TypeVar

from watchkeeper.events import Event
from watchkeeper.exercise.demo import Unseen
from watchkeeper.exercise.incidents.model import Scripted
from watchkeeper.exercise.incidents.ports import Ground

WAIT = 60.0
"""Seconds to wait for what should be seen."""
REASON = "an exercise"
T = TypeVar("T")


class Looking:
    """One played incident, as it can be seen. Whoever plays sets what is known of it."""

    def __init__(self, ground: Ground, script: Scripted) -> None:
        self._ground = ground
        self._script = script
        self._number = ""
        """The incident's."""
        self._run: dict[str, Any] = {}
        """The playbook's run, as it was seen last."""
        self._alert: Event | None = None

    def _opened(self) -> list[dict[str, Any]]:
        return [row for row in self._ground.ask("incidents.list") if row["state"] != "closed"]

    def _state(self) -> str:
        return str(self._ground.ask("incidents.show", incident=self._number)["incident"]["state"])

    def _lift(self, order: str) -> None:
        self._ground.ask("quarantine.lift", order=order, reason=REASON)

    def _in_force(self) -> list[dict[str, Any]]:
        """The orders of this incident."""
        incident = self._run["run"]["incident"]
        return [one for one in self._ground.ask("quarantine.list") if one["incident"] == incident]

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

    async def _decide(self, voice: str, step: str, choice: str) -> None:
        gate = self._open(self._run)[step]
        said = {"gate": gate, "choice": choice, "comment": REASON}
        await asyncio.to_thread(lambda: self._ground.decide(voice, "playbooks.say", **said))

    async def _wait_run(self, holds: Callable[[Mapping[str, Any]], bool]) -> dict[str, Any]:
        def mine() -> list[str]:
            if self._run:
                return [self._run["run"]["id"]]
            rows = self._ground.ask("playbooks.runs", incident=self._number)
            is_asked = self._script.inputs is not None
            return [
                row["id"] for row in rows if row["playbook"] == self._script.book and bool(row["asked_by"]) == is_asked
            ]

        def look() -> list[dict[str, Any]]:
            found = (self._ground.ask("playbooks.run_show", run=run) for run in mine())
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


def _each(steps: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """These planned steps and those inside them."""
    inner = [_each(branch) for step in steps for branch in (step.get("branches") or {}).values()]
    return [*steps, *(one for block in inner for one in block)]
