"""The gateway that `bench/gateway.py` measures, in a process of its own: the product's own wiring, everything on.

    python bench/_gateway_child.py DATA URL_OF_THE_SERVER

Prints one JSON line with its port, the agent's token and its process id, then serves until its standard input ends.
"""

from __future__ import annotations

import asyncio
import json
import os
import sys
from pathlib import Path

from watchkeeper.app.gateway import assemble
from watchkeeper.app.platform import opened
from watchkeeper.app.settings import load
from watchkeeper.gateway.model import Route
from watchkeeper.gateway.pool import HttpUpstream
from watchkeeper.inspection import definitions_in

TOOLS = b'{"tools":[{"name":"echo","description":"Says it again.","inputSchema":{"type":"object"}}]}'


async def main(data: Path, url: str) -> None:
    os.environ["WATCHKEEPER_LOOPS_REFUSE"] = "0"  # counted and noticed as ever; repeating itself is a load's nature
    loaded = load(None, data)
    with opened(data, "gateway") as platform:
        token = platform.clients.mint("bench", by="operator:bench")
        definitions = definitions_in("tools/list", TOOLS)
        platform.pins.observe("bench", definitions, {one.fingerprint: () for one in definitions})
        upstream = HttpUpstream(url, loaded.settings.gateway)
        gateway, _ = assemble(loaded, [Route(name="bench", upstream=upstream)], platform)
        await gateway.start()
        print(json.dumps({"port": gateway.ports["bench"], "token": token, "pid": os.getpid()}), flush=True)
        await asyncio.get_running_loop().run_in_executor(None, sys.stdin.read)
        await gateway.drain(1)


asyncio.run(main(Path(sys.argv[1]), sys.argv[2]))
