"""How the switch pages: a signed POST or a mail, by itself; nothing of it goes through the watch or its outbox."""

from __future__ import annotations

import asyncio
import logging
import smtplib
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from email.message import EmailMessage
from threading import Lock
from urllib.parse import urlsplit

import msgspec

from watchkeeper.core.clock import SECOND, Clock, to_iso
from watchkeeper.core.errors import Misconfigured, Unavailable, WatchkeeperError
from watchkeeper.core.fetch.client import Fetcher
from watchkeeper.core.fetch.model import WORDS, FetchRefused
from watchkeeper.core.fetch.settings import FetchSettings
from watchkeeper.core.fetch.target import parse_target
from watchkeeper.core.secrets import Secret
from watchkeeper.core.text import visible
from watchkeeper.core.tls import host_trust
from watchkeeper.respond.deadman.outbox import Due, SwitchBox
from watchkeeper.respond.deadman.settings import DeadmanPage
from watchkeeper.respond.deadman.watching import Change
from watchkeeper.respond.webhooks.signing import keys_of, sign

PATIENCE = 10.0
"""Seconds that a receiver may take."""
_log = logging.getLogger(__name__)

Send = Callable[[str, bytes], None]
"""Id and body; returns once it was taken. Raises `WatchkeeperError`."""


def allowing(fetch: FetchSettings, url: str) -> FetchSettings:
    """The same, and this place too: it is the operator's choice, also on a private network."""
    target = parse_target(url)
    host = f"[{target.host}]" if ":" in target.host else target.host
    return msgspec.structs.replace(
        fetch, allow_hosts=(*fetch.allow_hosts, f"{host}:{target.port}"), seconds=min(fetch.seconds, PATIENCE)
    )


def poster(where: str, url: str, secret: Secret, fetch: FetchSettings, clock: Clock) -> Send:
    """Posts to a URL, signed where there is a secret. Raises `Misconfigured`."""
    keys = keys_of(f"{where}.secret", secret) if secret else ()
    try:
        fetcher = Fetcher(allowing(fetch, url))
        fetcher.check(url)
    except FetchRefused as error:
        raise Misconfigured(f"{where}: {error.reason}", hint=error.hint) from error

    def send(message_id: str, body: bytes) -> None:
        seconds = clock.now() // SECOND
        headers = [("webhook-id", message_id), ("webhook-timestamp", str(seconds))]
        headers += [("webhook-signature", sign(keys, message_id, seconds, body))] if keys else []
        answer = asyncio.run(fetcher.post(url, body, "application/json", tuple(headers), WORDS))
        if not 200 <= answer.status < 300:
            raise Unavailable(f"it answers {answer.status}", hint="look at the receiver")

    return send


def mailer(where: str, page: DeadmanPage, secret: Secret) -> Send:
    """Sends mails. Raises `Misconfigured`."""
    place = urlsplit(page.url)
    if not (place.hostname and page.sender and page.to):
        raise Misconfigured(f"{where}: a mail needs smtp://HOST, sender and to", hint="see docs/concepts/deadman.md")
    host, port = place.hostname, place.port or 587

    def send(message_id: str, body: bytes) -> None:
        told = msgspec.json.decode(body)
        mail = EmailMessage()
        mail["Subject"] = visible(str(told["data"]["title"]), limit=200)
        mail["From"], mail["To"] = page.sender, ", ".join(page.to)
        mail["Message-ID"] = f"<{message_id}@watchkeeper>"
        mail.set_content(visible(str(told["data"]["text"]), keep="\n"))
        try:
            with smtplib.SMTP(host, port, timeout=PATIENCE) as link:
                if page.starttls:
                    link.starttls(context=host_trust())
                if page.user:
                    link.login(page.user, secret.reveal())
                link.send_message(mail)
        except (OSError, smtplib.SMTPException) as error:
            raise Unavailable(f"the mail was not taken: {error}", hint="look at the mail server") from error

    return send


def senders(
    pages: Mapping[str, DeadmanPage], read: Callable[[str, str], Secret], fetch: FetchSettings, clock: Clock
) -> dict[str, Send]:
    """Channel → how it is sent. Raises `Misconfigured`."""
    made: dict[str, Send] = {}
    for name, page in pages.items():
        where = f"deadman.pages.{name}"
        secret = read(f"{where}.secret", page.secret)
        is_mail = page.url.startswith("smtp://")
        made[name] = mailer(where, page, secret) if is_mail else poster(where, page.url, secret, fetch, clock)
    return made


def body_of(change: Change, installation: str, now: int) -> bytes:
    """What is said: who is silent, or back."""
    what = "is SILENT" if change.is_silent else "is back"
    data = {
        "installation": installation,
        "source": change.source,
        "alarm": change.alarm,
        "state": "silent" if change.is_silent else "back",
        "title": f"{installation}: {change.source} {what}",
        "text": f"{installation}: {change.source} {what}. {change.why}. Nothing was heard for {change.seconds:g} s.",
        "why": change.why,
        "silent_seconds": change.seconds,
    }
    return msgspec.json.encode({"type": f"deadman.{data['state']}", "timestamp": to_iso(now), "data": data})


class Sending:
    """Empties the outbox; a receiver that hangs keeps no other page from going out."""

    def __init__(self, box: SwitchBox, ways: Mapping[str, Send], clock: Clock) -> None:
        self._box = box
        self._ways = dict(ways)
        self._clock = clock
        self._pool = ThreadPoolExecutor(max(1, 2 * len(ways)), thread_name_prefix="page")
        self._flying: set[tuple[str, str]] = set()
        self._lock = Lock()

    @property
    def channels(self) -> list[str]:
        return list(self._ways)

    def round(self) -> None:
        """Begin to send what is due."""
        for page in self._box.due(self._clock.now()):
            with self._lock:
                if (page.id, page.channel) in self._flying:
                    continue
                self._flying.add((page.id, page.channel))
            self._pool.submit(self._send, page)

    def close(self) -> None:
        """Wait for what is under way."""
        self._pool.shutdown(wait=True, cancel_futures=True)

    def try_all(self, message_id: str, body: bytes) -> dict[str, str]:
        """Send this by every channel now: channel → why it was not taken, empty where it was."""
        return {name: _attempt(way, message_id, body) for name, way in self._ways.items()}

    def _send(self, page: Due) -> None:
        try:
            way = self._ways.get(page.channel)
            why = _attempt(way, page.id, page.body) if way is not None else "there is no such channel any more"
            if why:
                _log.warning("a page was not taken", extra={"channel": page.channel, "why": why})
            self._box.sent(page, why, self._clock.now())
        except WatchkeeperError as error:
            _log.error("a page's end could not be noted", extra={"why": error.reason})
        finally:
            with self._lock:
                self._flying.discard((page.id, page.channel))


def _attempt(way: Send, message_id: str, body: bytes) -> str:
    try:
        way(message_id, body)
    except WatchkeeperError as error:
        return error.reason
    return ""
