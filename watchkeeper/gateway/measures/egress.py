"""Hosts that orders cut off, looked for in what clients send; found in any notation, as `egress.block` finds them."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from fnmatch import fnmatchcase
from typing import Any

import msgspec
import re2

from watchkeeper.gateway.containment import Order
from watchkeeper.gateway.measures.targets import destination
from watchkeeper.inspection.destinations import hosts_in
from watchkeeper.inspection.hosts import address_of, is_network
from watchkeeper.inspection.views import readings

EVERYTHING = "*"


class _Cut(msgspec.Struct, frozen=True):
    order: Order
    server: str
    host: str

    def meets(self, host: str) -> bool:
        if "/" in self.host:
            return is_network(self.host, address_of(host))
        return fnmatchcase(host, self.host) or (self.host.startswith("*.") and host == self.host[2:])


class Destinations:
    """What the orders of one generation cut off."""

    def __init__(self, orders: Iterable[Order]) -> None:
        self._exact: dict[object, list[_Cut]] = {}
        self._words: Any = None
        self._patterns: list[_Cut] = []
        for order in orders:
            server, host = destination(order.target)
            cut = _Cut(order, server, host)
            if "/" in host or "*" in host or "?" in host:
                self._patterns.append(cut)
            else:
                self._exact.setdefault(_same(host), []).append(cut)
        if names := [re2.escape(host) for host in self._exact if isinstance(host, str)]:
            self._words = re2.compile(rf"(?i)(?:^|[^a-z0-9_-])({'|'.join(names)})(?:[^a-z0-9_-]|$)")

    def denying(self, server: str, said: bytes) -> tuple[Order, ...]:
        """The orders against a host that this text names, whoever sends it to this server."""
        if not said or not (self._exact or self._patterns):
            return ()
        found: dict[str, Order] = {}
        for host in {host for host, _ in hosts_in(said)} | self._mentioned(said):
            for cut in self._against(host):
                if cut.server in ("", server):
                    found[cut.order.id] = cut.order
        return tuple(found.values())

    def against(self, host: str) -> tuple[Order, ...]:
        """The orders against this name or address, whoever sends there; those about one server are not among them."""
        return tuple(cut.order for cut in self._against(host) if not cut.server)

    def _mentioned(self, said: bytes) -> set[str]:
        """Names that stand anywhere, without a scheme (`curl evil.example`)."""
        if self._words is None:
            return set()
        return {match[1].decode().lower() for text in readings(said) for match in self._words.finditer(text)}

    def _against(self, host: str) -> Iterator[_Cut]:
        yield from self._exact.get(_same(host), ())
        yield from (cut for cut in self._patterns if cut.meets(host))


def _same(host: str) -> object:
    """Equal for all notations of one address."""
    return address_of(host) or host
