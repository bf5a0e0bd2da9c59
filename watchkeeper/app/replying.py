"""What integrations send back, wired: their secrets read, and what a reply does to its incident."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

from watchkeeper.app.oncall import take_on
from watchkeeper.app.settings import Loaded, environment
from watchkeeper.core.errors import Unavailable, WatchkeeperError
from watchkeeper.core.secrets import SecretReader
from watchkeeper.events import JournalReader
from watchkeeper.respond.cases.book import CaseBook
from watchkeeper.respond.incidents import IncidentDesk
from watchkeeper.respond.integrations.replies import Replies, Reply
from watchkeeper.respond.integrations.settings import check_integrations
from watchkeeper.respond.ledger import Ledger
from watchkeeper.respond.oncall.book import OncallBook
from watchkeeper.respond.oncall.reading import plan_of

if TYPE_CHECKING:
    from watchkeeper.app.platform import Platform


class Replying:
    """Takes what one may send, in the name of its integration: one voice, whomever it names."""

    def __init__(self, loaded: Loaded, platform: Platform, replies: Replies) -> None:
        self._replies = replies
        ledger = Ledger(platform.database, platform.journal, JournalReader(loaded.data_dir, pass_over_corrupt=True))
        self._incidents = IncidentDesk(platform.database, ledger, platform.clock)
        self._cases = CaseBook(platform.database, ledger, platform.clock)
        self._oncall = OncallBook(platform.database, ledger, platform.clock, plan_of(loaded.settings.respond.oncall))

    def reply(self, name: str, headers: Mapping[str, str], body: bytes) -> dict[str, str]:
        """What became of it. Raises `Untrusted`, `Invalid`, `NotFound`, `Conflict`, `Unavailable`."""
        reply = self._replies.hear(name, headers, body)
        try:
            told = self._act(name, headers, reply)
        except Unavailable:
            self._replies.release(name, headers)  # the other side sends it again
            raise
        except WatchkeeperError:
            self._replies.done(name, headers)
            raise
        self._replies.done(name, headers)
        return told

    def _act(self, name: str, headers: Mapping[str, str], reply: Reply) -> dict[str, str]:
        told = {"incident": reply.incident, "verb": reply.verb}
        incident = self._incidents.show(reply.incident).incident
        if reply.verb == "acknowledge":
            # nobody else is paged; that it has an owner is a person's word, given here
            told["acknowledged_by"] = take_on(
                self._oncall, self._cases, reply.incident, f"webhook:{name}"
            ).acknowledged_by
        self._replies.note(name, headers, incident.id, reply)
        return told


def replying_of(loaded: Loaded, platform: Platform) -> Replying | None:
    """None where no integration may send anything back. Raises `Misconfigured`."""
    settings = loaded.settings.respond.integrations
    check_integrations(settings)
    reader = SecretReader(environment())
    secrets = {
        name: reader.read(f"respond.integrations.{name}.reply_secret", one.reply_secret)
        for name, one in settings.items()
        if one.reply_secret and one.enabled
    }
    if not secrets:
        return None
    finder = JournalReader(loaded.data_dir, pass_over_corrupt=True)
    replies = Replies(platform.database, platform.journal, platform.clock, secrets, finder)
    return Replying(loaded, platform, replies)
