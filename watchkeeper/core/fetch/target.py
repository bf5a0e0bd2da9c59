"""A URL read in one way only. What two readers might take differently is refused, not repaired. No I/O.

Each refusal, and the attack it stops:
1. spaces, control characters, backslashes, anything beyond ASCII (parsers that disagree on where the host ends);
2. user information (`https://good.example@bad.example/`, and credentials in a URL);
3. a fragment (it is never sent, and hides what is);
4. a host that ends in a number but is no plain IPv4 address (`2130706433`, `0x7f.1`, `0177.0.0.1`, `127.1`);
5. an IPv6 zone, percent-encoding in a host, a trailing dot, an underscore (names that compare as different and resolve
   to the same).
"""

from __future__ import annotations

import ipaddress
import re
from urllib.parse import urlsplit

import msgspec

from watchkeeper.core.fetch.model import FetchRefused

LONGEST = 2048
_CHARACTERS = re.compile(r"[A-Za-z0-9._~:/?#@!$&'()*+,;=%\[\]-]+")
"""What RFC 3986 lets stand in a URL."""
_LABEL = re.compile(r"[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?")
_NUMBER = re.compile(r"[0-9]+|0x[0-9a-f]*")
_PORTS = {"https": 443, "http": 80}


class Target(msgspec.Struct, frozen=True):
    """Where to connect, under which name, and what to ask there."""

    scheme: str
    host: str
    """A DNS name or an address, in lower case, without brackets."""
    port: int
    path: str
    """Path and query, as sent."""

    @property
    def authority(self) -> str:
        """The value of `Host`."""
        shown = f"[{self.host}]" if ":" in self.host else self.host
        return shown if self.port == _PORTS[self.scheme] else f"{shown}:{self.port}"

    @property
    def shown(self) -> str:
        """For errors and logs: without the query, which may hold what nobody should read."""
        return f"{self.scheme}://{self.authority}{self.path.partition('?')[0]}"

    @property
    def literal(self) -> str:
        """The address, when the host is one; else empty."""
        return _address(self.host)


def parse_target(url: str) -> Target:
    """Raises `FetchRefused`; what it says does not repeat the URL."""
    if len(url) > LONGEST:
        raise FetchRefused(f"a URL is longer than {LONGEST} characters")
    if not _CHARACTERS.fullmatch(url):
        raise FetchRefused("a URL holds characters that do not belong into one")
    scheme = url.partition(":")[0].lower()
    if scheme not in _PORTS or not url[len(scheme) :].startswith("://"):
        raise FetchRefused("a URL is not https")
    try:
        parts = urlsplit(url)
        port = parts.port
    except ValueError as error:
        raise FetchRefused("a URL has no readable host or port") from error
    if "@" in parts.netloc:
        raise FetchRefused("a URL carries user information")
    if "#" in url:
        raise FetchRefused("a URL carries a fragment")
    named = parts.hostname or ""
    host = canonical_host(named)
    shown = f"[{named}]" if ":" in named else named
    if parts.netloc.lower() not in (shown, f"{shown}:{port}") or port == 0:
        raise FetchRefused("a URL has no readable host or port")
    path = parts.path or "/"
    return Target(scheme, host, port or _PORTS[scheme], f"{path}?{parts.query}" if parts.query else path)


def canonical_host(host: str) -> str:
    """The host, an address in its shortest form. Raises `FetchRefused` unless it is a DNS name or a usual address."""
    if address := _address(host):
        return address
    if ":" in host or "%" in host:
        raise FetchRefused("a host is no IPv6 address without a zone")
    if host.endswith("."):
        raise FetchRefused("a host ends in a dot")
    labels = host.split(".")
    if len(host) > 253 or not all(_LABEL.fullmatch(label) for label in labels):
        raise FetchRefused("a host is no DNS name")
    if _NUMBER.fullmatch(labels[-1]):
        raise FetchRefused("a host ends in a number and is no plain IPv4 address")
    return host


def _address(host: str) -> str:
    try:
        return "" if "%" in host else str(ipaddress.ip_address(host))
    except ValueError:
        return ""
