"""One receiver over HTTP, through the product's own client, and what its answers mean for what was sent.

| answer | meaning |
|---|---|
| 2xx | taken |
| 400, 413, 422 | there is something in it that this receiver never takes: `BatchRefused` |
| 429, 5xx, 408 | not now: `NotTaken`, for as long as `Retry-After` says |
| 401, 403, 404 and any other | the settings of one side are wrong: `NotTaken`, with what to do; nothing is put aside |
| none, half of one, garbage | `NotTaken` |

What a receiver says is shown to people, so that a secret of ours that it echoes is taken out first.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Mapping, Sequence

import msgspec

from watchkeeper.core.errors import WatchkeeperError
from watchkeeper.core.fetch.client import Fetcher
from watchkeeper.core.secrets import Secret
from watchkeeper.core.text import visible
from watchkeeper.events.sinks.backoff import retry_after
from watchkeeper.events.sinks.model import SAID, BatchRefused, NotTaken

PROTOBUF = "application/x-protobuf"
_ANSWERS = ("application/json", "text/plain", "text/html", PROTOBUF)
_SHORTEST = 6
"""Characters of a word that may be a secret; `Bearer` may go, too."""
_REFUSED = frozenset({400, 413, 422})
_HINTS = {
    401: "the receiver does not know these credentials: correct token or headers",
    403: "these credentials may not write there: correct them, or the rights they have",
    404: "nothing is there: correct the url",
    405: "nothing is there that takes events: correct the url",
}


class Answer(msgspec.Struct, frozen=True):
    """What came back with a 2xx."""

    status: int
    body: bytes
    said: str


class Wire:
    """Sends bodies to paths below one URL. Used by one thread."""

    def __init__(self, url: str, fetcher: Fetcher, headers: Mapping[str, Secret]) -> None:
        self._url = url.rstrip("/")
        self._fetcher = fetcher
        self._headers = tuple((name, value.reveal()) for name, value in headers.items())
        self._secrets: list[str] = []
        for value in headers.values():
            self.keep_secret(value)
        self._runner: asyncio.Runner | None = None

    def keep_secret(self, value: Secret) -> None:
        """Take it out of whatever a receiver says."""
        self._secrets += [word for word in value.reveal().split() if len(word) >= _SHORTEST]

    def post(self, path: str, body: bytes, media: str, headers: Sequence[tuple[str, str]] = ()) -> Answer:
        """Raises `NotTaken`, `BatchRefused`."""
        if self._runner is None:
            self._runner = asyncio.Runner()
        try:
            got = self._runner.run(
                self._fetcher.post(self._url + path, body, media, (*self._headers, *headers), _ANSWERS)
            )
        except WatchkeeperError as error:
            raise NotTaken(self.clean(error.reason.encode()), hint=error.hint) from error
        said = f"{got.status}: {self.clean(got.body)}".rstrip(": ")
        if 200 <= got.status < 300:
            return Answer(got.status, got.body, said)
        if got.status in _REFUSED:
            raise BatchRefused(said)
        after = retry_after(got.headers.get("retry-after", ""), time.time())
        raise NotTaken(said, hint=_HINTS.get(got.status, ""), after=after)

    def clean(self, said: bytes) -> str:
        """What a receiver said, fit to be shown."""
        text = said[: SAID * 8].decode("utf-8", "replace").strip()
        for secret in self._secrets:
            text = text.replace(secret, "…")
        return visible(text, limit=SAID)

    def close(self) -> None:
        if self._runner is not None:
            self._runner.close()
            self._runner = None
