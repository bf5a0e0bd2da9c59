"""Scripted incidents played against an estate that is up. What happens in one stands in `exercise.incidents`."""

from __future__ import annotations

import asyncio
import os
import signal
import sqlite3
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from contextlib import AbstractContextManager, closing, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

from watchkeeper.app.administration import Administration
from watchkeeper.app.estate import RunningEstate
from watchkeeper.app.log_cutting import cut
from watchkeeper.app.staging import Stage
from watchkeeper.app.state import database_at
from watchkeeper.core.clock import SystemClock
from watchkeeper.core.errors import Conflict
from watchkeeper.exercise.incidents.model import Scripted
from watchkeeper.exercise.incidents.playing import Rehearsal
from watchkeeper.exercise.incidents.ports import ADMINS, RESPONDER, Held
from watchkeeper.exercise.members import Members
from watchkeeper.exercise.model import Report, Step
from watchkeeper.gateway.presence import Presence

_HOUR = 3600
_TRIES = 20
_ROLES = dict.fromkeys(ADMINS, "admin") | {RESPONDER: "responder"}
_SCOPES = ["approvals:decide", "playbooks:run"]


class Host(Protocol):
    """Whoever started the estate for this exercise."""

    def without(self, service: str) -> AbstractContextManager[None]:
        """While it is entered this service is down; then it is started again."""
        ...


@dataclass(frozen=True)
class Own:
    """What an estate has that was started for this exercise."""

    host: Host
    stage: Stage


def rehearse(
    data_dir: Path,
    urls: Mapping[str, str],
    scripts: Iterable[Scripted],
    told: Callable[[Step], None],
    own: Own | None = None,
) -> dict[str, Report]:
    """Play incidents one after the other against this estate, which must have the exercise's servers; name → report.

    `own` is given for an estate that nobody else uses: only there a log is cut, and a person lets a client act.
    """
    chosen = list(scripts)
    with RehearsalGround(data_dir, urls, own).staffed({name for one in chosen for name in one.voters}) as ground:
        return {one.name: asyncio.run(Rehearsal(ground, one, told).run()) for one in chosen}


class RehearsalGround(RunningEstate):
    """Implements `exercise.incidents.ports.Ground`."""

    def __init__(self, data_dir: Path, urls: Mapping[str, str], own: Own | None = None) -> None:
        super().__init__(data_dir, urls)
        self._own = own
        self._voices: dict[str, Administration] = {}

    @contextmanager
    def staffed(self, more: Collection[str] = ()) -> Iterator[RehearsalGround]:
        """With operators who decide; whoever began a run must not be the only one who approves it."""
        ask, names = self._ask.call, {RESPONDER, *more}
        people = {person["name"]: person for person in ask("operators.list")}
        for name in sorted(names):
            if name in people and not people[name]["revoked_at"]:
                ask("operators.revoke", name=name)
            ask("operators.invite", name=name, role_name=_ROLES[name])
            token = ask("operators.token", name=name, scopes=_SCOPES, seconds=_HOUR)["token"]
            self._voices[name] = Administration(self.data_dir, str(token))
        try:
            yield self
        finally:
            for name in sorted(names):
                ask("operators.revoke", name=name)
            self._close_about(names)

    def _close_about(self, names: Collection[str]) -> None:
        """That an administrator was invited is an alert; whoever invited them for an exercise has answered it."""
        guests = {f"operator:{name}" for name in names}
        for row in self._ask.call("incidents.list"):
            if row["opened_at"] < self._began or row["state"] == "closed":
                continue
            case = self._ask.call("incidents.show", incident=row["id"])
            if {alert["target"] for alert in case["alerts"]} <= guests:
                self._ask.call("incidents.close", incident=row["id"], reason="invited for an exercise, and gone")

    def ask(self, act: str, /, **arguments: Any) -> Any:
        return self._ask.call(act, **arguments)

    def decide(self, voice: str, act: str, /, **arguments: Any) -> Any:
        return self._voices[voice].call(act, **arguments)

    def forget_tokens(self) -> None:
        self._tokens.clear()

    def cut_log(self) -> str:
        with self._required().host.without("console"):
            return cut(self.data_dir, "console")

    @property
    def members(self) -> Members:
        return self._required().stage.members

    def sign_in(self, client: str) -> Held:
        return self._required().stage.sign_in(client)

    def _required(self) -> Own:
        if self._own is None:
            raise Conflict("this is not done on an estate that is somebody's", hint="play it without --data")
        return self._own

    @contextmanager
    def frozen_gateway(self) -> Iterator[None]:
        with closing(database_at(self.data_dir)) as database:
            pids = [one.pid for one in Presence(database, SystemClock()).serving()]
            if not pids:
                raise Conflict("no gateway runs that could be stopped", hint="start it with `watchkeeper up --demo`")
            file = None if database.is_server else database.engine.url.database
        for _ in range(_TRIES):
            _signal(pids, signal.SIGSTOP)
            if file is None or _is_free(file):
                break
            _signal(pids, signal.SIGCONT)  # it was stopped while it wrote, and would hold everybody up
        try:
            yield
        finally:
            _signal(pids, signal.SIGCONT)


def _signal(pids: Iterable[int], number: signal.Signals) -> None:
    for pid in pids:
        os.kill(pid, number)


def _is_free(file: str) -> bool:
    """Whether somebody can write to this SQLite file within a moment."""
    with closing(sqlite3.connect(file, timeout=0.5, isolation_level=None)) as link:
        try:
            link.execute("BEGIN IMMEDIATE")
            link.execute("ROLLBACK")
        except sqlite3.OperationalError:
            return False
    return True
