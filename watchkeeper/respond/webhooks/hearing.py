"""What other systems say of approvals: whether it is theirs, young and new is the `gate`'s question.

The book of approvals lets nobody speak twice, also not after a crash between hearing and deciding.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import msgspec

from watchkeeper.core.clock import Clock
from watchkeeper.core.database import Database
from watchkeeper.core.errors import Invalid
from watchkeeper.core.text import visible
from watchkeeper.events import Journal, new_event
from watchkeeper.respond.webhooks.gate import LONGEST, Gate
from watchkeeper.respond.webhooks.model import Hook, Told
from watchkeeper.respond.webhooks.signing import keys_of

__all__ = ["LONGEST", "Hearing"]
_CLAIM = 200


class Hearing:
    """Of all webhooks. Safe for threads; blocks."""

    def __init__(self, database: Database, journal: Journal, clock: Clock, hooks: Sequence[Hook]) -> None:
        self._clock = clock
        self._hooks = {hook.name: hook for hook in hooks}
        keys = {hook.name: keys_of(f"approvals.webhooks.{hook.name}.secret", hook.secret) for hook in hooks}
        self._gate = Gate(database, journal, clock, keys, refused=("respond.decision.refused", "webhook"))

    def hear(self, name: str, headers: Mapping[str, str], body: bytes) -> tuple[Hook, Told]:
        """Who says what. Raises `Untrusted`, `Invalid`, and `Conflict` for a replay."""
        message_id = self._gate.check(name, headers, body)
        told = _read(body)
        said = {"message": message_id, "approval": told.approval[:64], "choice": told.choice[:16], "claimed": told.by}
        kind = "respond.decision.heard"
        heard = new_event(self._clock.now(), kind, actor=f"webhook:{name}", outcome="success", body=said)
        self._gate.take(name, message_id, heard)
        return self._hooks[name], told

    def done(self, name: str, headers: Mapping[str, str]) -> None:
        """What it says was decided or refused: the same message is a replay from here on."""
        self._gate.done(name, headers)

    def release(self, name: str, headers: Mapping[str, str]) -> None:
        """It could not be done now: the other side may send it again at once."""
        self._gate.release(name, headers)


def _read(body: bytes) -> Told:
    try:
        told = msgspec.json.decode(body, type=Told)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError) as error:
        hint = 'send {"approval": "ask-…", "choice": "approve" or "deny", "reason": "…", "by": "…"}'
        raise Invalid("the body is no decision", hint=hint) from error
    return msgspec.structs.replace(told, by=visible(told.by, limit=_CLAIM))
