"""A watch process reduced to response, killed where its second argument says. Started by `test_durability`.

`STEP issued` is between an order's commit and anything that knows of it; the other places are named by the interpreter.
"""

from __future__ import annotations

import os
import signal
import sys
import threading
from pathlib import Path
from typing import Any

from watchkeeper.core.clock import SystemClock
from watchkeeper.core.database import Database
from watchkeeper.events import Journal, JournalReader
from watchkeeper.gateway.orders import Order, OrderBook, OrderKind
from watchkeeper.registry.pins import Pins
from watchkeeper.respond import RespondSettings
from watchkeeper.respond.service import Connections, RespondService


def die() -> None:
    os.kill(os.getpid(), signal.SIGKILL)


class Mortal(OrderBook):
    """An order book whose process dies right after an order was committed."""

    place = ""

    def issue(self, kind: OrderKind, target: str, **members: Any) -> Order:
        order = super().issue(kind, target, **members)
        if self.place == f"{kind.value} issued":
            die()
        return order


def main(data: Path, place: str) -> None:
    clock, stop = SystemClock(), threading.Event()
    database = Database.at(data / "state.db")
    journal = Journal.open(data, "watch", clock)
    orders = Mortal(database, journal, clock)
    orders.place = place

    def watch(where: str) -> None:
        if where == place:
            die()
        if where == "finished":
            stop.set()

    connections = Connections(database, journal, JournalReader(data), orders, Pins(database, journal, clock))
    service = RespondService(data, RespondSettings(), connections, watch=watch)
    threading.Thread(target=stop.wait, daemon=True).start()
    service.run(stop)
    journal.close()
    database.close()
    print("ended", flush=True)


if __name__ == "__main__":
    main(Path(sys.argv[1]), sys.argv[2])
