"""An MCP server at a URL asked by the client that fetches what others chose: bounded, to addresses that were judged.

A redirect is refused (every message carries something), and so is a place on the own networks unless it was named by
whoever runs the scan or in `fetch.allow_hosts` (a file from elsewhere that leads a scanner to a cloud's metadata).
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterable
from urllib.parse import urlsplit

import msgspec

from watchkeeper.core.fetch.client import Fetcher
from watchkeeper.core.fetch.settings import FetchSettings
from watchkeeper.core.secrets import Secret
from watchkeeper.gateway.upstream import Headers, Inbound, Outbound

LARGEST = 16 * 1024 * 1024
_EVENTS = "text/event-stream"
_ACCEPT = ("application/json", _EVENTS)
_OURS = frozenset({b"content-type", b"accept"})


class WebUpstream:
    """One server over Streamable HTTP, as `gateway.upstream.Upstream`: whole answers, one connection each."""

    def __init__(self, url: str, fetcher: Fetcher, headers: Iterable[tuple[str, str]], bearer: Secret) -> None:
        self._url = url
        self._fetcher = fetcher
        own = [(name, value) for name, value in headers]
        self._headers = [*own, *([("Authorization", f"Bearer {bearer.reveal()}")] if bearer else [])]

    async def send(self, inbound: Inbound) -> Outbound:
        """Pass a message on. Raises `Unavailable`, and `Denied` for a place that must not be asked."""
        if inbound.verb != "POST":
            return Outbound(405, [])  # a session that is not ended ends by itself
        sent = [(k.decode("latin-1"), v.decode("latin-1")) for k, v in inbound.headers if k.lower() not in _OURS]
        answer = await self._fetcher.post(
            self._url, inbound.body, "application/json", [*sent, *self._headers], accept=_ACCEPT
        )
        headers: Headers = [(k.encode("latin-1"), v.encode("latin-1")) for k, v in answer.headers.items()]
        if answer.headers.get("content-type", "").lower().startswith(_EVENTS):
            return Outbound(answer.status, headers, events=_events(answer.body))
        return Outbound(answer.status, headers, answer.body)

    async def close(self) -> None:
        """Nothing is kept."""


def fetcher_for(url: str, settings: FetchSettings, seconds: float, *, is_named: bool) -> Fetcher:
    """Asks this server; a host that was named on the command line may be on the own network. Raises `Misconfigured`."""
    parts = urlsplit(url)
    hosts = [*settings.allow_hosts, "127.0.0.1", "localhost", "[::1]"]
    if is_named and parts.hostname:
        hosts.append(f"{'http://' if parts.scheme == 'http' else ''}{parts.netloc.rpartition('@')[2]}")
    return Fetcher(msgspec.structs.replace(settings, allow_hosts=tuple(hosts), seconds=seconds, max_bytes=LARGEST))


async def _events(body: bytes) -> AsyncIterator[bytes]:
    for event in body.replace(b"\r\n", b"\n").split(b"\n\n"):
        if event.strip():
            yield event + b"\n\n"
