"""What our ports show in handshakes, read anew when its files change.

Connections that stand are not touched. A file that cannot be used is told once, and what was read before stays in use:
a renewal that went wrong must not close the door.
"""

from __future__ import annotations

import asyncio
import logging
import os
import ssl
from collections.abc import Callable

from watchkeeper.core.errors import Misconfigured
from watchkeeper.gateway.settings import GatewaySettings
from watchkeeper.gateway.tls import contexts

EVERY_SECONDS = 2.0
_log = logging.getLogger(__name__)


class Handshakes:
    """One certificate for all ports. Raises `Misconfigured` when it cannot be used at the start."""

    def __init__(self, settings: GatewaySettings) -> None:
        self._settings = settings
        self._stamp = _look(settings)
        self._current = self.read(settings)
        self.context = self.read(settings)
        """For listening; every handshake goes on with what is current then, a changed authority included."""
        self.context.sni_callback = self._choose

    def adopt(self, settings: GatewaySettings, context: ssl.SSLContext) -> None:
        """Show what `read` made of changed settings from now on."""
        self._settings, self._stamp = settings, _look(settings)
        self._take(context)

    async def watch(self, tell: Callable[[str, str], None], every: float = EVERY_SECONDS) -> None:
        """Until cancelled, take over changed files; `tell` hears the kind of event and why."""
        while True:
            await asyncio.sleep(every)
            self.renew(tell)

    def renew(self, tell: Callable[[str, str], None]) -> None:
        """Take over the files if they have changed."""
        stamp = _look(self._settings)
        if stamp == self._stamp:
            return
        self._stamp = stamp
        try:
            self._take(self.read(self._settings))
        except Misconfigured as error:
            _log.warning("a changed certificate is not used: %s", error.reason)
            tell("gateway.certificate.refused", error.reason)
            return
        tell("gateway.certificate.renewed", "")

    @staticmethod
    def read(settings: GatewaySettings) -> ssl.SSLContext:
        """What settings let ports show. Raises `Misconfigured`."""
        s = settings
        return contexts.for_clients(s.tls_certificate, s.tls_key, s.tls_client_ca, s.client_certificates)

    def _take(self, context: ssl.SSLContext) -> None:
        self._current = context
        # what a connection begins with, before it can be told of the current context
        self.context.options, self.context.num_tickets = context.options, context.num_tickets
        self.context.verify_mode = context.verify_mode

    def _choose(self, connection: ssl.SSLObject, name: str | None, context: ssl.SSLContext) -> None:
        connection.context = self._current


def _look(settings: GatewaySettings) -> tuple[tuple[int, int, int], ...]:
    files = (settings.tls_certificate, settings.tls_key, settings.tls_client_ca)
    return tuple(_stamp(file) for file in files if file)


def _stamp(file: str) -> tuple[int, int, int]:
    try:
        stat = os.stat(file)
    except OSError:
        return (0, 0, 0)
    return (stat.st_mtime_ns, stat.st_size, stat.st_ino)
