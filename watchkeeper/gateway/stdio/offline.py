"""Keeping a server that we start from the network, and seeing that it is kept from it.

What is tried is tried by a program of its own, in the very sandbox: it connects to a port of this host that listens
for it, which whoever has a network can. A host without a sandbox starts nothing while an order says so.
"""

from __future__ import annotations

import asyncio
import sys

import msgspec

from watchkeeper.core.errors import Unavailable
from watchkeeper.protocol.grants import Confinement
from watchkeeper.protocol.spawn import Command, Spawner

CONNECTED = "connected"
_SECONDS = 10.0
_TRIES = """
import socket, sys
try:
    socket.create_connection(("127.0.0.1", int(sys.argv[1])), 5).close()
except OSError as error:
    print("refused: %s" % error)
else:
    print("connected")
"""


def without_network(command: Command) -> Command:
    """The same command in a sandbox that has no network; where there is no sandbox it does not start."""
    confinement = command.confinement or Confinement()
    return msgspec.structs.replace(
        command, confinement=msgspec.structs.replace(confinement, network=False, mode="require")
    )


async def attempt(spawner: Spawner, command: Command) -> str:
    """What a connection from the sandbox of `command` comes to: `connected`, or `refused: …`. Raises `Unavailable`."""
    said = bytearray()
    is_there = asyncio.Event()

    def took(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        is_there.set()
        writer.close()

    listener = await asyncio.start_server(took, "127.0.0.1", 0)
    try:
        port = listener.sockets[0].getsockname()[1]
        tries = msgspec.structs.replace(command, argv=(sys.executable, "-I", "-S", "-c", _TRIES, str(port)), env={})
        process = await spawner.start(tries, said.extend, lambda _: None)
        try:
            async with asyncio.timeout(_SECONDS):
                await process.silent.wait()
        except TimeoutError as error:
            raise Unavailable("the attempt from the sandbox did not end", hint="try again") from error
        finally:
            await process.stop(0.5)
    finally:
        listener.close()
    text = said.decode("utf-8", "replace").strip()
    if is_there.is_set():
        return CONNECTED
    if not text.startswith("refused"):
        raise Unavailable("the attempt from the sandbox said nothing", hint="look at the log")
    return text
