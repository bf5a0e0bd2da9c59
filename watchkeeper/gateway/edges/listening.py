"""Listening sockets, opened before whoever accepts on them: by the parent of several workers, and for a reload.

A socket that the parent keeps open loses no connection while one worker is replaced: the kernel queues what comes, and
the next worker takes it from there. On Linux the kernel shares connections out among the sockets of one port.
"""

from __future__ import annotations

import errno
import socket
import sys
from collections.abc import Mapping
from typing import NamedTuple

from watchkeeper.core.errors import Conflict, Misconfigured, WatchkeeperError

Address = tuple[str, int]
"""Host and port."""
BACKLOG = 1024
IS_SHARED = sys.platform == "linux" and hasattr(socket, "SO_REUSEPORT")
"""Whether several workers may listen on one port: elsewhere the option exists, and gives everything to one of them."""


def listen(name: str, host: str, port: int, count: int = 1) -> list[socket.socket]:
    """`count` sockets on one port, listening; port 0 takes a free one for all of them.

    Raises `Conflict` when the port is taken, by whomever, and `Misconfigured` when the address is not ours.
    """
    opened: list[socket.socket] = []
    try:
        family, address = _resolve(host, port)
        for _ in range(count):
            one = socket.socket(family, socket.SOCK_STREAM)
            opened.append(one)
            one.setblocking(False)
            one.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            if family == socket.AF_INET6:
                one.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
            if len(opened) > 1:
                one.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
            one.bind(address)
            if count > 1 and len(opened) == 1:
                # Only now: had the first asked to share, it would have shared with another gateway of this user, too.
                one.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
            address = one.getsockname()
        for one in opened:
            one.listen(BACKLOG)
    except OSError as error:
        for one in opened:
            one.close()
        raise explain(name, host, port, error) from error
    return opened


class Moves(NamedTuple):
    """Where each of the new names gets its port from."""

    stay: frozenset[str]
    """They keep theirs, and whoever is connected to it."""
    inherit: dict[str, str]
    """Name → the name that had this port; its connections do not come along."""
    open: tuple[str, ...]
    """They need a new one."""


def moves(before: Mapping[str, Address], after: Mapping[str, Address]) -> Moves:
    """From the addresses that are open to those that are asked for; port 0 asks for any, which may be the old one."""
    names = {address: name for name, address in before.items()}
    stay = {name for name, (host, port) in after.items() if name in before and _is_met(before[name], host, port)}
    inherit = {name: names[at] for name, at in after.items() if name not in stay and at[1] and at in names}
    fresh = tuple(name for name in after if name not in stay and name not in inherit)
    return Moves(frozenset(stay), inherit, fresh)


def _is_met(have: Address, host: str, port: int) -> bool:
    return have[0] == host and port in (0, have[1])


def explain(name: str, host: str, port: int, error: OSError) -> WatchkeeperError:
    """Why the route called `name` cannot listen."""
    if error.errno == errno.EADDRINUSE:
        return Conflict(
            f"port {port} on {host}, meant for {name}, is taken",
            hint=f"stop what listens there, or set servers.{name}.port to a free one",
        )
    return Misconfigured(
        f"cannot listen on {host}:{port} for {name}: {error.strerror}",
        hint="set gateway.host to an address of this host, and a port you may use",
    )


def _resolve(host: str, port: int) -> tuple[socket.AddressFamily, tuple[object, ...]]:
    found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)
    family, _, _, _, address = found[0]
    return family, address
