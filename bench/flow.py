"""What remembering costs a call, beside a naive search for every kept result in the arguments.

    python bench/flow.py

Prints one JSON line a row; microseconds, medians of several rounds. Memory only: no gateway, no network.
"""

from __future__ import annotations

import json
import random
import statistics
import time
from collections.abc import Callable

from watchkeeper.gateway.flow.memory import Memory, stream_of
from watchkeeper.gateway.flow.model import Class
from watchkeeper.gateway.flow.text import strings_of

ROUNDS = 7
WORDS = [
    f"{a}{b}" for a in ("har", "lum", "ver", "tol", "mas", "qui", "ren", "sab") for b in ("bour", "en", "ia", "ost")
]


def prose(size: int, seed: int) -> str:
    """So many bytes of words, each time others."""
    chosen = random.Random(seed)
    text = ""
    while len(text) < size:
        text += f"{chosen.choice(WORDS)}{chosen.randrange(1_000)} "
    return text[:size]


def micros(work: Callable[[], object], times: int) -> float:
    found = []
    for _ in range(ROUNDS):
        start = time.process_time()
        for _ in range(times):
            work()
        found.append((time.process_time() - start) / times * 1e6)
    return statistics.median(found)


def naive(kept: list[str], arguments: str, length: int = 40) -> bool:
    """Whether any passage of the arguments stands in any kept result, as text."""
    return any(arguments[at : at + length] in text for at in range(len(arguments) - length + 1) for text in kept)


def main() -> None:
    results = [prose(10_000, seed) for seed in range(20)]
    memory = Memory("x", 0)
    for text in results:
        memory.prints.learn("files", Class.PRIVATE, strings_of(json.dumps({"content": [{"text": text}]}).encode()))
    print(json.dumps({"row": "kept", "results": len(results), "bytes": 200_000, "fingerprints": len(memory.prints)}))
    for size in (200, 2_000, 10_000):
        text = prose(size, 999 + size)
        raw = json.dumps({"to": "x", "body": text}).encode()

        def ask(raw: bytes = raw) -> object:
            strings = strings_of(raw, with_keys=True)
            return memory.prints.carried(
                "mail", strings, memory.before(("mail", "send"), stream_of([s.text for s in strings]))
            )

        row = {"row": "ask", "bytes": size, "us": round(micros(ask, 5), 1)}
        row["naive_us"] = round(micros(lambda text=text: naive(results, text), 1), 1) if size <= 2_000 else None
        print(json.dumps(row))
    for size in (2_000, 10_000, 100_000):
        raw = json.dumps({"content": [{"text": prose(size, 7)}]}).encode()
        fresh = Memory("x", 0)
        took = micros(lambda raw=raw, fresh=fresh: fresh.prints.learn("files", Class.PRIVATE, strings_of(raw)), 3)
        print(json.dumps({"row": "learn", "bytes": size, "us": round(took, 1)}))


if __name__ == "__main__":
    main()
