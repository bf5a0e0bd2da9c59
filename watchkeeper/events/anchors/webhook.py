"""Copies with somebody who takes them over HTTP and gives them back when asked: docs/concepts/journal.md has the calls.

Every request is signed the way all our webhooks are; the signing is given in, for it belongs to who sends them.
"""

from __future__ import annotations

import asyncio
import secrets
from collections.abc import Callable, Iterator
from typing import TypeVar
from urllib.parse import urlencode

import msgspec

from watchkeeper.core.clock import SECOND, Clock
from watchkeeper.core.errors import NotFound, Unavailable
from watchkeeper.core.fetch.client import Fetcher

FORMAT = "watchkeeper-anchor/1"
_T = TypeVar("_T")
Signs = Callable[[str, int, bytes], str]
"""(id, seconds, body) → signature."""


class _Listed(msgspec.Struct):
    writers: list[str] = []
    names: list[str] = []


class _Kept(msgspec.Struct):
    data: str


class WebhookPlace:
    """One URL."""

    def __init__(self, name: str, url: str, signs: Signs, fetcher: Fetcher, clock: Clock) -> None:
        self.name = name
        self._url = url
        self._signs = signs
        self._fetcher = fetcher
        self._clock = clock

    def put(self, writer: str, name: str, data: bytes) -> None:
        said = {"format": FORMAT, "writer": writer, "name": name, "data": data.decode()}
        status, _ = self._ask("POST", {}, msgspec.json.encode(said))
        if status != 409 and not 200 <= status < 300:
            raise self._said(status)

    def writers(self) -> list[str]:
        return sorted(self._list({}).writers)

    def names(self, writer: str) -> Iterator[str]:
        after = ""
        while True:
            names = sorted(self._list({"writer": writer, "after": after} if after else {"writer": writer}).names)
            yield from names
            if not names or names[-1] <= after:
                return
            after = names[-1]

    def get(self, writer: str, name: str) -> bytes:
        status, body = self._ask("GET", {"writer": writer, "name": name})
        if status == 404:
            raise NotFound(f"{self.name} has no {writer}/{name}")
        if status != 200:
            raise self._said(status)
        return self._read(body, _Kept).data.encode()

    def _list(self, query: dict[str, str]) -> _Listed:
        status, body = self._ask("GET", query)
        if status != 200:
            raise self._said(status)
        return self._read(body, _Listed)

    def _ask(self, verb: str, query: dict[str, str], body: bytes = b"") -> tuple[int, bytes]:
        url = f"{self._url}{'&' if '?' in self._url else '?'}{urlencode(query)}" if query else self._url
        name, seconds = f"anchor_{secrets.token_hex(12)}", self._clock.now() // SECOND
        signed = body or url.encode()  # of what has no body, where it goes is signed
        headers = [
            ("webhook-id", name),
            ("webhook-timestamp", str(seconds)),
            ("webhook-signature", self._signs(name, seconds, signed)),
            ("accept", "application/json"),
        ]
        headers += [("content-type", "application/json")] if body else []
        answer = asyncio.run(self._fetcher.request(verb, url, headers, body, ("application/json",)))
        return answer.status, answer.body

    def _read(self, body: bytes, kind: type[_T]) -> _T:
        try:
            return msgspec.json.decode(body, type=kind)
        except (msgspec.MsgspecError, RecursionError) as error:
            raise Unavailable(f"{self.name} answers something else: {error}") from error

    def _said(self, status: int) -> Unavailable:
        return Unavailable(f"the receiver answers {status}", hint="check its address and the secret it knows")
