"""How long the console waits for a request to come in whole: whoever sends a byte now and then, or nothing, is cut.

Below: uvicorn's protocol, which has no such bound. Its number of connections has one, so that without this a few
hundred slow ones would keep everybody else out. Answers may take as long as they do.
"""

from __future__ import annotations

import asyncio
from typing import Any

from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

SECONDS = 20.0
"""From a connection's beginning, or a further request's, until that request has come in whole."""


class Patience(HttpToolsProtocol):
    """One connection."""

    _due: asyncio.TimerHandle | None = None

    def connection_made(self, transport: Any) -> None:
        super().connection_made(transport)
        self._wait()

    def connection_lost(self, exc: Exception | None) -> None:
        self._stop()
        super().connection_lost(exc)

    def on_message_begin(self) -> None:
        super().on_message_begin()
        if self._due is None:
            self._wait()

    def on_message_complete(self) -> None:
        self._stop()
        super().on_message_complete()

    def _wait(self) -> None:
        self._due = self.loop.call_later(SECONDS, self._cut)

    def _stop(self) -> None:
        if self._due is not None:
            self._due.cancel()
            self._due = None

    def _cut(self) -> None:
        self._due = None
        if not self.transport.is_closing():
            self.transport.abort()
