"""What a host's name means, however it is written: its number, and whether it is this machine's or its network's.

Numbers are read as C libraries do (`inet_aton`): one to four parts, each decimal, octal or hexadecimal; IPv6 with an
IPv4 address inside is that address. No name is looked up.
"""

from __future__ import annotations

from ipaddress import IPv4Address, IPv6Address, ip_address, ip_network
from urllib.parse import unquote

Address = IPv4Address | IPv6Address
_INTERNAL = tuple(
    ip_network(text)
    for text in (
        *("0.0.0.0/8", "10.0.0.0/8", "100.64.0.0/10", "127.0.0.0/8", "169.254.0.0/16", "172.16.0.0/12"),
        *("192.0.0.0/24", "192.168.0.0/16", "198.18.0.0/15", "224.0.0.0/4", "240.0.0.0/4"),
        *("::/127", "fc00::/7", "fe80::/10", "fec0::/10", "ff00::/8"),
    )
)
_EMBEDS = ((ip_network("64:ff9b::/96"), 0), (ip_network("::/96"), 0), (ip_network("2002::/16"), 80))
"""IPv6 networks that hold an IPv4 address, and how many bits follow it."""
_LOOPBACK = (".localtest.me", ".lvh.me", ".vcap.me", ".lacolhost.com")
"""Public names that lead here."""
_NAMES = (".localhost", ".local", ".localdomain", ".internal", ".intranet", ".lan", ".home.arpa", ".svc", *_LOOPBACK)
_DOTS = str.maketrans(dict.fromkeys("\u3002\uff0e\uff61", "."))
_PARTS = 4


def canonical(host: str) -> str:
    """The name in lower case, its escapes resolved, without brackets and without a dot at its end."""
    plain = unquote(host).translate(_DOTS).lower().strip("[]")
    return plain.partition("%")[0].rstrip(".")


def address_of(host: str) -> Address | None:
    """The number that a canonical name is."""
    if ":" in host:
        try:
            return _inner(IPv6Address(host))
        except ValueError:
            return None
    parts = host.split(".")
    numbers = [_number(part) for part in parts]
    if len(parts) > _PARTS or any(number is None for number in numbers):
        return None
    *firsts, last = (number for number in numbers if number is not None)
    if any(number > 255 for number in firsts) or last >= 256 ** (5 - len(parts)):
        return None
    whole = last
    for place, number in enumerate(firsts):
        whole += number << (24 - 8 * place)
    return IPv4Address(whole)


def is_internal(host: str) -> bool:
    """Whether a canonical name leads to this machine or its networks; a name without a dot does."""
    address = address_of(host)
    if address is not None:
        return any(address in network for network in _INTERNAL if network.version == address.version)
    return "." not in host or f".{host}".endswith(_NAMES)


def is_network(pattern: str, address: Address | None) -> bool:
    """Whether the pattern is a network with this address in it."""
    try:
        return address is not None and address in ip_network(pattern, strict=False)
    except ValueError:
        return False


def _number(text: str) -> int | None:
    try:
        if text[:2] == "0x":
            return int(text[2:] or "0", 16)
        if len(text) > 1 and text[0] == "0":
            return int(text, 8)
        return int(text) if text.isascii() and text.isdigit() else None
    except ValueError:
        return None


def _inner(address: IPv6Address) -> Address:
    if address.ipv4_mapped is not None:
        return address.ipv4_mapped
    for network, after in _EMBEDS:
        if address in network and int(address) > 1:
            return IPv4Address(int(address) >> after & 0xFFFFFFFF)
    return ip_address(int(address)) if int(address) >= 2**32 else address
