"""A server made with the Python SDK 2.x: both eras. `stdio`, or HTTP on a port it prints."""

import socket
import sys

import uvicorn
from mcp.server import MCPServer

server = MCPServer("sdk-2", instructions="Adds.")


@server.tool()
def add(a: int, b: int) -> int:
    """Add two numbers."""
    return a + b


@server.resource("res://one")
def one() -> str:
    """One."""
    return "one"


@server.prompt()
def greet(name: str) -> str:
    """Greet."""
    return f"Hello, {name}"


if __name__ == "__main__":
    if sys.argv[1:] == ["stdio"]:
        server.run("stdio")
    else:
        sock = socket.create_server(("127.0.0.1", 0))
        print(sock.getsockname()[1], flush=True)
        uvicorn.Server(uvicorn.Config(server.streamable_http_app(), log_level="critical")).run(sockets=[sock])
