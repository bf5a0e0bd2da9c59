"""The gateway's section and the servers behind it."""

from __future__ import annotations

from typing import Annotated
from urllib.parse import urlsplit

import msgspec
from msgspec import Meta

from watchkeeper.core.errors import Misconfigured

_LOOPBACK = frozenset({"127.0.0.1", "::1", "localhost"})


class GatewaySettings(msgspec.Struct, frozen=True, kw_only=True):
    """`[gateway]`."""

    host: Annotated[str, Meta(description="Address to listen on; loopback unless agents live on other hosts.")] = (
        "127.0.0.1"
    )
    port: Annotated[
        int, Meta(description="First port; servers without a port of their own get this one and the next.", ge=0)
    ] = 7310
    path: Annotated[str, Meta(description="Path of the MCP endpoint on each port.")] = "/mcp"
    allowed_hosts: Annotated[
        tuple[str, ...], Meta(description="Further values of Host (name or name:port) that are accepted.")
    ] = ()
    allowed_origins: Annotated[tuple[str, ...], Meta(description="Values of Origin that browsers may send.")] = ()
    max_header_bytes: Annotated[int, Meta(description="Largest head of a request.", ge=1024)] = 32_768
    max_body_bytes: Annotated[int, Meta(description="Largest message of a client.", ge=1024)] = 4_194_304
    max_answer_bytes: Annotated[int, Meta(description="Largest answer or event of a server.", ge=1024)] = 16_777_216
    max_connections: Annotated[int, Meta(description="Clients connected at once, for each server.", ge=1)] = 1024
    idle_seconds: Annotated[float, Meta(description="A client connection without a request is closed after.", gt=0)] = (
        75.0
    )
    header_seconds: Annotated[float, Meta(description="A request's head must arrive within.", gt=0)] = 10.0
    body_seconds: Annotated[float, Meta(description="A request's body must arrive within.", gt=0)] = 30.0
    write_seconds: Annotated[
        float, Meta(description="A client that does not read its answer is cut off after.", gt=0)
    ] = 30.0
    connect_seconds: Annotated[float, Meta(description="A server must accept a connection within.", gt=0)] = 5.0
    answer_seconds: Annotated[float, Meta(description="A server must begin its answer within.", gt=0)] = 120.0
    stream_idle_seconds: Annotated[
        float, Meta(description="A call's event stream may be silent for, comments counted as sound.", gt=0)
    ] = 300.0
    ceiling_seconds: Annotated[
        float, Meta(description="No call takes longer than this, whatever progress it reports.", gt=0)
    ] = 3600.0
    keepalive_seconds: Annotated[
        float, Meta(description="An idle connection to a server is kept for; less than the server keeps it.", gt=0)
    ] = 4.0
    drain_seconds: Annotated[float, Meta(description="On shutdown calls under way may finish within.", ge=0)] = 10.0
    max_sessions: Annotated[int, Meta(description="Sessions of the older era remembered.", ge=1)] = 10_000


class ServerSettings(msgspec.Struct, frozen=True, kw_only=True):
    """`[servers.NAME]`: one MCP server, reached at `url` or started with `command`."""

    url: Annotated[str, Meta(description="Address of a server over HTTP, with its path.")] = ""
    command: Annotated[
        tuple[str, ...], Meta(description="Program and arguments of a server over stdio; no shell sees them.")
    ] = ()
    env: Annotated[dict[str, str], Meta(description="Variables the started server gets beside PATH and HOME.")] = {}
    cwd: Annotated[
        str, Meta(description="Folder the started server runs in; empty for a private one that is removed afterwards.")
    ] = ""
    headers: Annotated[dict[str, str], Meta(description="Headers added to each request to the server.")] = {}
    port: Annotated[int, Meta(description="Port of ours for this server; 0 takes the next free one.", ge=0)] = 0
    shadow: Annotated[bool, Meta(description="Stop nothing; record what would have been stopped.")] = False
    durability: Annotated[str, Meta(description="`batched`, or `strict`: answers wait for their event on disk.")] = (
        "batched"
    )
    eras: Annotated[
        tuple[str, ...], Meta(description="Protocol eras served: `modern` (2026-07-28), `legacy` (before), or both.")
    ] = ("modern", "legacy")


def check_gateway(settings: GatewaySettings) -> None:
    """Raises `Misconfigured` when the section cannot work."""
    if not settings.path.startswith("/") or "?" in settings.path or "#" in settings.path:
        raise Misconfigured(f"gateway.path: {settings.path!r} is no path", hint='write it as "/mcp"')
    if settings.port > 65535:
        raise Misconfigured(f"gateway.port: {settings.port} is no port", hint="choose one below 65536")


def check_server(name: str, server: ServerSettings) -> None:
    """Raises `Misconfigured`, naming the server, when its section cannot work."""
    where = f"servers.{name}"
    if not name or not all(c.isascii() and (c.isalnum() or c in "-_.") for c in name):
        raise Misconfigured(f"{where}: a server's name has letters, digits, - _ .", hint="rename the section")
    if bool(server.url) == bool(server.command):
        raise Misconfigured(
            f"{where}: give either url or command", hint='for example url = "http://127.0.0.1:8000/mcp"'
        )
    if server.url:
        _check_url(where, server.url)
    if server.durability not in ("batched", "strict"):
        raise Misconfigured(f"{where}.durability: {server.durability!r} is unknown", hint="choose batched or strict")
    if not server.eras or not set(server.eras) <= {"modern", "legacy"}:
        raise Misconfigured(f"{where}.eras: there are the eras modern and legacy", hint="name one of them, or both")
    if server.port > 65535:
        raise Misconfigured(f"{where}.port: {server.port} is no port", hint="choose one below 65536")
    for header, value in server.headers.items():
        if (
            not header.isascii()
            or not value.isascii()
            or any(c in "\r\n\0: " for c in header)
            or "\n" in value
            or "\r" in value
        ):
            raise Misconfigured(f"{where}.headers: {header!r} is no header", hint="use ASCII without line breaks")


def _check_url(where: str, url: str) -> None:
    parts = urlsplit(url)
    try:
        port = parts.port
    except ValueError as error:
        raise Misconfigured(f"{where}.url: the port is no number", hint="choose one below 65536") from error
    if parts.scheme not in ("http", "https") or not parts.hostname or port == 0:
        raise Misconfigured(f"{where}.url: {url!r} is no http address", hint="write it as http://HOST:PORT/PATH")
    if parts.username or parts.password:
        raise Misconfigured(f"{where}.url: credentials do not belong in a URL", hint=f"set {where}.headers instead")


def is_loopback(host: str) -> bool:
    """Whether only this machine can reach what listens on `host`."""
    return host in _LOOPBACK
