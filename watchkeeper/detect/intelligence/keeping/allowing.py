"""What is never an indicator, whatever a source says: what we know to be harmless, and what an operator adds.

A name covers the names under it, and URLs and addresses of mail at them; a network covers what lies inside; everything
else covers itself. Who reads the list is told how many indicators each entry silences.
"""

from __future__ import annotations

import ipaddress
from collections.abc import Iterable
from pathlib import Path

import msgspec

from watchkeeper.core.errors import Conflict, NotFound, Unavailable
from watchkeeper.core.files import write_private
from watchkeeper.detect.intelligence.model import Type, key_of
from watchkeeper.detect.intelligence.names import host_of

_NETWORKS = {
    "10.0.0.0/8": "a private network (RFC 1918)",
    "172.16.0.0/12": "a private network (RFC 1918)",
    "192.168.0.0/16": "a private network (RFC 1918)",
    "100.64.0.0/10": "a provider's own network (RFC 6598)",
    "127.0.0.0/8": "this host",
    "169.254.0.0/16": "link-local addresses",
    "0.0.0.0/8": "no address",
    "192.0.2.0/24": "for documentation (RFC 5737)",
    "198.51.100.0/24": "for documentation (RFC 5737)",
    "203.0.113.0/24": "for documentation (RFC 5737)",
    "224.0.0.0/4": "multicast",
    "255.255.255.255/32": "broadcast",
    "::1/128": "this host",
    "::/128": "no address",
    "fe80::/10": "link-local addresses",
    "fc00::/7": "private networks (RFC 4193)",
    "2001:db8::/32": "for documentation (RFC 3849)",
    "ff00::/8": "multicast",
}
_RESOLVERS = (
    *("8.8.8.8", "8.8.4.4", "1.1.1.1", "1.0.0.1", "9.9.9.9", "149.112.112.112", "208.67.222.222", "208.67.220.220"),
    *("94.140.14.14", "94.140.15.15", "2001:4860:4860::8888", "2001:4860:4860::8844", "2606:4700:4700::1111"),
    *("2606:4700:4700::1001", "2620:fe::fe", "2620:fe::9"),
)
_NAMES = {
    "example.com": "for documentation (RFC 2606)",
    "example.net": "for documentation (RFC 2606)",
    "example.org": "for documentation (RFC 2606)",
    "example": "for documentation (RFC 2606)",
    "test": "for tests (RFC 2606)",
    "invalid": "never a name (RFC 2606)",
    "localhost": "this host",
    "localdomain": "this host's network",
}


class Allowed(msgspec.Struct, frozen=True, kw_only=True):
    """One entry."""

    type: Type
    value: str
    why: str
    by: str = "built in"
    added: int = 0

    @property
    def key(self) -> str:
        """What it is called."""
        return key_of(self.type, self.value)


BUILT_IN: tuple[Allowed, ...] = (
    *(Allowed(type=Type.NETWORK, value=value, why=why) for value, why in _NETWORKS.items()),
    *(Allowed(type=Type.IP, value=value, why="a public resolver of names") for value in _RESOLVERS),
    *(Allowed(type=Type.DOMAIN, value=value, why=why) for value, why in _NAMES.items()),
)


class AllowList:
    """Whether a value is on it, and by which entry."""

    def __init__(self, entries: Iterable[Allowed]) -> None:
        self._exact: dict[str, Allowed] = {}
        found: dict[int, dict[int, dict[int, Allowed]]] = {4: {}, 6: {}}
        for one in entries:
            self._exact.setdefault(one.key, one)
            if one.type is Type.NETWORK:
                network = ipaddress.ip_network(one.value)
                start = int(network.network_address) >> network.max_prefixlen - network.prefixlen
                found[network.version].setdefault(network.prefixlen, {})[start] = one
        self._ends = {one.value.rpartition(".")[2] for one in self._exact.values() if one.type is Type.DOMAIN}
        """Last labels of names: most names are set aside by theirs."""
        self._octets = {
            str(octet) for length, starts in found[4].items() for start in starts for octet in _octets(start, length)
        }
        """First parts of IPv4 addresses: the same for them."""
        self._networks = {version: list(lengths.items()) for version, lengths in found.items()}

    def covers(self, kind: Type, value: str) -> Allowed | None:
        """The entry that says it is harmless."""
        return self.covers_key(key_of(kind, value))

    def covers_key(self, key: str) -> Allowed | None:
        """The same for type and value as one text."""
        found = self._exact.get(key)
        if found is not None:
            return found
        letter, value = key[0], key[2:]
        if letter == "d":
            return self._name(value)
        if letter in "in":
            return self._address(value)
        if letter == "e":
            return self._name(value.rpartition("@")[2])
        if letter == "u":
            host = host_of(value)
            return self._address(host) if host[-1:].isdigit() or ":" in host else self._name(host)
        return None

    def _name(self, name: str) -> Allowed | None:
        if name[name.rfind(".") + 1 :] not in self._ends:
            return None
        while name:
            found = self._exact.get(f"d:{name}")
            if found is not None:
                return found
            name = name.partition(".")[2]
        return None

    def _address(self, text: str) -> Allowed | None:
        if text[: text.find(".")] not in self._octets and ":" not in text:
            return self._exact.get(f"i:{text.removesuffix('/32')}")
        address, _, length = text.partition("/")
        version, size, number = _number(address)
        prefix = int(length or size)
        for wide, starts in self._networks[version]:
            if wide <= prefix:
                found = starts.get(number >> size - wide)
                if found is not None:
                    return found
        return self._exact.get(f"i:{address}") if prefix == size else None


def _octets(start: int, length: int) -> range:
    """What the first part of an address in this network can be."""
    if length >= 8:
        return range(start >> length - 8, (start >> length - 8) + 1)
    return range(start << 8 - length, start + 1 << 8 - length)


def _number(address: str) -> tuple[int, int, int]:
    """Version, size and number of an address in its one form."""
    parts = address.split(".")
    if len(parts) == 4:
        return 4, 32, int(parts[0]) << 24 | int(parts[1]) << 16 | int(parts[2]) << 8 | int(parts[3])
    return 6, 128, int(ipaddress.IPv6Address(address))


class AllowBook:
    """The operator's own entries, in a file."""

    def __init__(self, path: Path) -> None:
        self._path = path

    def own(self) -> list[Allowed]:
        """Raises `Unavailable`."""
        try:
            return msgspec.json.decode(self._path.read_bytes(), type=list[Allowed])
        except FileNotFoundError:
            return []
        except (OSError, msgspec.MsgspecError) as error:
            raise Unavailable(f"{self._path} cannot be read: {error}", hint="restore it from a backup") from error

    def add(self, entries: Iterable[Allowed]) -> int:
        """How many are new. Raises `Conflict` when there is but one, and it is there already."""
        known = {one.key: one for one in self.own()}
        wanted = {one.key: one for one in entries}
        new = [key for key in wanted if key not in known]
        if not new and len(wanted) == 1:
            raise Conflict("this is on the list already")
        self._write(wanted | known)
        return len(new)

    def remove(self, kind: Type, value: str) -> Allowed:
        """Raises `NotFound`; what is built in stays."""
        known = {one.key: one for one in self.own()}
        key = key_of(kind, value)
        if key not in known:
            is_ours = any(one.key == key for one in BUILT_IN)
            raise NotFound(
                "this is built in, and stays" if is_ours else "this is not on the list",
                hint="`watchkeeper intel allow list` shows it",
            )
        gone = known.pop(key)
        self._write(known)
        return gone

    def _write(self, known: dict[str, Allowed]) -> None:
        write_private(self._path, msgspec.json.encode([known[key] for key in sorted(known)]))

    def list(self) -> AllowList:
        """Ours and the operator's."""
        return AllowList((*BUILT_IN, *self.own()))
