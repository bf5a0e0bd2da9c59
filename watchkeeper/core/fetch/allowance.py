"""What may be asked: https at public addresses, and the hosts that the settings name. No I/O.

1. Every address that a name resolves to must be acceptable, not only the one used (an answer with a public and a
   private address, hoping that the second is tried).
2. An address that the settings name is allowed as it is. A *name* that they allow may lead to one's own networks, never
   to link-local addresses or a cloud's metadata.
3. Plain http is for this machine itself, or for a host that the settings name with `http://`.
"""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Iterable, Sequence

import msgspec

from watchkeeper.core.fetch.addresses import Address, is_private, is_public
from watchkeeper.core.fetch.model import FetchRefused
from watchkeeper.core.fetch.target import Target, canonical_host

_HOST = re.compile(r"(\[(?P<bracketed>[^\]]+)\]|(?P<bare>[^:\[\]]+))(:(?P<port>[0-9]{1,5}))?")
_HINT = "if this host is yours, name it in fetch.allow_hosts"


class Allowance(msgspec.Struct, frozen=True):
    """One entry of `fetch.allow_hosts`."""

    host: str
    port: int
    """0 for any."""
    plain: bool
    """Without TLS, too."""


def parse_allowance(text: str) -> Allowance:
    """Raises `FetchRefused` when it is no host."""
    named = text.strip().lower()
    plain = named.startswith("http://")
    rest = named.removeprefix("http://").removeprefix("https://").removesuffix("/")
    found = _HOST.fullmatch(rest)
    if found is None:
        raise FetchRefused("it is no HOST or HOST:PORT")
    host, port = canonical_host(found["bare"] or found["bracketed"]), found["port"] or "0"
    if found["port"] and not 0 < int(port) < 65536:
        raise FetchRefused("its port is no port")
    return Allowance(host, int(port), plain or _is_here(host))


class Allowances:
    """The places that may be asked."""

    def __init__(self, entries: Iterable[str] = ()) -> None:
        self._entries = tuple(parse_allowance(text) for text in entries)

    def check_target(self, target: Target) -> None:
        """Before anything is resolved. Raises `FetchRefused`."""
        if target.scheme == "https":
            return
        entry = self._of(target)
        if entry is None or not entry.plain:
            raise FetchRefused(f"{target.shown} is not https", hint=_HINT)

    def check_addresses(self, target: Target, found: Sequence[str]) -> list[str]:
        """The addresses that may be connected to: all of them, or none. Raises `FetchRefused`."""
        allowed = self._of(target)
        addresses = [_read(target, text) for text in found]
        for address in addresses:
            if is_public(address) or (allowed is not None and (target.literal or is_private(address))):
                continue
            raise FetchRefused(f"{target.shown} leads to an address that is not public", hint=_HINT)
        return [str(address) for address in addresses]

    def _of(self, target: Target) -> Allowance | None:
        same = (e for e in self._entries if e.host == target.host and e.port in (0, target.port))
        return max(same, key=lambda entry: entry.plain, default=None)


def _read(target: Target, text: str) -> Address:
    try:
        return ipaddress.ip_address(text)
    except ValueError as error:
        raise FetchRefused(f"{target.shown} resolves to something that is no address") from error


def _is_here(host: str) -> bool:
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False
