"""What is asked of a gateway to prove an order. No I/O."""

from __future__ import annotations

from typing import Any

import msgspec

NOBODY = "agent:watchkeeper-probe"
"""Whom a probe plays when no client is to blame."""


class Supposing(msgspec.Struct, frozen=True):
    """What a probe assumes, instead of what is known."""

    version: str = ""
    """The server is of this version."""
    fingerprint: str = ""
    """The tool's definition has this fingerprint."""
    source: str | None = None
    """The agent got content of this tool, prompt or resource of the server just now; empty: of the server itself."""
    is_shown: bool = False
    """Not whether the tool is called is asked, but whether a list would show it."""
    is_outbound: bool = False
    """Not what the client may send is asked, but whether what is started for the server reaches a network."""


class Probe(msgspec.Struct, frozen=True):
    """A call that a working containment would refuse, or, with `is_spared`, one that it must leave alone."""

    principal: str
    server: str
    """Empty for whichever server a gateway has a route to."""
    name: str = ""
    """The tool."""
    method: str = "tools/call"
    arguments: dict[str, Any] = {}
    session: str = ""
    """The digest of the session in which it is; empty for one outside of any."""
    supposing: Supposing | None = None
    is_spared: bool = False
