"""Mail by SMTP. Obligations, and what each one stops:

1. TLS from a command on or from the first byte, with the server's certificate verified; a server that does not offer it
   is not spoken to in the open (a stripped STARTTLS). Without TLS only on this machine itself.
2. The password goes over TLS only.
3. No text of an incident makes a header or a recipient: a subject is one line, addresses are the settings'.
4. The address that the name leads to is judged like any URL's (a name that leads into one's own networks).
5. The whole takes seconds, however slowly the other side drips, and its answers have a bound.
6. What the server says it queued the message as is kept; that people got it nobody can ask.

`Message-ID` derives from the key, so that mailboxes that look at it show one message for two deliveries.
"""

from __future__ import annotations

import re
import smtplib
import socket
import ssl
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from email.message import EmailMessage
from email.policy import SMTP
from email.utils import format_datetime
from threading import Timer
from typing import Any

from watchkeeper.core.clock import SECOND
from watchkeeper.core.errors import Misconfigured, WatchkeeperError
from watchkeeper.core.fetch.allowance import Allowances
from watchkeeper.core.fetch.model import FetchFailed, FetchRefused
from watchkeeper.core.fetch.target import Target, canonical_host
from watchkeeper.core.ids import derived_id
from watchkeeper.core.secrets import Secret
from watchkeeper.core.text import visible
from watchkeeper.gateway.tls import contexts
from watchkeeper.respond.errands import Errand, NotTaken, Receipt, Rejected, Repeats, Verb
from watchkeeper.respond.integrations.interface import Ground
from watchkeeper.respond.integrations.settings import IntegrationSettings
from watchkeeper.respond.integrations.wording import subject, text

_ADDRESS = re.compile(r"[A-Za-z0-9.!#$%&'*+/=?^_`{|}~-]{1,64}@[A-Za-z0-9]([A-Za-z0-9.-]{0,252}[A-Za-z0-9])?")
_QUEUED = re.compile(r"\b(?:queued as|queued mail|id)[ =:]+([A-Za-z0-9._@-]{1,128})", re.IGNORECASE)
"""Postfix: `queued as ID`; Exim: `id=ID`; Exchange and others say `Queued mail` and the id behind it."""
_MOST_LINES = 200
_SAID = 300
_OVER = (ssl.SSLError, OSError, smtplib.SMTPServerDisconnected)


class Mail:
    """By one server, to fixed recipients."""

    verbs = frozenset({Verb.TELL})
    repeats = Repeats.TWICE

    def __init__(self, name: str, settings: IntegrationSettings, ground: Ground) -> None:
        where = f"respond.integrations.{name}"
        self._settings = settings
        self._place = _place(where, settings.address)
        self._allowances = Allowances(ground.fetch.allow_hosts)
        for address in (settings.sender, *settings.recipients):
            if not _ADDRESS.fullmatch(address):
                raise Misconfigured(f"{where}: {address!a} is no address", hint='write "soc@example.org"')
        if not settings.recipients:
            raise Misconfigured(f"{where}.recipients: mail has somebody that it goes to", hint="name an address")
        self._password = ground.read_secret(f"{where}.secret", settings.secret)
        if bool(settings.username) != bool(self._password):
            raise Misconfigured(f"{where}: a username and a secret belong together", hint="write both, or neither")
        is_here = self._place.host in ("localhost", "127.0.0.1", "::1")
        if settings.security == "none" and (not is_here or self._password):
            raise Misconfigured(
                f"{where}.security: without TLS only to this machine, and without a password", hint="write starttls"
            )
        self._tls = contexts.for_server(where, settings.tls_ca or ground.fetch.ca_file)

    def deliver(self, errand: Errand, *, again: bool) -> Receipt:
        message = compose(errand, self._settings.sender, self._settings.recipients, again=again)
        where = self._place.authority
        try:
            with self._connected() as server:
                return self._hand_over(server, message.as_bytes(policy=SMTP))
        except ssl.SSLCertVerificationError as error:
            raise FetchFailed(f"the certificate of {where} is not trusted: {error.verify_message}") from error
        except smtplib.SMTPAuthenticationError as error:
            raise Rejected(f"{where} does not let us log in: {self._said(error.smtp_code, error.smtp_error)}") from None
        except smtplib.SMTPResponseException as error:
            raise _refusal(error.smtp_code, f"{where}: {self._said(error.smtp_code, error.smtp_error)}") from None
        except smtplib.SMTPNotSupportedError as error:
            raise Rejected(f"{where}: {error}", hint="it speaks no TLS, or knows no way to log in that we do") from None
        except (*_OVER, ValueError) as error:
            raise NotTaken(f"{where} broke off, or did not answer in time", was_answered=False) from error

    def verify(self, errand: Errand, receipt: Receipt) -> Receipt:
        return receipt

    @contextmanager
    def _connected(self) -> Iterator[smtplib.SMTP]:
        address, seconds = self._resolve(), self._settings.timeout_seconds
        tls = self._tls if self._settings.security == "tls" else None
        server = _Server(self._place.host, address, seconds, tls)
        cut = Timer(seconds, server.cut)
        cut.daemon = True
        cut.start()
        try:
            code, said = server.connect(self._place.host, self._place.port)
            if code != 220:
                raise smtplib.SMTPResponseException(code, said)
            server.ehlo_or_helo_if_needed()
            if self._settings.security == "starttls":
                server.starttls(context=self._tls)
                server.ehlo()
            if self._password:
                server.login(self._settings.username, self._password.reveal())
            yield server
        finally:
            cut.cancel()
            server.close()

    def _hand_over(self, server: smtplib.SMTP, data: bytes) -> Receipt:
        _expect(server.mail(self._settings.sender), 250)
        refused: dict[str, str] = {}
        for recipient in self._settings.recipients:
            code, said = server.rcpt(recipient)
            if code not in (250, 251):
                refused[recipient] = self._said(code, said)
        if len(refused) == len(self._settings.recipients):
            raise smtplib.SMTPResponseException(code, said)
        code, said = server.data(data)
        _expect((code, said), 250)
        text = self._said(code, said)
        queued = _QUEUED.search(text)
        detail: dict[str, Any] = {"refused": refused} if refused else {}
        told = f"{text}; NOT to {', '.join(refused)}" if refused else text
        verified = False if refused else None
        return Receipt(said=told, reference=queued[1] if queued else "", verified=verified, detail=detail)

    def _resolve(self) -> str:
        place = self._place
        try:
            found = [str(a[4][0]) for a in socket.getaddrinfo(place.host, place.port, type=socket.SOCK_STREAM)]
        except OSError as error:
            raise FetchFailed(f"the name of {place.authority} cannot be resolved") from error
        return self._allowances.check_addresses(place, list(dict.fromkeys(found)))[0]

    def _said(self, code: int, said: bytes | str) -> str:
        words = said.decode("utf-8", errors="replace") if isinstance(said, bytes) else said
        return visible(f"{code} {_without(words, self._password)}".strip(), limit=_SAID)


class _Server(smtplib.SMTP):
    """The standard library's client, to an address that was judged, and bounded in what it reads."""

    def __init__(self, host: str, address: str, seconds: float, tls: ssl.SSLContext | None) -> None:
        self._address = address
        self._named = host
        self._implicit = tls
        self._lines = 0
        self._raw: socket.socket | None = None
        self._is_cut = False
        super().__init__(timeout=seconds, local_hostname="watchkeeper")
        self._host = host  # what STARTTLS verifies the certificate against

    def _get_socket(self, host: str, port: int, timeout: float) -> socket.socket:
        self._raw = socket.create_connection((self._address, port), timeout)
        if self._is_cut:
            self.cut()
        if self._implicit is None:
            return self._raw
        self._raw = self._implicit.wrap_socket(self._raw, server_hostname=self._named)
        return self._raw

    def cut(self) -> None:
        """End it from another thread: whatever is read or written there fails at once."""
        self._is_cut = True
        for sock in (self.sock, self._raw):
            try:
                if sock is not None:
                    sock.shutdown(socket.SHUT_RDWR)
            except OSError:
                continue

    def getreply(self) -> tuple[int, bytes]:
        if self.file is None and self.sock is not None:
            self.file = _Bounded(self.sock.makefile("rb"))
        return super().getreply()


class _Bounded:
    """A reader that ends after so many lines."""

    def __init__(self, file: Any) -> None:
        self._file = file
        self._left = _MOST_LINES

    def readline(self, size: int) -> bytes:
        self._left -= 1
        if self._left < 0:
            raise OSError("too many lines")
        line: bytes = self._file.readline(size)
        return line

    def close(self) -> None:
        self._file.close()


def compose(errand: Errand, sender: str, recipients: tuple[str, ...], *, again: bool) -> EmailMessage:
    """The message: ASCII on the wire, so that no server has to change it."""
    message = EmailMessage(policy=SMTP.clone(cte_type="7bit"))
    message["From"] = sender
    message["To"] = ", ".join(recipients)
    message["Subject"] = subject(errand)
    message["Date"] = format_datetime(datetime.fromtimestamp(errand.time / SECOND, UTC))
    message["Message-ID"] = f"<{derived_id('errand', errand.key)}@watchkeeper.invalid>"
    message["Auto-Submitted"] = "auto-generated"
    link = f"\n\n{errand.link}" if errand.link else ""
    message.set_content(f"{text(errand, again=again)}{link}\n")
    return message


def _place(where: str, address: str) -> Target:
    host, _, port = address.rpartition(":")
    if not port.isdigit() or not 0 < int(port) < 65536:
        raise Misconfigured(f"{where}.address: it is no HOST:PORT", hint='write "mail.example.org:587"')
    try:
        return Target("https", canonical_host(host.strip("[]").lower()), int(port), "/")
    except FetchRefused as error:
        raise Misconfigured(f"{where}.address: {error.reason}", hint='write "mail.example.org:587"') from error


def _expect(reply: tuple[int, bytes], code: int) -> None:
    if reply[0] != code:
        raise smtplib.SMTPResponseException(*reply)


def _refusal(code: int, reason: str) -> WatchkeeperError:
    if 500 <= code < 600:
        return Rejected(reason)
    return NotTaken(reason, was_answered=400 <= code < 500)  # what is no answer says nothing of what was done


def _without(text: str, secret: Secret) -> str:
    return text.replace(secret.reveal(), "…") if secret else text
