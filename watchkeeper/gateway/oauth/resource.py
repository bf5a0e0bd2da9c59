"""What one route tells OAuth clients of itself: its metadata (RFC 9728), and the challenges that point to it. Pure.

It answers for its own address, never for the server's behind it. The address is the settings' `public_url`, or else
what the client called us by, which was found among our names before anybody comes here.
"""

from __future__ import annotations

from urllib.parse import urlsplit

import msgspec

WELL_KNOWN = "/.well-known/oauth-protected-resource"
_NOT_ASKED_FOR = frozenset({"offline_access"})
"""Refresh tokens are between a client and its authorization server."""


class Resource(msgspec.Struct, frozen=True, kw_only=True):
    """One route as an OAuth resource."""

    scheme: str = "http"
    path: str = "/mcp"
    public_url: str = ""
    issuers: tuple[str, ...] = ()
    scopes: tuple[str, ...] = ()
    """Needed for anything at all."""
    all_scopes: tuple[str, ...] = ()
    """Every scope that something on this route needs."""
    name: str = ""
    """The route's."""

    def url(self, host: str) -> str:
        """The canonical URI, for a client that calls us `host`."""
        return self.public_url or f"{self.scheme}://{host}{self.path}"

    def audiences(self, hosts: frozenset[str]) -> frozenset[str]:
        """What tokens may be issued for."""
        return frozenset({self.url(host) for host in hosts})

    @property
    def metadata_paths(self) -> frozenset[str]:
        """Where the metadata is: at the root, and with the path behind."""
        paths = (self.path, urlsplit(self.public_url).path)
        return frozenset({WELL_KNOWN} | {WELL_KNOWN + path for path in paths if path not in ("", "/")})

    def metadata(self, host: str) -> bytes:
        """The document."""
        said: dict[str, object] = {
            "resource": self.url(host),
            "authorization_servers": self.issuers,
            "bearer_methods_supported": ["header"],
        }
        if scopes := [scope for scope in self.all_scopes if scope not in _NOT_ASKED_FOR]:
            said["scopes_supported"] = scopes
        if self.name:
            said["resource_name"] = self.name
        return msgspec.json.encode(said)

    def challenge(self, url: str, *, error: str = "", reason: str = "", scopes: tuple[str, ...] = ()) -> bytes:
        """The value of `WWW-Authenticate`, for a client that reached us at `url`."""
        said = {"realm": "watchkeeper", "error": error, "error_description": reason if error else ""}
        if self.issuers:
            parts = urlsplit(url)
            path = "" if parts.path == "/" else parts.path
            needed = " ".join(scope for scope in scopes or self.scopes if scope not in _NOT_ASKED_FOR)
            said |= {"scope": needed, "resource_metadata": f"{parts.scheme}://{parts.netloc}{WELL_KNOWN}{path}"}
        return ("Bearer " + ", ".join(f'{name}="{value}"' for name, value in said.items() if value)).encode()
