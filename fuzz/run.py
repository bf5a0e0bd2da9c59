"""Coverage-guided fuzzing of what reads foreign bytes: `python fuzz/run.py requests|answers|messages|events [options]`.

The same oracles as in the tests: a second, independent reader must see the same single message, and pieces must not
matter. It starts from the corpus of the tests and goes on until something is found or libFuzzer's options end it
(`-max_total_time=600`). What it finds becomes an item of tests/gateway/corpus. Inputs are kept in .cache/fuzz.
"""

from __future__ import annotations

import asyncio
import hashlib
import sys
from collections.abc import Callable
from pathlib import Path

import atheris

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT))
WHAT_READS = [
    "watchkeeper.gateway.edges",
    "watchkeeper.gateway.link",
    "watchkeeper.gateway.heads",
    "watchkeeper.protocol",
]
with atheris.instrument_imports(include=WHAT_READS):
    from tests.gateway import oracles
    from tests.gateway.corpus import BODY, answers, summary
    from tests.gateway.test_readers import ANSWERS, REQUESTS

LOOP = asyncio.new_event_loop()


def cuts_of(data: bytes) -> list[int]:
    """Where to cut, from the bytes themselves."""
    return [data[0] % 64, data[-1] % 64] if data else []


def on_request(data: bytes) -> None:
    """Bytes of a client."""
    oracles.check_request(data, cuts_of(data))


def on_answer(data: bytes) -> None:
    """Bytes of a server."""
    LOOP.run_until_complete(oracles.check_answer(data, cuts_of(data)))


def on_message(data: bytes) -> None:
    """Bytes of a body."""
    oracles.check_message(data)


def on_events(data: bytes) -> None:
    """Bytes of an event stream."""
    oracles.check_events(data, cuts_of(data))


def seeds_of(target: str) -> list[bytes]:
    """What a target starts from."""
    items = [item.data for group in summary.GROUPS for item in group.items if len(item.data) < 4096]
    said = [item.data for item in answers.ITEMS if len(item.data) < 4096]
    if target == "requests":
        return [*REQUESTS, *items]
    if target == "answers":
        return [*ANSWERS, *said]
    parts = [data.partition(b"\r\n\r\n")[2] for data in (items if target == "messages" else said)]
    return [BODY, *filter(None, parts)]


TARGETS: dict[str, Callable[[bytes], None]] = {
    "requests": on_request,
    "answers": on_answer,
    "messages": on_message,
    "events": on_events,
}


def main() -> None:
    """Write the seeds, and run."""
    if len(sys.argv) < 2 or sys.argv[1] not in TARGETS:
        sys.exit(f"usage: python fuzz/run.py {'|'.join(TARGETS)} [options of libFuzzer]")
    target = sys.argv.pop(1)
    folder = ROOT / ".cache" / "fuzz" / target
    folder.mkdir(parents=True, exist_ok=True)
    for seed in seeds_of(target):
        (folder / hashlib.sha256(seed).hexdigest()[:16]).write_bytes(seed)
    atheris.Setup([*sys.argv, f"-artifact_prefix={folder.parent}/{target}-", str(folder)], TARGETS[target])
    atheris.Fuzz()


if __name__ == "__main__":
    main()
