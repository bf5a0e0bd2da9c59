"""The `[console]` section."""

from __future__ import annotations

from typing import Annotated

from msgspec import Meta, Struct

_HOST = "Address to listen on; keep it on loopback unless a TLS proxy stands before it."
_PORT = "Port to listen on; 0 lets the system choose."
_NAMES = "Further host names under which browsers reach the console; any other Host header is refused."
_URL = "Address under which operators reach the console, for links in notices; by default where it listens."
_TLS = "Browsers reach the console over TLS, which a proxy ends; its cookies then are Secure and named __Host-."


class ConsoleSettings(Struct, frozen=True):
    """The web console."""

    host: Annotated[str, Meta(description=_HOST)] = "127.0.0.1"
    port: Annotated[int, Meta(description=_PORT, ge=0, le=65535)] = 7300
    names: Annotated[tuple[str, ...], Meta(description=_NAMES)] = ()
    tls: Annotated[bool, Meta(description=_TLS)] = False
    url: Annotated[str, Meta(description=_URL)] = ""
