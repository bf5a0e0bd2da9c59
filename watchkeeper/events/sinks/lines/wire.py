"""A connection to a receiver of syslog, which never says what it has taken.

So nothing counts as sent when it is written. It does once the connection has lived on for `settle` seconds after, with
the receiving host's kernel having confirmed every byte; a connection that dies before takes with it what was written
last, and that is sent again over the next one. What the receiver loses after that, it loses silently: syslog cannot do
better (RFC 5425, 4.3 and 4.4), and docs/concepts/sinks.md says so.

Over TLS and TCP messages are framed by octet counting (RFC 5425, RFC 6587 3.4.1), over UDP by the datagram, where
nothing is confirmed at all.
"""

from __future__ import annotations

import fcntl
import socket
import ssl
import struct
import sys
import termios
import time
from collections.abc import Sequence
from dataclasses import dataclass

from watchkeeper.events.sinks.model import NotTaken

SETTLE = 5.0
_IDLE = 4096
"""Bytes that a receiver may say unasked before we take it for something else."""


@dataclass(frozen=True)
class Ticket:
    """What was written at once, and over which connection."""

    connection: int
    at: float


@dataclass(frozen=True)
class Place:
    """Where the receiver is, and how to get there."""

    host: str
    port: int
    transport: str
    tls: ssl.SSLContext | None
    timeout: float
    settle: float


class LineWire:
    """Used by one thread."""

    def __init__(self, place: Place) -> None:
        self._place = place
        self._socket: socket.socket | None = None
        self._connection = 0

    @property
    def shown(self) -> str:
        """For people."""
        host = f"[{self._place.host}]" if ":" in self._place.host else self._place.host
        return f"{self._place.transport}://{host}:{self._place.port}"

    def write(self, messages: Sequence[bytes]) -> Ticket | None:
        """Write them in this order; None where nothing can ever be known of them. Raises `NotTaken`."""
        link = self._open()
        try:
            if self._place.transport == "udp":
                for message in messages:
                    link.send(message)
                return None
            self._check_alive(link)
            link.settimeout(self._place.timeout)
            link.sendall(b"".join(b"%d %s" % (len(message), message) for message in messages))
        except OSError as error:
            self.close()
            raise NotTaken(f"{self.shown} broke off: {_words(error)}") from error
        return Ticket(self._connection, time.monotonic())

    def is_settled(self, ticket: Ticket) -> bool:
        """Raises `NotTaken` when the connection died too early."""
        if self._socket is None or ticket.connection != self._connection:
            raise NotTaken(f"{self.shown} broke off before what was written could count as taken")
        try:
            self._check_alive(self._socket)
            return time.monotonic() - ticket.at >= self._place.settle and not _unconfirmed(self._socket)
        except OSError as error:
            self.close()
            raise NotTaken(f"{self.shown} broke off: {_words(error)}") from error

    def close(self) -> None:
        link, self._socket = self._socket, None
        if link is None:
            return
        try:
            link.settimeout(1.0)
            if isinstance(link, ssl.SSLSocket):
                link = link.unwrap()
            link.shutdown(socket.SHUT_WR)  # lets the kernel hand over what it still holds
        except (OSError, ValueError):
            pass  # it is gone already, and whoever waits for something of it will be told so
        finally:
            link.close()

    def _open(self) -> socket.socket:
        if self._socket is None:
            try:
                self._socket = self._connect()
            except ssl.SSLCertVerificationError as error:
                raise NotTaken(
                    f"the certificate of {self.shown} is not trusted: {error.verify_message}",
                    hint="if its authority is yours, name it in tls_ca",
                ) from error
            except OSError as error:
                raise NotTaken(
                    f"{self.shown} cannot be reached: {_words(error)}",
                    hint="is it the right port?",
                ) from error
            self._connection += 1
        return self._socket

    def _connect(self) -> socket.socket:
        place = self._place
        if place.transport == "udp":
            family, kind, protocol, _, address = socket.getaddrinfo(place.host, place.port, type=socket.SOCK_DGRAM)[0]
            link = socket.socket(family, kind, protocol)
            link.connect(address)
            return link
        link = socket.create_connection((place.host, place.port), timeout=place.timeout)
        try:
            link.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
            return link if place.tls is None else place.tls.wrap_socket(link, server_hostname=place.host)
        except BaseException:
            link.close()
            raise

    def _check_alive(self, link: socket.socket) -> None:
        """Raises `OSError` when the other side has closed. What it says is read and forgotten."""
        link.settimeout(0.0)
        try:
            said = 0
            while said < _IDLE:
                data = link.recv(1024)
                if not data:
                    raise ConnectionResetError("it closed the connection")
                said += len(data)
            raise ConnectionAbortedError("it talks, as no receiver of syslog does")
        except (BlockingIOError, ssl.SSLWantReadError):
            return


def _unconfirmed(link: socket.socket) -> bool:
    """Whether the other host's kernel has not confirmed everything; False where ours does not tell."""
    if not sys.platform.startswith("linux"):
        return False
    waiting = fcntl.ioctl(link.fileno(), termios.TIOCOUTQ, b"\0" * 4)
    return bool(struct.unpack("i", waiting)[0])


def _words(error: OSError) -> str:
    if isinstance(error, ssl.SSLError):
        return (error.reason or "TLS failed").lower().replace("_", " ")
    return error.strerror or str(error) or type(error).__name__
