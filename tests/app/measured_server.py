"""A server on the MCP SDK whose version is an argument: one tool that reads, one that writes, one that connects.

Over stdio, or with `http` over HTTP: then its first line is its port.
"""

import socket
import sys

import uvicorn
from mcp.server import MCPServer
from mcp_types import ToolAnnotations

server = MCPServer("measured", version=sys.argv[1])
NOTES = ["bread"]


@server.tool(annotations=ToolAnnotations(read_only_hint=True))
def get_note() -> str:
    """Shows the note."""
    return NOTES[-1]


@server.tool()
def put_note(text: str) -> str:
    """Writes the note."""
    NOTES.append(text)
    return "written"


@server.tool()
def reach(port: int) -> str:
    """Says whether a port of this machine can be reached."""
    try:
        socket.create_connection(("127.0.0.1", port), 5).close()
    except OSError as error:
        return f"refused: {error}"
    return "connected"


if "http" in sys.argv:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        sys.stdout.write(f"{listener.getsockname()[1]}\n")
        sys.stdout.flush()
        uvicorn.Server(uvicorn.Config(server.streamable_http_app(), log_level="error")).run(sockets=[listener])
else:
    server.run("stdio")
