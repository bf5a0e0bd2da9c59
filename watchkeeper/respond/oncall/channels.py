"""Where pages go out: a signed POST for each channel of the settings. Another kind of channel stands beside it by the
same port."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping

import msgspec

from watchkeeper.core.clock import SECOND, Clock, to_iso
from watchkeeper.core.errors import NotFound, Unavailable
from watchkeeper.core.fetch.client import Fetcher
from watchkeeper.core.secrets import Secret
from watchkeeper.core.text import visible
from watchkeeper.respond.oncall.ports import Message
from watchkeeper.respond.webhooks.signing import key_of, sign

_ANSWERS = ("application/json", "text/plain", "text/html")
_WORD = 300


class Hook(msgspec.Struct, frozen=True):
    """One channel, its secret read."""

    url: str
    secret: Secret


class HookPager:
    """`Pager` over signed webhooks. Safe for threads; blocks."""

    def __init__(self, hooks: Mapping[str, Hook], fetcher: Fetcher, clock: Clock, console: Callable[[], str]) -> None:
        """Raises `Misconfigured` for a secret that cannot sign. `console` is where the console is, empty if unknown."""
        self._hooks = dict(hooks)
        self._keys = {name: key_of(f"respond.oncall.channels.{name}.secret", one.secret) for name, one in hooks.items()}
        self._fetcher = fetcher
        self._clock = clock
        self._console = console

    def send(self, channel: str, message: Message) -> None:
        """Post it. Raises `Unavailable` when it was not taken, `NotFound` for a channel that is gone."""
        hook = self._hooks.get(channel)
        if hook is None:
            raise NotFound(f"there is no channel {channel!a}", hint="it was removed from the settings")
        body, seconds = body_of(message, self._console()), self._clock.now() // SECOND
        headers = (
            ("webhook-id", message.id),
            ("webhook-timestamp", str(seconds)),
            ("webhook-signature", sign(self._keys[channel], message.id, seconds, body)),
        )
        answer = asyncio.run(self._fetcher.post(hook.url, body, "application/json", headers, _ANSWERS))
        if not 200 <= answer.status < 300:
            raise Unavailable(f"it answers {answer.status}", hint="look at the receiver")


def body_of(message: Message, console: str) -> bytes:
    """What is posted: what happened and where to take it on, without a secret."""
    data: dict[str, object] = {
        "id": message.id,
        "person": message.person,
        "severity": message.severity,
        "level": message.level,
        "title": visible(message.title, limit=_WORD),
        "incidents": list(message.numbers),
    }
    if message.text:
        data["text"] = visible(message.text, keep="\n", limit=20 * _WORD)
    if message.incident:
        data["acknowledge"] = f"watchkeeper oncall ack {message.numbers[0]}"
    if console and message.incident:
        data["link"] = f"{console}/incidents/{message.numbers[0]}"
    kind = "incident.page" if message.numbers else "oncall.handover"
    return msgspec.json.encode({"type": kind, "timestamp": to_iso(message.made_at), "data": data})
