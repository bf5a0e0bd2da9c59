"""A watch process reduced to response, killed or stopped at one place of a run. Started by the durability tests and by
`bench/respond.py`.

`KIND issued` is between an order's commit and anything that knows of it, KIND being the order's; `sessions ended` and
`transport drained` are between what gateways did and its record, and so is `VERB acted` for what took place elsewhere;
the other places are named by the interpreter. It says `looking`, `held`, `at PLACE` and `ended`, each with the
monotonic clock's seconds.
"""

from __future__ import annotations

import argparse
import os
import signal
import sys
import threading
import time
from pathlib import Path
from typing import Any

from sqlalchemy import func, select

from tests.respond.rooms import Keys, ports
from watchkeeper.core.clock import SystemClock
from watchkeeper.core.database import Database
from watchkeeper.core.errors import WatchkeeperError
from watchkeeper.events import Journal, JournalReader
from watchkeeper.gateway.custody.model import Asked, Drained, Ending
from watchkeeper.gateway.custody.reach import Custodian, Said
from watchkeeper.gateway.holds import Subject
from watchkeeper.gateway.orders import Order, OrderBook, OrderKind
from watchkeeper.operators import Roster
from watchkeeper.policy.persons import PersonRules
from watchkeeper.registry.pins import Pins
from watchkeeper.respond import RespondSettings
from watchkeeper.respond._dbos import ENGINE_VERSION, DbosRunner
from watchkeeper.respond._engine_store import EngineStore
from watchkeeper.respond._store import FINISHED, RunRow
from watchkeeper.respond.gates.people import Electorate
from watchkeeper.respond.lease import Lease, Pace
from watchkeeper.respond.service import Connections, RespondService


def arguments(words: list[str] | None = None) -> argparse.Namespace:
    parser = argparse.ArgumentParser()
    parser.add_argument("data", type=Path)
    parser.add_argument("place", nargs="?", default="")
    parser.add_argument("--url", default="", help="the control state, when it is not the folder's file")
    parser.add_argument("--writer", default="watch")
    parser.add_argument("--stop", action="store_true", help="stop at the place, instead of being killed")
    parser.add_argument("--runs", type=int, default=1, help="end after so many runs have finished")
    parser.add_argument("--wait", action="store_true", help="be ready, and begin when a line comes in")
    parser.add_argument("--playbooks", default="")
    parser.add_argument("--engine", default=ENGINE_VERSION)
    parser.add_argument("--custody", action="store_true", help="reach the gateways' sessions, too")
    parser.add_argument("--trace", action="store_true", help="name every place")
    parser.add_argument("--rooms", action="store_true", help="act on what `premises` has, too")
    parser.add_argument("--forgetful", action="store_true", help="and there under other keys in each life")
    parser.add_argument("--silence", type=float, default=0.6, help="0: the lease's own pace")
    return parser.parse_args(words)


def say(what: str) -> None:
    sys.stdout.write(f"{what} {time.monotonic():.6f}\n")
    sys.stdout.flush()


class Mortal(OrderBook):
    """An order book whose process is struck right after an order was committed."""

    struck: Any = None

    def issue(self, kind: OrderKind, target: str, **members: Any) -> Order:
        order = super().issue(kind, target, **members)
        self.struck(f"{kind.value} issued")
        return order


class Hand(Custodian):
    """What ends sessions, whose process is struck right after that was done."""

    struck: Any = None

    def end(self, subject: Subject, asked: Asked) -> Said[Ending]:
        said = super().end(subject, asked)
        self.struck("sessions ended")
        return said

    def drain(self, server: str, within: float, asked: Asked) -> Said[Drained]:
        said = super().drain(server, within, asked)
        self.struck("transport drained")
        return said


class Loud(Lease):
    """Says when it is held."""

    def take(self, stop: threading.Event) -> bool:
        say("looking")
        is_held = super().take(stop)
        if is_held:
            say("held")
        return is_held


def main(chosen: argparse.Namespace) -> int:
    clock, stop = SystemClock(), threading.Event()
    finished = 0
    is_first = True

    def watch(where: str) -> None:
        nonlocal finished, is_first
        if is_first or chosen.trace or where in (chosen.place, "finished"):
            say(f"at {where}")
            is_first = False
        if where == chosen.place:
            os.kill(os.getpid(), signal.SIGSTOP if chosen.stop else signal.SIGKILL)
        if where == "finished":
            finished += 1
            if finished >= chosen.runs:
                stop.set()

    if chosen.wait:
        say("ready")
        sys.stdin.readline()
    database = Database(chosen.url) if chosen.url else Database.at(chosen.data / "state.db")
    journal = Journal.open(chosen.data, chosen.writer, clock)
    orders = Mortal(database, journal, clock)
    orders.struck = watch
    pins = Pins(database, journal, clock)
    electorate = Electorate(PersonRules(), Roster(database, journal, clock))
    reader, keys = JournalReader(chosen.data), Keys(is_forgetful=chosen.forgetful)
    also: dict[str, Any] = ports(chosen.data, database, journal, watch, keys) if chosen.rooms else {}
    if chosen.custody:
        also["custody"] = hand = Hand(database, clock)
        hand.struck = watch
    connections = Connections(database, journal, reader, orders, pins, electorate=electorate, also=also)
    runner = DbosRunner(EngineStore.beside(database, chosen.data / "playbooks.db"), engine_version=chosen.engine)
    lease = Loud(database, chosen.writer, pace=Pace(chosen.silence / 4, chosen.silence) if chosen.silence else None)
    settings = RespondSettings(playbooks=chosen.playbooks)
    with database.read() as session:
        finished = session.scalar(select(func.count()).select_from(RunRow).where(RunRow.state == FINISHED)) or 0
    service = RespondService(chosen.data, settings, connections, watch=watch, lease=lease, runner=runner)
    try:
        service.run(stop)
    except WatchkeeperError as error:
        say(f"{error.code}")
        return 3
    finally:
        journal.close()
        database.close()
    say("ended")
    return 0


if __name__ == "__main__":
    sys.exit(main(arguments()))
