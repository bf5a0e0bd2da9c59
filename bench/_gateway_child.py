"""The gateway that `bench/gateway.py` measures, in a process of its own: the product's own wiring, everything on.

    python bench/_gateway_child.py DATA URL_OF_THE_SERVER [strict] [cold] [crowd] [prepare]

`strict`: each answer waits until its event is on disk. `cold`: no head and no decision is remembered, so that each call
costs what the first of its kind costs. `crowd`: thousands of connections are let in. `prepare`: make the data folder
and its token, and end. Prints one JSON line with its port, the agent's token and its process id, then
serves until its standard input ends.
"""

from __future__ import annotations

import asyncio
import json
import os
import sys
from pathlib import Path

from watchkeeper.app.gateway import assemble
from watchkeeper.app.platform import opened
from watchkeeper.app.process import settle
from watchkeeper.app.settings import load
from watchkeeper.gateway.heads import Heads
from watchkeeper.gateway.model import Route
from watchkeeper.gateway.pool import HttpUpstream
from watchkeeper.inspection import definitions_in
from watchkeeper.policy import engine

TOOLS = b'{"tools":[{"name":"echo","description":"Says it again.","inputSchema":{"type":"object"}}]}'


def forget() -> None:
    """Nothing is known from before: heads and decisions; what was made of settings and definitions stays."""
    Heads.keep = lambda *_: None  # type: ignore[method-assign]
    engine.KNOWN = 1  # the answer's decision puts out the call's, and the other way round


async def main(data: Path, url: str, flags: list[str]) -> None:
    if "crowd" in flags:
        os.environ["WATCHKEEPER_GATEWAY_MAX_CONNECTIONS"] = "20000"
    loaded = load(None, data)
    if "cold" in flags:
        forget()
    with opened(data, "gateway") as platform:
        token = platform.clients.mint("bench", by="operator:bench")
        definitions = definitions_in("tools/list", TOOLS)
        platform.pins.observe("bench", definitions, {one.fingerprint: () for one in definitions})
        if "prepare" in flags:
            print(json.dumps({"token": token}))
            return
        upstream = HttpUpstream(url, loaded.settings.gateway)
        durability = "strict" if "strict" in flags else "batched"
        gateway, _ = assemble(loaded, [Route(name="bench", upstream=upstream, durability=durability)], platform)
        await gateway.start()
        settle()
        print(json.dumps({"port": gateway.ports["bench"], "token": token, "pid": os.getpid()}), flush=True)
        await asyncio.get_running_loop().run_in_executor(None, sys.stdin.read)
        await gateway.drain(1)


asyncio.run(main(Path(sys.argv[1]), sys.argv[2], sys.argv[3:]))
