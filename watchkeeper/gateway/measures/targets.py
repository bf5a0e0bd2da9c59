"""What an order of each kind may name. No I/O."""

from __future__ import annotations

import ipaddress
import re

from watchkeeper.core.errors import Invalid
from watchkeeper.gateway.containment import AGENT, SERVERS, Order, OrderKind, OrdersInForce, spelt
from watchkeeper.gateway.holds import EVERY_SERVER, Subject
from watchkeeper.gateway.measures.releases import Range, parse_range

_LONGEST = 2_048
_SERVER = re.compile(r"[A-Za-z0-9_.-]{1,64}\Z")
_DIGEST = re.compile(r"sha256:[0-9a-f]{64}\Z")
_HOST = re.compile(r"[a-z0-9*?_.:-]{1,253}\Z")
_FORMS = {
    OrderKind.HOLD_TOOL: "SERVER/TOOL",
    OrderKind.QUARANTINE_PRINCIPAL: "a client's NAME, or agent:NAME",
    OrderKind.BLOCK_VERSION: "SERVER@1.2.3, or SERVER@>=1.0,<1.4",
    OrderKind.BLOCK_TOOL_HASH: "sha256: and 64 digits, as `watchkeeper pins history` shows it",
    OrderKind.TAINT_SOURCE: "SERVER, SERVER/TOOL or SERVER/URI",
    OrderKind.DENY_EGRESS: "HOST, *.HOST, a NETWORK, or any of them behind SERVER/; SERVER/* for all",
}


def checked(kind: OrderKind, target: str) -> str:
    """The target in its one form. Raises `Invalid`, with the form that is wanted."""
    if kind is OrderKind.QUARANTINE_SESSION:
        return Subject.of(target).text
    is_printable = target.isprintable() and len(target) <= _LONGEST
    if not (is_printable and _fits(kind, target)):
        form = _FORMS.get(kind, "a SERVER")
        raise Invalid(f"{target[:200]!r} cannot be the target of {kind.value}", hint=f"write {form}")
    return _lowered(target) if kind is OrderKind.DENY_EGRESS else spelt(kind, target)


def server_of(kind: OrderKind, target: str) -> str:
    """The server that an order is about; empty when it is about none, or about all."""
    if kind in (OrderKind.QUARANTINE_PRINCIPAL, OrderKind.BLOCK_TOOL_HASH):
        return ""
    if kind is OrderKind.BLOCK_VERSION:
        return target.partition("@")[0]
    if kind is OrderKind.DENY_EGRESS:
        return destination(target)[0]
    server = target.partition("/")[0]
    return "" if server == EVERY_SERVER else server


def touching(orders: OrdersInForce, principal: str, server: str, tool: str = "") -> tuple[Order, ...]:
    """The orders that contain this principal, tool or server, or limit what is done with the server."""
    named = orders.all_denying(principal, server, tool)
    return named + tuple(o for o in orders.measures if server and server_of(o.kind, o.target) == server)


def release(target: str) -> tuple[str, Range]:
    """Server and range of `block_version`. Raises `Invalid`."""
    server, _, text = target.partition("@")
    return server, parse_range(text)


def destination(target: str) -> tuple[str, str]:
    """Server and host of `deny_egress`; the server is empty where it holds for all."""
    if _is_network(target) or "/" not in target:
        return "", target
    server, _, host = target.partition("/")
    return server, host


def _fits(kind: OrderKind, target: str) -> bool:
    if kind is OrderKind.QUARANTINE_PRINCIPAL:
        return target != AGENT and bool(target) and (target.startswith(AGENT) or "/" not in target)
    if kind is OrderKind.BLOCK_TOOL_HASH:
        return _DIGEST.match(target) is not None
    if kind is OrderKind.DENY_EGRESS:
        server, host = destination(target.lower())
        is_host = _is_network(host) or (_HOST.match(host) is not None and (bool(server) or host.strip("*?.") != ""))
        return is_host and (not server or _SERVER.match(server) is not None)
    server, slash, rest = target.partition("/")
    if kind is OrderKind.BLOCK_VERSION:
        server = target.partition("@")[0]
        try:
            return _SERVER.match(server) is not None and bool(release(target)[1])
        except Invalid:
            return False
    if _SERVER.match(server) is None:
        return False
    if kind is OrderKind.HOLD_TOOL:
        return bool(slash and rest)
    if kind is OrderKind.TAINT_SOURCE:
        return bool(rest) or not slash
    assert kind in (*SERVERS, OrderKind.SET_READ_ONLY, OrderKind.DRAIN_TRANSPORT)
    return not slash


def _lowered(target: str) -> str:
    server, host = destination(target)
    return f"{server}/{host.lower()}" if server else host.lower()


def _is_network(text: str) -> bool:
    if "/" not in text:
        return False
    try:
        ipaddress.ip_network(text, strict=False)
    except ValueError:
        return False
    return True
