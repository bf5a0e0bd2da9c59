"""FastMCP's proxy in front of one server; run by the environment that has FastMCP: `_fastmcp_proxy.py URL PORT`."""

from __future__ import annotations

import sys

from fastmcp.server import create_proxy

proxy = create_proxy(sys.argv[1])
proxy.run(
    transport="http",
    host="127.0.0.1",
    port=int(sys.argv[2]),
    stateless_http=True,
    json_response=True,
    log_level="ERROR",
    show_banner=False,
)
