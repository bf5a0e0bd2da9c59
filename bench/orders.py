"""What orders cost a call: microseconds of the guard a call, without orders and with a thousand. `--json` for programs.

The product's own guard, wired as the gateway wires it, judges one 2 KB call again and again; no sockets. Each figure is
the best of several rounds. `none` is a gateway in which no order is in force.
"""

from __future__ import annotations

import argparse
import json
import tempfile
import time
from pathlib import Path

from _messages import CALL

from watchkeeper.app.gateway import assemble
from watchkeeper.app.platform import opened
from watchkeeper.app.settings import load
from watchkeeper.gateway.containment import Order, OrderKind
from watchkeeper.gateway.model import Route
from watchkeeper.gateway.pool import HttpUpstream
from watchkeeper.protocol.message import parse_message

MOST = 1_000
ROUNDS, CALLS = 30, 300
KINDS = {
    "names": (OrderKind.HOLD_TOOL, "other/tool_{}"),
    "versions": (OrderKind.BLOCK_VERSION, "other{}@<1.4"),
    "definitions": (OrderKind.BLOCK_TOOL_HASH, "sha256:{:064x}"),
    "read_only": (OrderKind.SET_READ_ONLY, "other{}"),
    "taints": (OrderKind.TAINT_SOURCE, "other/tool_{}"),
    "hosts": (OrderKind.DENY_EGRESS, "evil{}.example"),
}


def measure() -> dict[str, float]:
    figures: dict[str, float] = {}
    with tempfile.TemporaryDirectory() as folder:
        loaded = load(None, Path(folder))
        with opened(Path(folder), "gateway") as platform:
            upstream = HttpUpstream("http://127.0.0.1:9/mcp", loaded.settings.gateway)
            route = Route(name="bench", upstream=upstream)
            _, control = assemble(loaded, [route], platform)
            guard, message = control.guard, parse_message(CALL)

            def micros() -> float:
                best = float("inf")
                for _ in range(ROUNDS):
                    began = time.perf_counter_ns()
                    for _ in range(CALLS):
                        guard.on_request(route, "agent:bench", message)
                    best = min(best, (time.perf_counter_ns() - began) / CALLS / 1000)
                return round(best, 2)

            figures["orders_none_us"] = micros()
            for name, (kind, target) in KINDS.items():
                orders = [Order(str(i), kind, target.format(i), "", "operator:ada", 1, i) for i in range(MOST)]
                control._orders.replace(orders, 1)
                figures[f"orders_{MOST}_{name}_us"] = micros()
            control._orders.replace((), 2)
            figures["orders_lifted_us"] = micros()
    return figures


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--json", action="store_true")
    figures = measure()
    if parser.parse_args().json:
        print(json.dumps(figures))
        return
    for name, value in figures.items():
        print(f"{name:32} {value:8.2f}")


if __name__ == "__main__":
    main()
