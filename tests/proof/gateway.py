"""A gateway as its users start it, in a process of its own, before a server."""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager


def command(*upstream: str, observe: bool, data: str) -> list[str]:
    """`watchkeeper gateway` before `upstream`, on a free port."""
    start = [sys.executable, "-m", "watchkeeper", "gateway", *upstream, "--listen", "127.0.0.1:0", "--data", data]
    return [*start, "--print-token", *(["--observe"] if observe else [])]


@contextmanager
def gateway_before(url: str, *, observe: bool = False, extra: Sequence[str] = ()) -> Iterator[tuple[str, str]]:
    """The gateway's URL and the token of its client; everything is on that is on by default."""
    with started(["--upstream", url, *extra], observe=observe) as got:
        yield got


@contextmanager
def started(upstream: list[str], *, observe: bool) -> Iterator[tuple[str, str]]:
    """The same before any kind of server."""
    with tempfile.TemporaryDirectory() as data:
        process = subprocess.Popen(
            command(*upstream, observe=observe, data=data), stdout=subprocess.PIPE, stderr=subprocess.DEVNULL
        )
        try:
            assert process.stdout is not None
            ready = json.loads(process.stdout.readline())
            yield next(iter(ready["servers"].values())), ready["clients"][0]["token"]
        finally:
            process.terminate()
            process.wait(20)
            assert process.stdout is not None
            process.stdout.close()
