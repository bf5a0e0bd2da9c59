"""A server made with FastMCP. `stdio`, or HTTP on a port it prints."""

import socket
import sys

import uvicorn
from fastmcp import FastMCP

server = FastMCP("fastmcp", instructions="Adds.")


@server.tool
def add(a: int, b: int) -> int:
    """Add two numbers."""
    return a + b


@server.resource("res://one")
def one() -> str:
    """One."""
    return "one"


@server.prompt
def greet(name: str) -> str:
    """Greet."""
    return f"Hello, {name}"


if __name__ == "__main__":
    if sys.argv[1:] == ["stdio"]:
        server.run("stdio", show_banner=False)
    else:
        sock = socket.create_server(("127.0.0.1", 0))
        print(sock.getsockname()[1], flush=True)
        uvicorn.Server(uvicorn.Config(server.http_app(), log_level="critical")).run(sockets=[sock])
