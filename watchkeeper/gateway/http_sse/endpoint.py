"""Where a legacy server wants its messages: learnt from its stream, and so not to be trusted. Pure.

Obligations, and what each one stops:

1. The scheme, host and port of the stream: what is sent there carries credentials (request forgery, stolen tokens).
2. An address of visible ASCII, without credentials and fragment: it becomes a request line (header injection).
"""

from __future__ import annotations

from urllib.parse import SplitResult, urljoin, urlsplit

from watchkeeper.gateway.upstream import UpstreamFailed

_LONGEST = 2048
_PORTS = {"http": 80, "https": 443}


def endpoint_in(data: bytes, stream_url: str) -> str:
    """The full address that an `endpoint` event names. Raises `UpstreamFailed`."""
    if not data or len(data) > _LONGEST or any(not 0x21 <= byte <= 0x7E for byte in data) or b"\\" in data:
        raise UpstreamFailed("the server named an endpoint that is no address")
    try:
        named = urlsplit(urljoin(stream_url, data.decode("ascii")))
        is_ours = _origin(named) == _origin(urlsplit(stream_url))
    except ValueError as error:
        raise UpstreamFailed("the server named an endpoint that is no address") from error
    if not is_ours:
        raise UpstreamFailed("the server named an endpoint on another host, which is not followed")
    if named.username is not None or named.password is not None or named.fragment:
        raise UpstreamFailed("the server named an endpoint that is no address")
    return named.geturl()


def _origin(parts: SplitResult) -> tuple[str, str, int | None]:
    scheme = parts.scheme.lower()
    return scheme, (parts.hostname or "").lower(), parts.port or _PORTS.get(scheme)
