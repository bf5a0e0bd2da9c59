"""What a token is for: the server's address in the one form that everybody compares (RFC 8707, RFC 9728). No I/O."""

from __future__ import annotations

from urllib.parse import urlsplit, urlunsplit

_PORTS = {"https": 443, "http": 80}


def canonical_resource(url: str) -> str:
    """Scheme and host in lower case, no default port, no fragment, no slash at the end."""
    parts = urlsplit(url)
    host = (parts.hostname or "").lower()
    shown = f"[{host}]" if ":" in host else host
    port = "" if parts.port in (None, _PORTS.get(parts.scheme)) else f":{parts.port}"
    return urlunsplit((parts.scheme.lower(), shown + port, parts.path.rstrip("/"), parts.query, ""))


def covers(resource: str, url: str) -> bool:
    """Whether a resource is this server's address or an ancestor of it on the same origin."""
    wide, narrow = urlsplit(canonical_resource(resource)), urlsplit(canonical_resource(url))
    if (wide.scheme, wide.netloc) != (narrow.scheme, narrow.netloc) or wide.query not in ("", narrow.query):
        return False
    return narrow.path == wide.path or narrow.path.startswith(wide.path + "/")
