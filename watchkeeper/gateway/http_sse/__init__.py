"""Servers of 2024-11-05 that speak HTTP+SSE, shown to the gateway as Streamable HTTP servers of the older era.

`endpoint` says which address a server may name, `peer` is one of its event streams, and `upstream` answers as the newer
transport's specification says, by the same sessions that serve a program over stdio (`stdio.older`).
"""

from watchkeeper.gateway.http_sse.upstream import SseUpstream

__all__ = ["SseUpstream"]
