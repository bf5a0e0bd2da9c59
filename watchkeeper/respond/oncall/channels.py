"""Where pages go out: a signed POST, or an integration that carries them to another system's pager, chat or mail."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping
from threading import Lock

import msgspec

from watchkeeper.core.clock import SECOND, Clock, to_iso
from watchkeeper.core.errors import NotFound, Unavailable
from watchkeeper.core.fetch.client import Fetcher
from watchkeeper.core.fetch.model import WORDS
from watchkeeper.core.ids import derived_id
from watchkeeper.core.secrets import Secret
from watchkeeper.core.text import visible
from watchkeeper.respond.errands import Errand, Verb
from watchkeeper.respond.integrations.interface import Integration
from watchkeeper.respond.oncall._store import ACKNOWLEDGED
from watchkeeper.respond.oncall.ports import Answer, Message, Pager
from watchkeeper.respond.webhooks.signing import keys_of, sign

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
        self._keys = {
            name: keys_of(f"respond.oncall.channels.{name}.secret", one.secret) for name, one in hooks.items()
        }
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
        answer = asyncio.run(self._fetcher.post(hook.url, body, "application/json", headers, WORDS))
        if not 200 <= answer.status < 300:
            raise Unavailable(f"it answers {answer.status}", hint="look at the receiver")

    def answer(self, channel: str, answer: Answer) -> bool:
        """A POST that asks for nothing might page somebody there: it hears of pages only."""
        return False


class Carried:
    """`Pager` over integrations: another system's pager, chat or mail. Safe for threads; blocks."""

    def __init__(self, names: Mapping[str, str], made: Mapping[str, Integration], console: Callable[[], str]) -> None:
        """`names`: channel → integration, each of which can page or show a text."""
        self._names = dict(names)
        self._made = dict(made)
        self._locks = {name: Lock() for name in made}
        self._console = console

    def send(self, channel: str, message: Message) -> None:
        """Have it carried. Raises `WatchkeeperError` when it was not taken, or is not there when it is looked for."""
        name = self._names[channel]
        integration, console = self._made[name], self._console()
        numbers = ", ".join(message.numbers)
        errand = Errand(
            key=message.id,
            integration=name,
            verb=Verb.TRIGGER if Verb.TRIGGER in integration.verbs else Verb.TELL,
            time=message.made_at,
            title=f"{message.person}: {message.title}" if message.person else message.title,
            text=f"{message.title}\n{numbers}\nTake it on: watchkeeper oncall ack {message.numbers[0]}"
            if message.numbers
            else message.title,
            incident=message.incident,
            number=message.numbers[0] if len(message.numbers) == 1 else "",
            severity=message.severity,
            thread=message.id,
            link=f"{console}/incidents/{message.numbers[0]}" if console and message.incident else "",
        )
        self._carry(name, errand, "it answered as if it had taken the page, and it is not there")

    def answer(self, channel: str, answer: Answer) -> bool:
        """Acknowledge or end the page there; a chat or a mail has no such thing. Raises `WatchkeeperError`."""
        name = self._names[channel]
        integration, console = self._made[name], self._console()
        verb = Verb.ACKNOWLEDGE if answer.state == ACKNOWLEDGED else Verb.RESOLVE
        if verb not in integration.verbs:
            return False
        who = f", {answer.by}" if answer.by else ""
        errand = Errand(
            key=derived_id("answer", answer.thread, answer.state),
            integration=name,
            verb=verb,
            time=answer.at,
            title=answer.title,
            text=f"{', '.join(answer.numbers)}: {answer.state} in Watchkeeper{who}",
            incident=answer.incident,
            number=answer.numbers[0] if len(answer.numbers) == 1 else "",
            severity=answer.severity,
            thread=answer.thread,
            link=f"{console}/incidents/{answer.numbers[0]}" if console and answer.incident else "",
        )
        self._carry(name, errand, "it answered as if it knew that, and it does not")
        return True

    def _carry(self, name: str, errand: Errand, lie: str) -> None:
        """Deliver and look. Raises `WatchkeeperError`, and `Unavailable` with `lie` where it is not there."""
        integration = self._made[name]
        with self._locks[name]:
            receipt = integration.verify(errand, integration.deliver(errand, again=True))
        if receipt.verified is False:
            raise Unavailable(lie, hint="look there")


class Channels:
    """`Pager`: each channel by its own way."""

    def __init__(self, ways: Mapping[str, Pager]) -> None:
        self._ways = dict(ways)

    def send(self, channel: str, message: Message) -> None:
        """Raises `NotFound` for a channel that is gone."""
        way = self._ways.get(channel)
        if way is None:
            raise NotFound(f"there is no channel {channel!a}", hint="it was removed from the settings")
        way.send(channel, message)

    def answer(self, channel: str, answer: Answer) -> bool:
        """False for a channel that is gone, too: nobody waits there."""
        way = self._ways.get(channel)
        return way is not None and way.answer(channel, answer)


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
    kind = "oncall.test" if message.is_test else "incident.page" if message.numbers else "oncall.handover"
    return msgspec.json.encode({"type": kind, "timestamp": to_iso(message.made_at), "data": data})
