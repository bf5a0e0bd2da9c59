"""The endpoints that show several servers as one, and what keeps their names apart."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Annotated

import msgspec
from msgspec import Meta

from watchkeeper.core.errors import Misconfigured
from watchkeeper.gateway.settings import check_public_url

MAX_MEMBERS = 64
_LONGEST = 32
"""Characters of a prefix with its separator; clients allow names of 64 in all."""


class EndpointSettings(msgspec.Struct, frozen=True, kw_only=True):
    """`[endpoints.NAME]`: several servers on one port, their tools and prompts under prefixed names."""

    servers: Annotated[
        tuple[str, ...], Meta(description="The servers it shows, in the order of its lists; empty for all of them.")
    ] = ()
    port: Annotated[int, Meta(description="Its port; 0 takes the next free one after the servers'.", ge=0)] = 0
    public_url: Annotated[
        str,
        Meta(
            description="Where clients reach it when that is not our own port, behind a proxy say; access tokens must "
            "be issued for it."
        ),
    ] = ""
    separator: Annotated[str, Meta(description="What stands between a server's prefix and a tool's name.")] = "__"
    prefixes: Annotated[
        dict[str, str],
        Meta(description="Server = prefix, where it is not the server's name; one server may have none at all."),
    ] = {}
    only: Annotated[
        tuple[str, ...], Meta(description="Globs of tools as the endpoint names them; others are not there.")
    ] = ()
    hide: Annotated[tuple[str, ...], Meta(description="Globs of tools that are not there; stronger than only.")] = ()
    member_seconds: Annotated[
        float, Meta(description="A server that has not answered a list within is left out of it.", gt=0)
    ] = 20.0


def members_of(endpoint: EndpointSettings, servers: Iterable[str]) -> tuple[str, ...]:
    """The names of its servers."""
    return endpoint.servers or tuple(servers)


def prefix_of(endpoint: EndpointSettings, server: str) -> str:
    """What this server's names begin with, the separator included; empty for the one that has no prefix."""
    prefix = endpoint.prefixes.get(server, server)
    return prefix + endpoint.separator if prefix else ""


def check_endpoints(endpoints: Mapping[str, EndpointSettings], servers: Iterable[str]) -> None:
    """Raises `Misconfigured`, naming the setting, when an endpoint cannot work or a name could mean two servers."""
    known = tuple(servers)
    for name, endpoint in endpoints.items():
        _check_names(name, endpoint, known)
        _check_prefixes(name, endpoint, members_of(endpoint, known))


def _check_names(name: str, endpoint: EndpointSettings, known: tuple[str, ...]) -> None:
    where = f"endpoints.{name}"
    if not name or not _is_plain(name):
        raise Misconfigured(f"{where}: an endpoint's name has letters, digits, - _ .", hint="rename the section")
    if name in known:
        raise Misconfigured(f"{where}: a server has this name", hint="events could mean either; rename the endpoint")
    check_public_url(where, endpoint.public_url)
    if endpoint.port > 65535:
        raise Misconfigured(f"{where}.port: {endpoint.port} is no port", hint="choose one below 65536")
    for server in (*endpoint.servers, *endpoint.prefixes):
        if server not in known:
            raise Misconfigured(f"{where}: there is no server {server}", hint=f"known: {', '.join(known) or 'none'}")
    if len(set(endpoint.servers)) != len(endpoint.servers):
        raise Misconfigured(f"{where}.servers: a server is named twice", hint="name each once")
    if not 0 < len(members_of(endpoint, known)) <= MAX_MEMBERS:
        raise Misconfigured(f"{where}.servers: from 1 to {MAX_MEMBERS} servers", hint="make two endpoints of it")


def _check_prefixes(name: str, endpoint: EndpointSettings, members: tuple[str, ...]) -> None:
    where = f"endpoints.{name}"
    if not endpoint.separator or not _is_plain(endpoint.separator):
        raise Misconfigured(f"{where}.separator: letters, digits, - _ . are allowed", hint='for example "__"')
    prefixes = {server: prefix_of(endpoint, server) for server in members}
    if list(prefixes.values()).count("") > 1:
        raise Misconfigured(
            f"{where}.prefixes: two servers have none", hint="names could mean either; give one a prefix"
        )
    for server, prefix in prefixes.items():
        if not _is_plain(prefix) or len(prefix) > _LONGEST:
            raise Misconfigured(
                f"{where}.prefixes: {prefix!r} is no prefix",
                hint=f"up to {_LONGEST} letters, digits, - _ . with the separator",
            )
        for other, longer in prefixes.items():
            if other != server and prefix and longer.casefold().startswith(prefix.casefold()):
                raise Misconfigured(
                    f"{where}.prefixes: a name that begins with {longer!r} could be {server}'s or {other}'s",
                    hint=f"choose another prefix for {other} in {where}.prefixes",
                )


def _is_plain(text: str) -> bool:
    return all(c.isascii() and (c.isalnum() or c in "-_.") for c in text)
