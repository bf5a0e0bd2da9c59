"""Which addresses are the public internet's: the standard library's list, and what that list lets through. No I/O."""

from __future__ import annotations

import ipaddress

Address = ipaddress.IPv4Address | ipaddress.IPv6Address

_UNICAST = ipaddress.IPv6Network("2000::/3")
"""What IPv6 has for the internet; site-local, mapped, NAT64 and IPv4-compatible addresses lie outside."""
_HOLES = tuple(
    ipaddress.ip_network(network)
    for network in (
        "2001::/23",  # Teredo, ORCHID and other protocol assignments
        "2002::/16",  # 6to4: any IPv4 address inside
        "2001:db8::/32",
        "3fff::/20",  # documentation, younger than some Python's list
        "192.88.99.0/24",  # 6to4 relays
        "168.63.129.16/32",  # Azure's host, which tells a machine its secrets
    )
)
_NEVER = tuple(
    ipaddress.ip_network(network)
    for network in (
        "169.254.0.0/16",
        "fe80::/10",
        "fd00:ec2::/32",  # AWS's metadata over IPv6
        "100.100.100.200/32",  # Alibaba's
        "168.63.129.16/32",
    )
)
"""Where clouds keep a machine's credentials: no *name* leads there, whatever the settings allow."""
_PRIVATE = tuple(
    ipaddress.ip_network(network)
    for network in (
        "127.0.0.0/8",
        "::1/128",
        "10.0.0.0/8",
        "172.16.0.0/12",
        "192.168.0.0/16",
        "100.64.0.0/10",
        "fc00::/7",
    )
)


def is_public(address: Address) -> bool:
    """Whether this is one host of the public internet, and no other address is hidden in it."""
    if isinstance(address, ipaddress.IPv6Address) and (address not in _UNICAST or _is_isatap(address)):
        return False
    return address.is_global and not address.is_multicast and not address.is_reserved and not _in(address, _HOLES)


def is_private(address: Address) -> bool:
    """Whether this is a host of one's own networks, such as a name that the settings allow may lead to."""
    return _in(address, _PRIVATE) and not _in(address, _NEVER)


def _is_isatap(address: ipaddress.IPv6Address) -> bool:
    """An interface identifier that tunnels to the IPv4 address in it (RFC 5214)."""
    return int(address) >> 32 & 0xFDFFFFFF == 0x00005EFE


def _in(address: Address, networks: tuple[ipaddress.IPv4Network | ipaddress.IPv6Network, ...]) -> bool:
    return any(address.version == network.version and address in network for network in networks)
