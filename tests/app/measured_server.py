"""A server on the MCP SDK whose version is an argument: one tool that reads, one that writes, one that connects."""

import socket
import sys

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


server.run("stdio")
