"""What pagers, chats and trackers say back: that somebody took an incident on, ended it there, or wrote something.

Signed as Standard Webhooks says, with the integration's `reply_secret`; one message counts once. Whom it names is a
claim; only `acknowledge` does anything, which `app` sees to. The rest is a line of the incident.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Literal

import msgspec

from watchkeeper.core.clock import Clock
from watchkeeper.core.database import Database
from watchkeeper.core.errors import Invalid
from watchkeeper.core.ids import derived_id
from watchkeeper.core.secrets import Secret
from watchkeeper.core.text import visible
from watchkeeper.events import Journal, new_event
from watchkeeper.respond import _store
from watchkeeper.respond.model import Entry, Mark
from watchkeeper.respond.ports import Finder
from watchkeeper.respond.webhooks.gate import Gate
from watchkeeper.respond.webhooks.signing import keys_of

_CLAIM, _COMMENT = 200, 1_000


class Reply(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What comes in."""

    incident: str
    """`INC-2026-0001`"""
    verb: Literal["acknowledge", "resolve", "comment"]
    by: str = ""
    """The person, as the other system names them."""
    comment: str = ""


class Replies:
    """Of all integrations that may send some. Safe for threads; blocks."""

    def __init__(
        self, database: Database, journal: Journal, clock: Clock, secrets: Mapping[str, Secret], finder: Finder
    ) -> None:
        """Raises `Misconfigured` for a secret that cannot sign."""
        keys = {name: keys_of(f"respond.integrations.{name}.reply_secret", secret) for name, secret in secrets.items()}
        refused = ("respond.reply.refused", "integration")
        self._clock = clock
        self._database = database
        self._finder = finder
        self._gate = Gate(database, journal, clock, keys, refused=refused, space="reply:")

    def hear(self, name: str, headers: Mapping[str, str], body: bytes) -> Reply:
        """What it says. Raises `Untrusted`, `Invalid`, and `Conflict` for a replay."""
        message_id = self._gate.check(name, headers, body)
        reply = _read(body)
        said = {
            "integration": name,
            "message": message_id,
            "incident": reply.incident,
            "verb": reply.verb,
            "claimed": reply.by,
            "comment": reply.comment,
        }
        kind = "respond.reply.heard"
        heard = new_event(self._clock.now(), kind, actor=f"webhook:{name}", outcome="success", body=said)
        self._gate.take(name, message_id, msgspec.structs.replace(heard, id=_event_id(name, message_id)))
        return reply

    def note(self, name: str, headers: Mapping[str, str], incident: str, reply: Reply) -> None:
        """A line of the incident (its id), proven by what was heard; the same message is one line."""
        event = _event_id(name, headers.get("webhook-id", ""))
        at = self._finder.find(event)
        who = f" for {reply.by}, unverified" if reply.by else ""
        what = f"{name} says {reply.verb}{who}" + (f": {reply.comment}" if reply.comment else "")
        where = (at.writer, at.index) if at else ("", -1)
        with self._database.write() as session:
            _store.add_entry(session, incident, Entry(self._clock.now(), what, Mark.NOTE, event, *where))

    def done(self, name: str, headers: Mapping[str, str]) -> None:
        """It was acted upon: the same message is a replay from here on."""
        self._gate.done(name, headers)

    def release(self, name: str, headers: Mapping[str, str]) -> None:
        """It could not be done now: the other side may send it again at once."""
        self._gate.release(name, headers)


def _event_id(name: str, message_id: str) -> str:
    return derived_id("reply", name, message_id)


def _read(body: bytes) -> Reply:
    try:
        reply = msgspec.json.decode(body, type=Reply)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError) as error:
        hint = 'send {"incident": "INC-…", "verb": "acknowledge", "resolve" or "comment", "by": "…", "comment": "…"}'
        raise Invalid("the body is no reply", hint=hint) from error
    return Reply(
        incident=visible(reply.incident, limit=32),
        verb=reply.verb,
        by=visible(reply.by, limit=_CLAIM),
        comment=visible(reply.comment, limit=_COMMENT),
    )
