"""A signed webhook as a way to tell: Standard Webhooks, under one id however often it is sent.

The other side takes an id once, and that it has it nobody can ask: a success is its word.
"""

from __future__ import annotations

import msgspec

from watchkeeper.core.clock import SECOND, to_iso
from watchkeeper.core.ids import derived_id
from watchkeeper.core.secrets import Secret
from watchkeeper.respond.errands import Errand, Receipt, Repeats, Verb
from watchkeeper.respond.integrations.interface import Ground
from watchkeeper.respond.integrations.settings import IntegrationSettings
from watchkeeper.respond.integrations.wire import Wire
from watchkeeper.respond.integrations.wording import severity_of, text
from watchkeeper.respond.webhooks.signing import keys_of, sign


class Webhook:
    """To one URL."""

    verbs = frozenset({Verb.TELL})
    repeats = Repeats.KEYED

    def __init__(self, name: str, settings: IntegrationSettings, ground: Ground) -> None:
        where = f"respond.integrations.{name}"
        secret = ground.read_secret(f"{where}.secret", settings.secret)
        self._keys = keys_of(f"{where}.secret", secret)
        self._wire = Wire(where, settings, ground, [Secret(word) for word in secret.reveal().split()])
        self._url = self._wire.check("url", settings.url)
        self._clock = ground.clock

    def deliver(self, errand: Errand, *, again: bool) -> Receipt:
        message, seconds = f"msg_{derived_id('errand', errand.key)}", self._clock.now() // SECOND
        data = {
            "incident": errand.incident,
            "number": errand.number,
            "title": errand.title,
            "text": text(errand),
            "severity": severity_of(errand),
            "labels": errand.labels,
        }
        if errand.link:
            data["link"] = errand.link
        body = msgspec.json.encode({"type": "incident.notification", "timestamp": to_iso(errand.time), "data": data})
        headers = {
            "Content-Type": "application/json",
            "webhook-id": message,
            "webhook-timestamp": str(seconds),
            "webhook-signature": sign(self._keys, message, seconds, body),
        }
        answer = self._wire.send_bytes("POST", self._url, body, headers)
        return Receipt(said=answer.said, reference=message)

    def verify(self, errand: Errand, receipt: Receipt) -> Receipt:
        return receipt
