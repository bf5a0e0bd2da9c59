"""The probes that prove an order: what it has to refuse, and what it has to leave alone. No I/O."""

from __future__ import annotations

import ipaddress

from watchkeeper.gateway.containment import AGENT, SERVERS, Order, OrderKind
from watchkeeper.gateway.holds import EVERY_SERVER, Subject
from watchkeeper.gateway.measures import targets
from watchkeeper.gateway.measures.model import NOBODY, Probe, Supposing
from watchkeeper.gateway.measures.releases import sample

_TOOL = "watchkeeper-probe"
"""A tool that no server has; nothing is known of it, so that it counts as acting."""
_ELSEWHERE = "watchkeeper-probe.invalid"


def probes_of(order: Order, *, server: str = "", tool: str = "") -> tuple[Probe, ...]:
    """What to ask of every gateway. `server` and `tool` say where a definition is shown, or a tool that reads."""
    of = targets.server_of(order.kind, order.target) or server
    if order.kind is OrderKind.QUARANTINE_SESSION:
        return (_session(Subject.of(order.target)),)
    if order.kind is OrderKind.DRAIN_TRANSPORT:
        return (Probe(NOBODY, of, method="tools/list"),)
    if order.kind in SERVERS or order.kind is OrderKind.QUARANTINE_PRINCIPAL:
        who = order.target if order.kind is OrderKind.QUARANTINE_PRINCIPAL else NOBODY
        return (Probe(who, of, method="tools/list"),)
    if order.kind is OrderKind.HOLD_TOOL:
        name = order.target.partition("/")[2]
        return Probe(NOBODY, of, name), Probe(NOBODY, of, name, supposing=Supposing(is_shown=True))
    return _OF_KIND[order.kind](order, of, tool)


def _session(subject: Subject) -> Probe:
    server = "" if subject.server == EVERY_SERVER else subject.server
    who = f"{AGENT}{subject.name}" if subject.what == "principal" else NOBODY
    if subject.what == "task":
        return Probe(who, server, subject.name, method="tasks/result")
    return Probe(who, server, _TOOL, session=subject.name if subject.what == "session" else "")


def _version(order: Order, of: str, _: str) -> tuple[Probe, ...]:
    _, range_ = targets.release(order.target)
    hit, clean = sample(range_, inside=True), sample(range_, inside=False)
    refused = Probe(NOBODY, of, method="tools/list", supposing=Supposing(version=hit))
    if not clean:
        return (refused,)
    return refused, Probe(NOBODY, of, method="tools/list", supposing=Supposing(version=clean), is_spared=True)


def _definition(order: Order, of: str, tool: str) -> tuple[Probe, ...]:
    blocked = Supposing(fingerprint="" if tool else order.target)
    name = tool or _TOOL
    other = Supposing(fingerprint="sha256:" + "0" * 64)
    return (
        Probe(NOBODY, of, name, supposing=blocked),
        Probe(NOBODY, of, name, supposing=Supposing(fingerprint=order.target, is_shown=True)),
        Probe(NOBODY, of, name, supposing=other, is_spared=True),
    )


def _read_only(order: Order, of: str, tool: str) -> tuple[Probe, ...]:
    read = Probe(NOBODY, of, tool, is_spared=True) if tool else Probe(NOBODY, of, method="tools/list", is_spared=True)
    return Probe(NOBODY, of, _TOOL), read


def _taint(order: Order, of: str, _: str) -> tuple[Probe, ...]:
    name = order.target.partition("/")[2]
    return Probe(NOBODY, of, _TOOL, supposing=Supposing(source=name)), Probe(NOBODY, of, _TOOL, is_spared=True)


def _egress(order: Order, of: str, _: str) -> tuple[Probe, ...]:
    _, host = targets.destination(order.target)
    refused = Probe(NOBODY, of, _TOOL, arguments={"url": f"https://{_host_in(host)}/"})
    spared = Probe(NOBODY, of, _TOOL, arguments={"url": f"https://{_ELSEWHERE}/"}, is_spared=True)
    if host.strip("*?.") != "":
        return refused, spared
    return refused, Probe(NOBODY, of, _TOOL, supposing=Supposing(is_outbound=True))


_OF_KIND = {
    OrderKind.BLOCK_VERSION: _version,
    OrderKind.BLOCK_TOOL_HASH: _definition,
    OrderKind.SET_READ_ONLY: _read_only,
    OrderKind.TAINT_SOURCE: _taint,
    OrderKind.DENY_EGRESS: _egress,
}


def _host_in(pattern: str) -> str:
    """A host that a pattern or network covers."""
    if "/" in pattern:
        address = ipaddress.ip_network(pattern, strict=False).network_address
        return f"[{address}]" if address.version == 6 else str(address)
    host = "probe.example" if pattern == "*" else pattern.replace("*", "probe").replace("?", "a")
    return f"[{host}]" if ":" in host else host
