"""Scripted incidents played against an estate that is up. What happens in one stands in `exercise.incidents`."""

from __future__ import annotations

import asyncio
import os
import signal
from collections.abc import Callable, Iterator, Mapping
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any

from watchkeeper.app.administration import Administration
from watchkeeper.app.estate import RunningEstate
from watchkeeper.app.state import database_at
from watchkeeper.core.clock import SystemClock
from watchkeeper.core.errors import Conflict
from watchkeeper.exercise.incidents.model import Scripted
from watchkeeper.exercise.incidents.playing import Rehearsal
from watchkeeper.exercise.model import Report, Step
from watchkeeper.gateway.presence import Presence

DECIDER = "exercise-responder"
"""The operator who decides in an exercise: invited for it, and gone afterwards."""
_HOUR = 3600


def rehearse(data_dir: Path, urls: Mapping[str, str], script: Scripted, told: Callable[[Step], None]) -> Report:
    """Play one incident against this estate, which must have the exercise's servers."""
    with RehearsalGround(data_dir, urls).staffed() as ground:
        return asyncio.run(Rehearsal(ground, script, told).run())


class RehearsalGround(RunningEstate):
    """Implements `exercise.incidents.ports.Ground`."""

    def __init__(self, data_dir: Path, urls: Mapping[str, str]) -> None:
        super().__init__(data_dir, urls)
        self._host = Administration(data_dir)
        self._decider: Administration | None = None

    @contextmanager
    def staffed(self) -> Iterator[RehearsalGround]:
        """With an operator who decides; whoever began a run must not be the only one who approves it."""
        ask = self._host.call
        people = {person["name"]: person for person in ask("operators.list")}
        if DECIDER in people and not people[DECIDER]["revoked_at"]:
            ask("operators.revoke", name=DECIDER)
        ask("operators.invite", name=DECIDER, role_name="responder")
        scopes = ["approvals:decide", "playbooks:run"]
        token = ask("operators.token", name=DECIDER, scopes=scopes, seconds=_HOUR)["token"]
        self._decider = Administration(self.data_dir, str(token))
        try:
            yield self
        finally:
            ask("operators.revoke", name=DECIDER)

    def ask(self, act: str, /, **arguments: Any) -> Any:
        return self._host.call(act, **arguments)

    def decide(self, act: str, /, **arguments: Any) -> Any:
        assert self._decider is not None
        return self._decider.call(act, **arguments)

    @contextmanager
    def frozen_gateway(self) -> Iterator[None]:
        with closing(database_at(self.data_dir)) as database:
            pids = [one.pid for one in Presence(database, SystemClock()).serving()]
        if not pids:
            raise Conflict("no gateway runs that could be stopped", hint="start it with `watchkeeper up --demo`")
        for pid in pids:
            os.kill(pid, signal.SIGSTOP)
        try:
            yield
        finally:
            for pid in pids:
                os.kill(pid, signal.SIGCONT)
