"""What the orders in force say of one message, beyond names. Asked by the guard while there is any such order.

Obligations, and what each one stops:

1. A version that is not known is a blocked one, while an order blocks some version of its server; greetings pass, so
   that it can become known, and their answers are judged by what they say (a server that keeps silent).
2. A tool counts by its pinned definition and by the one seen last (a server that swings between two).
3. What is not known to read counts as acting (`readers`).
4. A mark outlasts the call, the session and the worker that set it (`taints`).
5. Hosts are found in any notation, in every part of a client's message (`egress`).
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import Protocol

from watchkeeper.gateway.containment import AGENT, Order, OrderKind, OrdersInForce
from watchkeeper.gateway.flow.labels import Labels
from watchkeeper.gateway.measures import targets
from watchkeeper.gateway.measures.egress import Destinations
from watchkeeper.gateway.measures.model import Supposing
from watchkeeper.gateway.measures.readers import Claims, Readers
from watchkeeper.gateway.measures.releases import Range, covers, version_in
from watchkeeper.gateway.measures.taints import Taints
from watchkeeper.inspection.fingerprints import GREETINGS, LISTS, Definition
from watchkeeper.protocol.message import Message
from watchkeeper.registry.model import TOOL


class Known(Claims, Protocol):
    """`registry.Pins`."""

    def shown(self, server: str, name: str) -> tuple[str, ...]: ...


class _InForce:
    """The orders of one generation, sorted for look-up."""

    def __init__(self, orders: Sequence[Order]) -> None:
        self.versions: dict[str, list[tuple[Order, Range]]] = {}
        self.digests: dict[str, list[Order]] = {}
        self.read_only: dict[str, list[Order]] = {}
        self.tainted: dict[str, list[Order]] = {}
        self.taints: dict[str, Order] = {}
        cuts: list[Order] = []
        for order in orders:
            if order.kind is OrderKind.BLOCK_VERSION:
                server, range_ = targets.release(order.target)
                self.versions.setdefault(server, []).append((order, range_))
            elif order.kind is OrderKind.BLOCK_TOOL_HASH:
                self.digests.setdefault(order.target, []).append(order)
            elif order.kind is OrderKind.SET_READ_ONLY:
                self.read_only.setdefault(order.target, []).append(order)
            elif order.kind is OrderKind.TAINT_SOURCE:
                self.tainted.setdefault(order.target, []).append(order)
                self.taints[order.id] = order
            elif order.kind is OrderKind.DENY_EGRESS:
                cuts.append(order)
        self.cuts = Destinations(cuts) if cuts else None


class Measures:
    """One process's, for every route."""

    def __init__(self, orders: OrdersInForce, pins: Known, labels: Callable[[], Labels | None] = lambda: None) -> None:
        self._orders = orders
        self._pins = pins
        self.readers = Readers(pins, labels)
        self.taints = Taints()
        self._versions: dict[str, str] = {}
        """Server → the version it named last."""
        self._read_from: Sequence[Order] = ()
        self._in_force = _InForce(())
        self.supposing: Supposing | None = None
        """Set while a probe is judged, and at no other time."""

    def now(self) -> _InForce:
        """The orders in force, sorted anew when they have changed."""
        orders = self._orders.measures
        if orders is not self._read_from:
            self._in_force = _InForce(orders)
            self.taints.keep(frozenset(self._in_force.taints))
            self._read_from = orders
        return self._in_force

    # what stops a message

    def in_request(self, server: str, message: Message, tool: str) -> list[Order]:
        """The orders that stop a client's message."""
        now = self.now()
        found = self._by_definition(server, tool) if tool and now.digests else []
        if server in now.versions and message.method not in GREETINGS:
            found += self._by_version(server)
        if server in now.read_only and not self.readers.reads(server, message):
            found += now.read_only[server]
        if now.cuts is not None:
            found += now.cuts.denying(server, message.params or message.result or message.error)
        return found

    def in_answer(self, server: str, method: str, message: Message, tool: str) -> list[Order]:
        """The orders that stop an answer or a server's own message. Egress and writes are over by then: they pass."""
        now = self.now()
        found = self._by_definition(server, tool) if tool and now.digests else []
        if server in now.versions:
            self.learn(server, method, message)
            found += self._by_version(server)
        return found

    def gone(self, server: str, definitions: Iterable[Definition]) -> dict[tuple[str, str], Order]:
        """What of a list nobody may see, each with the order that says so."""
        now = self.now()
        found: dict[tuple[str, str], Order] = {}
        read_only = now.read_only.get(server, ())
        for definition in definitions:
            if definition.kind != TOOL:
                continue
            place = (TOOL, definition.name)
            if blocked := now.digests.get(definition.fingerprint):
                found[place] = blocked[0]
            elif read_only and not self.readers.is_reader(server, definition.name):
                found.setdefault(place, read_only[0])
        return found

    # versions

    def learn(self, server: str, method: str, answer: Message) -> None:
        """What a server says that it is. Kept of greetings whether or not an order asks: one may come."""
        if self.supposing is None and (version := version_in(method, answer.result)):
            self._versions[server] = version

    def lacks_version(self, server: str) -> bool:
        """Whether an order asks for this server's version, and nobody knows it."""
        return server in self.now().versions and not self._versions.get(server)

    def _by_version(self, server: str) -> list[Order]:
        version = self._versions.get(server, "")
        if self.supposing is not None and self.supposing.version:
            version = self.supposing.version
        return [order for order, range_ in self.now().versions[server] if covers(range_, version)]

    # definitions

    def _by_definition(self, server: str, tool: str) -> list[Order]:
        digests, supposing = self.now().digests, self.supposing
        if supposing is not None and supposing.fingerprint:
            return list(digests.get(supposing.fingerprint, ()))
        shown = self._pins.shown(server, tool)
        return [order for fingerprint in dict.fromkeys(shown) for order in digests.get(fingerprint, ())]

    # taint

    def took(self, server: str, principal: str, method: str, name: str) -> None:
        """Content has passed to an agent: an answer to `method` about `name`, or a server's own message."""
        tainted = self.now().tainted
        if not tainted or method in LISTS or method in GREETINGS:
            return
        orders = [*tainted.get(server, ()), *(tainted.get(f"{server}/{name}", ()) if name else ())]
        if orders:
            self.taints.mark(principal.removeprefix(AGENT), [order.id for order in orders])

    def holding(self, server: str, principal: str, message: Message) -> list[Order]:
        """The orders by which a person has to approve this message: its sender got content from their sources."""
        taints = self.now().taints
        if not taints or message.kind == "notification":
            return []
        marked = taints.keys() if self.taints.is_full else self.taints.of(principal.removeprefix(AGENT))
        if not marked or self.readers.reads(server, message):
            return []
        return [taints[order] for order in sorted(marked) if order in taints]
