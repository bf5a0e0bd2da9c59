"""HTTP to a system that the settings name: through the one client, bounded in time and size, errors sorted into later
and never, and no secret in what is told of the answer.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from typing import Any

import msgspec

from watchkeeper.core.errors import Misconfigured
from watchkeeper.core.fetch.client import Fetcher
from watchkeeper.core.fetch.model import WORDS, FetchFailed, FetchRefused
from watchkeeper.core.secrets import Secret
from watchkeeper.core.text import visible
from watchkeeper.gateway.tls import contexts
from watchkeeper.respond.errands import NotTaken, Rejected
from watchkeeper.respond.integrations.interface import Ground
from watchkeeper.respond.integrations.settings import IntegrationSettings

LARGEST_ANSWER = 262_144
LONGEST_WAIT = 3_600
"""Seconds; a receiver that asks for more is asked again after this."""
_LATER = frozenset({408, 409, 423, 425, 429})
_SAID = 300


class Answer(msgspec.Struct, frozen=True):
    """An answer of success."""

    status: int
    text: str
    said: str
    """For people: bounded, visible, without our secrets."""

    @property
    def json(self) -> Any:
        """What it says, or an empty table where that is no JSON."""
        try:
            return msgspec.json.decode(self.text)
        except (msgspec.MsgspecError, RecursionError):
            return {}


class Wire:
    """To one system. Blocks; not for an event loop."""

    def __init__(self, where: str, settings: IntegrationSettings, ground: Ground, secrets: Sequence[Secret]) -> None:
        fetch = msgspec.structs.replace(ground.fetch, seconds=settings.timeout_seconds, max_bytes=LARGEST_ANSWER)
        tls = contexts.for_server(where, settings.tls_ca) if settings.tls_ca else None
        self._fetcher = Fetcher(fetch, tls=tls)
        self._secrets = [part for secret in secrets for part in _parts(secret.reveal())]
        self._where = where

    def check(self, field: str, url: str) -> str:
        """The URL, if it may be asked. Raises `Misconfigured`."""
        try:
            self._fetcher.check(url)
        except FetchRefused as error:
            raise Misconfigured(f"{self._where}.{field}: {self._clean(error.reason)}", hint=error.hint) from None
        return url

    def send(self, verb: str, url: str, body: Any = None, headers: Mapping[str, str] | None = None) -> Answer:
        """Send JSON. Raises `NotTaken` or `Rejected` when it says no, `FetchFailed`, `FetchRefused`."""
        data = b"" if body is None else msgspec.json.encode(body)
        return self.send_bytes(verb, url, data, {"Content-Type": "application/json"} | dict(headers or {}))

    def send_bytes(self, verb: str, url: str, body: bytes, headers: Mapping[str, str]) -> Answer:
        """The same with a body of one's own."""
        lines = list(({"Accept": ", ".join(WORDS)} | dict(headers)).items())
        try:
            got = asyncio.run(self._fetcher.request(verb, url, lines, body, WORDS))
        except (FetchFailed, FetchRefused) as error:  # what they say names the URL, which may be a secret
            raise type(error)(self._clean(error.reason), hint=error.hint) from None
        text = got.body.decode("utf-8", errors="replace")
        said = self._clean(f"{got.status} {text}")
        if 200 <= got.status < 300:
            return Answer(got.status, text, said)
        if got.status in _LATER or got.status >= 500:
            raise NotTaken(f"it answers {said}", after=_seconds(got.headers.get("retry-after", "")))
        hint = "look at this integration's settings, and at what the answer says"
        raise Rejected(f"it answers {said}", status=got.status, hint=hint)

    def _clean(self, text: str) -> str:
        for secret in self._secrets:
            text = text.replace(secret, "…")
        return visible(text.strip(), limit=_SAID)


def _parts(secret: str) -> list[str]:
    """What must not be told: the secret without its scheme (`Bearer …`); of an address its path, too."""
    bare = secret.rpartition(" ")[2]
    _, found, rest = bare.partition("://")
    path = rest.partition("/")[2].partition("?")[0] if found else ""
    return [part for part in (bare, path) if part]


def _seconds(text: str) -> int:
    return min(int(text), LONGEST_WAIT) if text.isascii() and text.isdigit() and len(text) < 7 else 0
