"""The policies in force in one process: those of its settings, and of the bundle that the control state orders.

1. A bundle is proven by the trusted keys of this process's own settings, whatever the control state says of it.
2. All of it is built before anything is swapped; what cannot be built is refused, and what was in force stays.
3. What was put in force is kept on this host's disk. An older order (a control state that was lost, or restored from a
   backup) does not take it back: this process goes on with what it has, and says so.
4. A gateway that begins to serve has the newest of both in force, or does not begin.
"""

from __future__ import annotations

import asyncio
import logging
import threading
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from watchkeeper.app.capturing import wanted_with_capture
from watchkeeper.app.flowing import following
from watchkeeper.app.flowing import prepared as prepared_flow
from watchkeeper.app.parts import egress_of, engine_of, times_of
from watchkeeper.app.platform import Platform
from watchkeeper.app.settings import Loaded
from watchkeeper.app.suppressing import judging, second_look_for
from watchkeeper.core.control import Handler
from watchkeeper.core.errors import Unavailable, Untrusted, WatchkeeperError
from watchkeeper.events import new_event
from watchkeeper.gateway.approvals.desk import Desk
from watchkeeper.gateway.bundles import BundleBook, Order, keep, kept
from watchkeeper.gateway.pipeline import Guard
from watchkeeper.inspection import Inspection
from watchkeeper.inspection.second import JudgedInspection
from watchkeeper.policy import PolicyEngine
from watchkeeper.policy.bundles import Manifest, Signed, prove
from watchkeeper.policy.packs import chosen

REFRESH = "policy.refresh"
"""What gateways are told when another bundle was ordered."""
STATUS = "policy.status"
_ACTOR = "system:gateway"
_PATIENCE = 30.0
_log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Taken:
    """A bundle, and since when it is ordered."""

    stamp: int
    signed: Signed

    @property
    def manifest(self) -> Manifest:
        return self.signed.bundle.manifest


@dataclass(frozen=True)
class Built:
    """Policies that can be put in force."""

    loaded: Loaded
    taken: Taken | None
    engine: PolicyEngine
    times: Callable[[], tuple[str, ...]] | None
    packs: tuple[str, ...] = ()
    """Those that are on: of the settings, with what they need, and of the bundle."""


class Governing:
    """Which policies are in force here, and since when. Blocking, but for what the control socket answers."""

    def __init__(self, loaded: Loaded, platform: Platform, name: str) -> None:
        """Raises `Untrusted`, `Misconfigured`, `Invalid` when what is ordered cannot be put in force."""
        self.name = name
        self.make_ready: Callable[[Built], Callable[[], None]] = lambda _: lambda: None
        """Prepares what policies need; what it returns puts them in force, on `loop` where there is one."""
        self.loop: asyncio.AbstractEventLoop | None = None
        self.note = ""
        """Why this is not what the control state orders; empty when it is."""
        self._platform = platform
        self._book = BundleBook(platform.database, platform.journal, platform.clock)
        self._taking = threading.Lock()
        self._passed: WatchkeeperError | None = None
        """Why the newest order was not taken."""
        self._since = platform.clock.now()
        self._seen = self._book.stamp()
        taken = self._newest(loaded)
        self.built = self.build(loaded, taken)
        if taken is not None:
            self._settle(taken)

    def build(self, loaded: Loaded, taken: Taken | None) -> Built:
        """Raises `Misconfigured`."""
        manifest = taken.manifest if taken is not None else None
        engine = engine_of(loaded, manifest)
        _ = engine.version  # reckoned here, and not while calls wait
        times = times_of(loaded, engine, self._platform.clock, manifest)
        own = [pack.name for pack in chosen(loaded.settings.policy.packs)]
        on = dict.fromkeys([*own, *(manifest.packs if manifest is not None else ())])
        return Built(loaded, taken, engine, times, tuple(on))

    def renewed(self, loaded: Loaded) -> Built:
        """The bundle in force under other settings, which may trust others. Raises what stands in the way."""
        taken = self.built.taken
        if taken is not None:
            taken = Taken(taken.stamp, prove(taken.signed.raw, loaded.settings.policy.trust))
        return self.build(loaded, taken)

    def follow(self, built: Built) -> None:
        """Other settings are in force from now on, with the bundle that they were prepared with.

        The next look takes over what came in between, and tries anew what was refused under those before.
        """
        self.built, self._seen, self._passed = built, -1, None

    def look(self) -> None:
        """Take over what the control state orders, if that is something else. Raises why it was not taken."""
        stamp = self._book.stamp()
        if stamp == self._seen:
            if self._passed is not None:
                raise self._passed
            return
        with self._taking:
            self._take()
            self._seen = stamp

    @property
    def answers(self) -> dict[str, Handler]:
        """What the control socket says about policies."""
        return {REFRESH: self.on_refresh, STATUS: self.on_status}

    async def on_refresh(self, _: dict[str, Any]) -> dict[str, Any]:
        await asyncio.to_thread(self.look)
        return self.told()

    async def on_status(self, _: dict[str, Any]) -> dict[str, Any]:
        return self.told()

    def told(self) -> dict[str, Any]:
        """What is in force, for people."""
        taken = self.built.taken
        bundle = None if taken is None else {"version": taken.manifest.version, "digest": taken.signed.bundle.digest}
        return {
            "gateway": self.name,
            "policies": self.built.engine.version,
            "count": len(self.built.engine.policies),
            "shadow": sum(policy.terms.is_shadow for policy in self.built.engine.policies),
            "packs": self.built.packs,
            "bundle": bundle,
            "signers": [] if taken is None else taken.signed.signers,
            "stamp": 0 if taken is None else taken.stamp,
            "since": self._since,
            "note": self.note,
        }

    def _newest(self, loaded: Loaded) -> Taken | None:
        """Of what is ordered and what was kept."""
        ordered, own = self._book.order(), kept(self._platform.data_dir)
        newest = max((one for one in (ordered, own) if one is not None), key=lambda one: one.stamp, default=None)
        if newest is None:
            return None
        if ordered is None or newest.stamp > ordered.stamp:
            self._say("the control state knows of no order as new as the bundle kept here, which stays in force")
        return Taken(newest.stamp, prove(newest.envelope, loaded.settings.policy.trust))

    def _take(self) -> None:
        order, before = self._book.order(), self.built.taken
        if before is not None and (order is None or order.stamp < before.stamp):
            self._pass_over("the control state orders an older bundle than the one in force here, which stays")
            return
        if order is None or (before is not None and order.stamp == before.stamp):
            self.note = ""
            return
        try:
            self._put(order)
        except WatchkeeperError as error:
            self._pass_over(error.reason, error.code)
            self._passed, self._seen = error, order.stamp
            raise
        self._passed, self.note = None, ""

    def _put(self, order: Order) -> None:
        """Prove, build, keep, swap; anew where other settings came in force meanwhile."""
        while True:
            loaded = self.built.loaded
            taken = Taken(order.stamp, prove(order.envelope, loaded.settings.policy.trust))
            built = self.build(loaded, taken)
            keep(self._platform.data_dir, order)
            if self._swapped(built, loaded):
                self._settle(taken)
                return

    def _swapped(self, built: Built, loaded: Loaded) -> bool:
        """Swap on the event loop, between two messages; False when other settings came in force meanwhile."""
        put, done, outcome = self.make_ready(built), threading.Event(), list[bool]()

        def swap() -> None:
            try:
                if self.built.loaded is loaded:
                    put()
                    self.built = built
                    outcome.append(True)
            finally:
                done.set()

        if self.loop is None:
            swap()
        else:
            self.loop.call_soon_threadsafe(swap)
        if not done.wait(_PATIENCE):
            raise Unavailable("the gateway was too busy to change its policies", hint="it tries again by itself")
        return bool(outcome)

    def _settle(self, taken: Taken) -> None:
        """It is in force: keep it, and record it."""
        platform = self._platform
        self._since = platform.clock.now()
        keep(platform.data_dir, Order(taken.stamp, taken.signed.raw))
        bundle = taken.signed.bundle
        body = {
            "version": bundle.manifest.version,
            "digest": bundle.digest,
            "stamp": taken.stamp,
            "policies": self.built.engine.version,
        }
        event = new_event(
            self._since, "policy.bundle.applied", actor=_ACTOR, target=self.name, outcome="success", body=body
        )
        platform.journal.record(event)

    def _pass_over(self, why: str, code: str = Untrusted.code) -> None:
        if self.note != why:
            self._say(why)
            self._book.refuse(_ACTOR, code, why, "", self.name)

    def _say(self, why: str) -> None:
        self.note = why
        _log.error("the policies in force are not those ordered", extra={"why": why})


def govern(governing: Governing, guard: Guard, desk: Desk, platform: Platform) -> None:
    """Have what is put in force judge and ask in this process."""

    def make_ready(built: Built) -> Callable[[], None]:
        looking = guard.looking_for(wanted_with_capture(built.loaded, built.engine.wanted), egress_of(built.loaded))
        assert isinstance(looking, Inspection | JudgedInspection)  # what `guard_for` handed in
        inspection, second = judging(built.loaded, looking), second_look_for(built.loaded, platform, looking.inspect)
        reading = prepared_flow(built.loaded, built.engine, platform)

        def put() -> None:
            flow = following(guard.flow, built.loaded, reading, platform)
            guard.follow(built.engine, inspection, built.times, flow)
            guard.second = second
            desk.follow(desk.settings, built.engine.version)

        return put

    governing.make_ready = make_ready
