"""Limits and loop detection: microseconds a message. Run `python bench/limits.py [--json] [--quick]`.

enter_N_us: a message is let in, and what it holds is settled, with N limits that all speak of it (none matching: the
look-up alone). leased_us: the same with units lent from a shared ledger, the ledger's share of the work included.
loops_2kb_us: a tool call of 2 KB looked at for repetition, each unlike the last; loops_same_us: the same over and over.
Peer: a mutex-guarded token bucket as textbooks write it, in floating point, for one limit.
Each figure is the best of several rounds, as the floor is what the code costs; the host adds to it.
"""

from __future__ import annotations

import json
import sys
import threading
import time
from collections.abc import Callable, Sequence

from watchkeeper.gateway.limits.bank import Bank
from watchkeeper.gateway.limits.gate import Gate, Held, Lacking
from watchkeeper.gateway.limits.leases import Leases
from watchkeeper.gateway.limits.ledger import Ledger
from watchkeeper.gateway.limits.loops import Repeats
from watchkeeper.gateway.limits.model import Caller
from watchkeeper.gateway.limits.settings import LimitSettings, LoopSettings

QUICK = "--quick" in sys.argv
MANY = 10**12
CALLER = Caller("laptop", "git", "tools/call", "git_status", "default", ("dev",))
LIMITS = {
    "calls": LimitSettings(per=("principal",), calls=MANY),
    "rate": LimitSettings(per=("principal", "tool"), calls=MANY, burst=MANY),
    "bytes": LimitSettings(per=("tenant",), bytes_in=MANY, bytes_out=MANY),
    "at-once": LimitSettings(concurrent=64),
    "budget": LimitSettings(per=("principal",), cost=1e9, cost_per_call=0.001, costs={"*/deep": 1.0}),
}


def best(work: Callable[[], object], rounds: int = 2 if QUICK else 5, seconds: float = 0.03 if QUICK else 0.1) -> float:
    """Microseconds a call."""
    work()
    found = float("inf")
    for _ in range(rounds):
        count, start = 0, time.perf_counter()
        while time.perf_counter() - start < seconds:
            for _ in range(10):
                work()
            count += 10
        found = min(found, (time.perf_counter() - start) / count * 1e6)
    return round(found, 3)


def message(gate: Gate) -> Callable[[], object]:
    def work() -> None:
        now = time.monotonic_ns()
        held = gate.enter(CALLER, 2048, now)
        if isinstance(held, Held):
            held.answered(2048, now)
            held.release()

    return work


class Direct(Bank):
    """A bank without a socket: the ledger is asked in the same breath."""

    def __init__(self, ledger: Ledger) -> None:
        self.leases = Leases()
        self.leases.open()
        self.ledger = ledger


def leased() -> float:
    bank = Direct(Ledger(LIMITS))
    gate = Gate(LIMITS, bank=bank)

    def work() -> None:
        now = time.monotonic_ns()
        entry = gate.enter(CALLER, 2048, now)
        while isinstance(entry, Lacking):
            needs = [(meter, need) for _, _, meter, need in entry.needs(now)]
            items = [meter.ask(need) for meter, need in needs]
            Leases.lend([meter for meter, _ in needs], bank.ledger.serve(1, items, now))
            entry = gate.enter(CALLER, 2048, now)
        if isinstance(entry, Held):
            entry.answered(2048, now)
            entry.release()

    return best(work)


def loops(different: Sequence[bytes]) -> float:
    repeats = Repeats(LoopSettings(refuse=MANY))
    numbers = iter(range(10**9))

    def work() -> None:
        repeats.look("laptop", "git", "git_status", different[next(numbers) % len(different)], time.monotonic_ns())

    return best(work)


def textbook() -> float:
    lock, state = threading.Lock(), [1e12, time.monotonic()]

    def work() -> bool:
        with lock:
            now = time.monotonic()
            state[0] = min(1e12, state[0] + (now - state[1]) * 1e9)
            state[1] = now
            if state[0] < 1:
                return False
            state[0] -= 1
            return True

    return best(work)


def figures() -> dict[str, float]:
    elsewhere = {"x": LimitSettings(calls=MANY, servers=("other",))}
    found = {"enter_none_matching_us": best(message(Gate(elsewhere)))}
    for count in (1, 5):
        found[f"enter_{count}_us"] = best(message(Gate(dict(list(LIMITS.items())[:count]))))
    found["leased_5_us"] = leased()
    # bytes objects keep their hash: each must be new to be hashed as a message's is
    fresh = [bytes(bytearray(b"%06d" % n + b"x" * 2042)) for n in range(20_000 if QUICK else 60_000)]
    found["loops_2kb_us"] = loops(fresh)
    found["loops_same_us"] = loops([b"x" * 2048])
    found["peer_textbook_bucket_us"] = textbook()
    return found


def rows(found: dict[str, float]) -> list[dict[str, object]]:
    """The figures, the first limit's beside its peer."""
    peer = found["peer_textbook_bucket_us"]
    said: list[dict[str, object]] = []
    for metric, value in found.items():
        if metric.startswith("peer"):
            continue
        row: dict[str, object] = {"metric": metric, "value": value, "unit": "us"}
        if metric == "enter_1_us":
            row |= {"peer": "textbook bucket with a mutex", "peer_value": peer, "ratio": round(value / peer, 3)}
        said.append(row)
    return said


def main() -> None:
    results = rows(figures())
    if "--json" in sys.argv:
        print(json.dumps({"name": "limits", "results": results}))
        return
    for row in results:
        print(f"{row['metric']:28} {row['value']:>10} us   {row.get('ratio', ''):>8} {row.get('peer', '')}")


if __name__ == "__main__":
    main()
