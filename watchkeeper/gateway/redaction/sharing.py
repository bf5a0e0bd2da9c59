"""Between a worker's vault and the control state: what is new here is written before its placeholder leaves, and what
is missing here is read before a message that needs it is judged.

Obligations, and what each one stops:

1. A placeholder leaves once its value is durable where every worker can read it; otherwise the message is stopped (a
   model that holds names which nobody can restore).
2. Where the control state cannot be read, that is said, and nothing passes as text (a placeholder sent as an address).
3. What was forgotten on purpose leaves this process's memory, too, within a look at the control state.

Writes are gathered: whoever comes while one is under way shares the next. A call without values costs nothing here.
"""

from __future__ import annotations

import asyncio
import threading
from concurrent.futures import ThreadPoolExecutor

from watchkeeper.core.errors import Unavailable, WatchkeeperError
from watchkeeper.gateway.redaction.placeholders import IN_BYTES
from watchkeeper.gateway.redaction.values import Values
from watchkeeper.gateway.redaction.vault import Vault
from watchkeeper.protocol.message import Message

_MOST = 2_000
"""Placeholders of one message that are looked for."""
Place = tuple[str, str]


class Sharing:
    """One process's."""

    def __init__(self, vault: Vault, values: Values) -> None:
        self._vault = vault
        self._values = values
        self._saving = threading.Lock()
        self._writer = ThreadPoolExecutor(1, "vault")

    # for an event loop

    async def settle(self, owner: str, body: bytes) -> None:
        """Return once everything that this message's placeholders stand for can be restored by others.

        Raises `Unavailable` when that cannot be: the message must not leave.
        """
        missing = self.missing(owner, body)
        if self._vault.has_untold:
            await asyncio.get_running_loop().run_in_executor(self._writer, self.save)
        if self.missing(owner, body) - missing:
            raise Unavailable("what was kept was forgotten meanwhile")

    async def fetch(self, owner: str, message: Message) -> bool:
        """Bring what a message's placeholders stand for into memory, as far as it is kept anywhere.

        False when the control state cannot be read: then nobody knows.
        """
        names = {name for _, name in self.missing(owner, message.raw)}
        if not names:
            return True
        try:
            await asyncio.to_thread(self._adopt, owner, names)
        except WatchkeeperError:
            return False
        return True

    def missing(self, owner: str, body: bytes) -> set[Place]:
        """The placeholders of ours in a message that are not in memory; of very many, the first."""
        found: set[Place] = set()
        for match in IN_BYTES.finditer(body):
            place = match[1].decode(), match[2].decode()
            if place not in found and self._vault.misses(owner, *place):
                found.add(place)
                if len(found) >= _MOST:
                    break
        return found

    # blocking

    def _adopt(self, owner: str, names: set[str]) -> None:
        with self._saving:  # what is forgotten after this was read is heard of after it was taken over
            for record in self._values.find(owner, names):
                self._vault.hear(record, adopt=True)

    def save(self) -> None:
        """Write everything that is new here. Raises `Unavailable`; nothing is lost then."""
        with self._saving:
            fresh = self._vault.take_fresh()
            if not fresh:
                return
            is_told = False
            try:
                forgotten = self._values.save(fresh, self._vault.merged, self._vault.settings)
                is_told = True
            finally:
                (self._vault.told if is_told else self._vault.not_told)()
        for owner in forgotten:
            self._vault.forget(owner)

    def sync(self) -> None:
        """Take over what others wrote, tell what was only used for longer. Raises `Unavailable`."""
        with self._saving:  # or what was forgotten could be written again by a save that began before it was heard of
            news = self._values.news()
            for owner in news.forgotten:
                self._vault.forget(owner)
            for record in news.told:
                self._vault.hear(record)
        self.save()
