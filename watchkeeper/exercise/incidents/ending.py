"""How a scripted incident ends: what is in force is taken back, it is closed, and what was contained works again."""

from __future__ import annotations

import asyncio
from contextlib import suppress

from watchkeeper.core.clock import SystemClock
from watchkeeper.core.errors import Conflict
from watchkeeper.exercise.agent import AUTO
from watchkeeper.exercise.attacks.scene import Scene
from watchkeeper.exercise.demo import Unseen
from watchkeeper.exercise.incidents.granted import Granted
from watchkeeper.exercise.incidents.looking import REASON, Looking
from watchkeeper.exercise.incidents.model import Scripted
from watchkeeper.exercise.incidents.ports import Ground
from watchkeeper.exercise.incidents.scenes import look_again, still_refused, works_again
from watchkeeper.exercise.stage import THIEF

_DECIDED = "gateway.request.decided"
_LIFTED = "gateway.order.lifted"
_RAISED = "detect.alert.raised"

NO_GRANT = "needs a grant"
"""What a client is told for whom no person has signed in."""


class Ending(Looking):
    """The last steps of one played incident."""

    def __init__(self, ground: Ground, script: Scripted) -> None:
        super().__init__(ground, script)
        self._scene = Scene(ground, script.server)
        self._granted = Granted(ground, self._scene)
        self._restored_at = 0
        self._lifted: set[str] = set()
        """Orders that the run itself has taken back."""

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
            looks = {"actor": f"agent:{THIEF}", "server": self._scene.server}
            await self._wait(lambda: [e for e in self._ground.events(_DECIDED, **looks) if e.time >= began])
        await self._wait(lambda: [True] if self._ground.is_caught_up() else [])

    async def _locked_out(self) -> str:
        """What refuses it now is that there is no grant, and no order."""
        said = await still_refused(self._scene, self._script.tried, self._script.by)
        if NO_GRANT not in said:
            raise Unseen(f"it is refused for another reason: {said}")
        return said

    async def _restored(self) -> str:
        if self._script.is_granted:
            await self._granted.sign_in()
        elif "revoke" in self._script.approvals:
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

    def _end(self) -> None:
        """Its runs are over, and it is closed."""
        for row in self._ground.ask("playbooks.runs", incident=self._number):
            if row["state"] != "finished":
                with suppress(Conflict):  # it has ended meanwhile
                    self._ground.ask("playbooks.cancel", run=row["id"], undo=True, reason=REASON)
        if self._state() != "closed":
            self._ground.ask("incidents.close", incident=self._number, reason=REASON)
