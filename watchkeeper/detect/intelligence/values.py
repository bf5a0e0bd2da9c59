"""One form for each value, whoever writes it: what an indicator says and what an event shows meet as equal texts.

Pure. What cannot be brought into that form, or would match half the world, raises `Invalid` with a reason that can be
counted (it never repeats the value).
"""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Callable
from urllib.parse import urlsplit

from watchkeeper.core.errors import Invalid
from watchkeeper.detect.intelligence.model import LONGEST_VALUE, Type
from watchkeeper.detect.intelligence.names import host, is_public_suffix

_is_hex = re.compile("[0-9a-f]+").fullmatch
HASH_LENGTHS = frozenset({32, 40, 64, 128})
_PORTS = {"http": 80, "https": 443, "ftp": 21, "ws": 80, "wss": 443}
_WIDEST = {4: 8, 6: 16}
ECOSYSTEMS = {"npm": "npm", "pypi": "pypi", "docker": "oci", "oci": "oci", "nuget": "nuget", "cargo": "cargo",
              "go": "go", "golang": "go", "gem": "gem", "maven": "maven", "*": "*"}  # fmt: skip
_REFANG = (
    ("[.]", "."), ("(.)", "."), ("{.}", "."), ("[dot]", "."), ("(dot)", "."), ("[:]", ":"), ("[://]", "://"),
    ("[@]", "@"), ("[at]", "@"), ("\\.", "."), ("[/]", "/"),
)  # fmt: skip
_BROKEN_SCHEMES = frozenset({"hxxp", "h**p", "meow"})


def refang(text: str) -> str:
    """What analysts break on purpose, mended: `hxxp://evil[.]example`."""
    if "[" in text or "(" in text or "{" in text or "\\" in text:
        for broken, mended in _REFANG:
            text = text.replace(broken, mended)
    return "http" + text[4:] if text[:4].lower() in _BROKEN_SCHEMES else text


def normal(kind: Type, text: str) -> str:
    """The value in its one form. Raises `Invalid`."""
    return _normal(kind, refang(text.strip()))


def _normal(kind: Type, text: str) -> str:
    if not text or len(text) > LONGEST_VALUE or not text.isprintable():
        raise Invalid("the value is empty, too long, or holds control characters")
    return _BY_TYPE[kind](text)


def guess(text: str) -> tuple[Type, str]:
    """Type and value of a bare word in a list. Raises `Invalid`."""
    word = refang(text.strip())
    kind = _guessed(word)
    try:
        return kind, _normal(kind, word)
    except TooBroad:
        raise
    except Invalid as error:
        raise Invalid("the value is of no type that we know") from error


def _guessed(word: str) -> Type:
    if "://" in word:
        return Type.URL
    if word[:7] == "sha256:":
        return Type.DEFINITION
    if word[:4] == "pkg:":
        return Type.PACKAGE
    if "@" in word:
        return Type.EMAIL
    if "/" in word:
        return Type.NETWORK
    if "." not in word and ":" not in word:
        return Type.HASH
    return Type.IP if ":" in word or word[-1:].isdigit() else Type.DOMAIN


class TooBroad(Invalid):
    """It would match what belongs to many."""

    code = "too_broad"


def _ip(text: str) -> str:
    if _is_plain_ipv4(text):
        return text
    if "/" in text:
        raise Invalid("an address has no prefix length")
    address = ipaddress_of(text)
    if address is None:
        raise Invalid("the value is no IP address")
    return str(address)


def _is_plain_ipv4(text: str) -> bool:
    """Whether it is one in its one form: most of a list are, and this is told much sooner than read."""
    parts = text.split(".")
    return len(parts) == 4 and _OCTETS.issuperset(parts)


_OCTETS = frozenset(map(str, range(256)))


def ipaddress_of(text: str) -> ipaddress.IPv4Address | ipaddress.IPv6Address | None:
    """The address, an IPv4 one out of its IPv6 mapping; a port or brackets are left aside. `None` when it is none."""
    if text[:1] == "[":
        text = text[1:].partition("]")[0]
    elif text.count(":") == 1:
        text = text.partition(":")[0]
    try:
        address = ipaddress.ip_address(text.partition("%")[0])
    except ValueError:
        return None
    return getattr(address, "ipv4_mapped", None) or address


def _network(text: str) -> str:
    try:
        network = ipaddress.ip_network(text, strict=False)
    except ValueError as error:
        raise Invalid("the value is no network") from error
    if network.prefixlen < _WIDEST[network.version]:
        raise TooBroad("the network is too wide to be an indicator")
    return str(network)


def _domain(text: str) -> str:
    name = host(text.removeprefix("*."))
    if not name:
        raise Invalid("the value is no host name")
    if is_public_suffix(name):
        raise TooBroad("the name belongs to a registry or a hosting platform: it would match all of their customers")
    return name


def _url(text: str) -> str:
    found = url(text)
    if not found:
        raise Invalid("the value is no URL")
    return found


def url(text: str) -> str:
    """Scheme and host in lower case, no usual port, user or fragment, `/` for an empty path; empty when it is none."""
    return _plain_url(text) or _any_url(text)


def _plain_url(text: str) -> str:
    """The same of what has but scheme, name and path, as most have; empty when it must be taken apart properly."""
    scheme, _, rest = text.partition("://")
    if scheme not in ("http", "https") or not rest.isascii() or "?" in rest or "#" in rest or not rest.isprintable():
        return ""
    place, _, path = rest.partition("/")
    name = host(place)
    return f"{scheme}://{name}/{path}" if name and name == place.lower() else ""


def _any_url(text: str) -> str:
    try:
        parts = urlsplit(text)
        port = parts.port
        named = parts.hostname or ""
    except ValueError:
        return ""
    scheme = parts.scheme.lower()
    if scheme.startswith("hxxp"):
        scheme = "http" + scheme[4:]
    address = ipaddress_of(named) if named[-1:].isdigit() or ":" in named else None
    name = (f"[{address}]" if address.version == 6 else str(address)) if address else host(named) or _single(named)
    if not scheme or not name:
        return ""
    where = name if port is None or port == _PORTS.get(scheme) else f"{name}:{port}"
    query = f"?{parts.query}" if parts.query else ""
    return f"{scheme}://{where}{parts.path or '/'}{query}"


def _single(name: str) -> str:
    lower = name.lower()
    return lower if lower.isascii() and lower.replace("-", "").isalnum() else ""


def _email(text: str) -> str:
    local, _, domain = text.rpartition("@")
    name = host(domain)
    if not name or not local or len(local) > 64 or any(c in " <>\",;:()[]\\'" for c in local):
        raise Invalid("the value is no e-mail address")
    return f"{local.lower()}@{name}"


def _hash(text: str) -> str:
    digest = text.lower()
    if len(digest) not in HASH_LENGTHS or not _is_hex(digest):
        raise Invalid("the value is no MD5, SHA-1, SHA-256 or SHA-512")
    if digest == digest[0] * len(digest) or digest in _EMPTY:
        raise TooBroad("the digest is that of an empty file or a filler")
    return digest


_EMPTY = frozenset(
    {
        "d41d8cd98f00b204e9800998ecf8427e",
        "da39a3ee5e6b4b0d3255bfef95601890afd80709",
        "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855",
    }
)


def package(text: str) -> str:
    """`ecosystem/name`, with `@version` where one is meant; empty when it is none. Takes package URLs too."""
    if text.startswith("pkg:"):
        text = text[4:].partition("?")[0].partition("#")[0].replace("%40", "@").lstrip("/")
    ecosystem, slash, rest = text.partition("/")
    known = ECOSYSTEMS.get(ecosystem.lower())
    if not slash or known is None:
        known, rest = "*", text
    name, _, version = rest.partition("@") if rest[:1] != "@" else _scoped(rest)
    name = name.lower().replace("_", "-").replace(".", "-") if known == "pypi" else name.lower()
    if not name or len(name) > 214 or any(c.isspace() or c in "\"'<>|;&$`\\" for c in name + version):
        return ""
    return f"{known}/{name}@{version}" if version else f"{known}/{name}"


def _scoped(text: str) -> tuple[str, str, str]:
    name, at, version = text[1:].partition("@")
    return f"@{name}", at, version


def _package(text: str) -> str:
    found = package(text)
    if not found:
        raise Invalid("the value is no package")
    return found


def _definition(text: str) -> str:
    digest = text.lower().removeprefix("sha256:")
    if len(digest) != 64 or not _is_hex(digest):
        raise Invalid("the value is no fingerprint of a definition: sha256:…")
    return f"sha256:{digest}"


def _server(text: str) -> str:
    if len(text) > 256:
        raise Invalid("the name of a server is too long")
    return text.casefold()


_BY_TYPE: dict[Type, Callable[[str], str]] = {
    Type.IP: _ip,
    Type.NETWORK: _network,
    Type.DOMAIN: _domain,
    Type.URL: _url,
    Type.EMAIL: _email,
    Type.HASH: _hash,
    Type.PACKAGE: _package,
    Type.DEFINITION: _definition,
    Type.SERVER: _server,
}
