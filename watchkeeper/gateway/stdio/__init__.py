"""Servers over stdio: spawned, spoken to line by line, and shown to the gateway as a Streamable HTTP server.

`splice` and `rewrite` exchange ids without touching another byte, `child` frames and bounds one process,
`conversation` places its messages, `fleet` counts and ends the processes, `bridge` answers as the transport's
specification says.
"""

from watchkeeper.gateway.stdio.bridge import StdioUpstream
from watchkeeper.gateway.stdio.model import Limits

__all__ = ["Limits", "StdioUpstream"]
