"""What the guard asks when a policy wants a message changed, and when a message comes with placeholders.

Obligations, and what each one stops:

1. Every value of the wanted classes is cut out where it was found, and everywhere else it lies in the message.
2. The changed bytes are inspected and judged again: what is still found, or what only now is, stops the message.
3. What cannot be changed exactly (a key, a disguise, a number of a task, an unreadable page) stops the message.
4. A structured result that no longer is what its tool promised is refused, not passed on half true.
5. A value returns only to a server that a policy lets see it; on any other way its placeholder stays.
6. What a value does in the message of its destination is judged like anything else there.
7. No placeholder leaves before every worker can restore it (`sharing`).
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Protocol

import msgspec

from watchkeeper.core.errors import WatchkeeperError
from watchkeeper.gateway.duties.model import Breach
from watchkeeper.gateway.redaction import fitness
from watchkeeper.gateway.redaction.hiding import hide
from watchkeeper.gateway.redaction.model import LOST, UNFIT, UNREAD, UNSHARED, Change, Value
from watchkeeper.gateway.redaction.restoring import MaySee, Restored, restore
from watchkeeper.gateway.redaction.sharing import Sharing
from watchkeeper.gateway.redaction.text import Draft, Inexact
from watchkeeper.gateway.redaction.vault import Vault
from watchkeeper.inspection.inspection import BROKEN
from watchkeeper.inspection.model import Finding, Surface, labels_of
from watchkeeper.policy.model import Effect, Obligation, Question, Verdict
from watchkeeper.protocol.message import Message

REVEAL = "reveal"
FROM_HERE = "from_here"
"""Mark on a value that this server said itself."""
INEXACT = "redaction.inexact"
_MOST = 5_000
"""Findings of one rule in one message."""
_REASON = "This message holds text that a policy wants replaced, and that could not be done exactly, so it was stopped."
_CANNOT = Breach(INEXACT, _REASON)
_UNFIT = Breach(
    UNFIT,
    "The server's answer holds text that a policy wants replaced, and what would be left is not what the tool's output "
    "schema promises, so it was withheld.",
)
_UNSHARED = Breach(
    UNSHARED,
    "Text in this message has to be replaced, and what it stood for cannot be kept now, so the message was stopped. "
    "Try again in a moment; an operator must look at the control state.",
)
_UNREAD = Breach(
    UNREAD,
    "The values behind the placeholders in this message cannot be looked up now, so it was stopped. Try again in a "
    "moment with the same placeholders.",
)

Findings = tuple[Finding, ...]
Decide = Callable[[Question, bytes | None], Verdict]


class Looks(Protocol):
    """`Inspection.inspect`."""

    def __call__(self, surface: Surface, data: bytes, most: int = ...) -> Findings: ...


class Beside(msgspec.Struct, frozen=True):
    """What of a message is not looked at here."""

    restored: Restored | None = None
    """The values that were let through in it."""
    aside: str = ""
    """A pointer below which others look."""


NOTHING = Beside()


class Case(msgspec.Struct, frozen=True, kw_only=True):
    """A message that a policy wants changed."""

    message: Message
    question: Question
    """What was asked about it."""
    schema: bytes | None
    """The called tool's input schema."""
    output: bytes
    """The tool's output schema; empty when it promises nothing."""
    beside: Beside


class Redaction:
    """Every route's."""

    def __init__(self, vault: Vault | None = None, sharing: Sharing | None = None) -> None:
        """Without `sharing` values are in this process's memory alone."""
        self.vault = Vault() if vault is None else vault
        self.sharing = sharing
        self._unread: set[bytes] = set()

    async def settle(self, owner: str, body: bytes) -> Breach | None:
        """Wait until others can restore what a changed message's placeholders stand for; or why it must stop."""
        if self.sharing is not None:
            try:
                await self.sharing.settle(owner, body)
            except WatchkeeperError:
                return _UNSHARED
        return None

    def needs_values(self, owner: str, message: Message) -> bool:
        """Whether others may know what a placeholder in a message stands for. Memory only."""
        return self.sharing is not None and bool(self.sharing.missing(owner, message.raw))

    async def fetch(self, owner: str, message: Message) -> None:
        """Bring the values that a message needs and that are not here, before it is judged."""
        if self.sharing is not None and not await self.sharing.fetch(owner, message):
            self._unread.add(message.raw)

    def modify(self, case: Case, said: Verdict, inspect: Looks, decide: Decide) -> Change | Breach | None:
        """The change that a verdict asks for; None when there is nothing to change; or why the message must stop."""
        wanted = _Wanted(said)
        found = wanted.among(_look(case, case.message, inspect))
        if not found:
            return None
        server = case.question.server if case.question.action == "receive" else ""
        try:
            hidden = hide(self.vault, case.question.principal, server, case.message, found)
            left = _look(case, hidden.message, inspect)
        except Inexact:
            return _CANNOT
        if wanted.among(left) or any(finding.label == BROKEN for finding in left):
            return _CANNOT
        question = msgspec.structs.replace(case.question, findings=labels_of(left), arguments=hidden.message.arguments)
        again = decide(question, case.schema)
        if again.effect is Effect.DENY or not _demands(again) <= _demands(said):
            return Breach(again.rules[0] if again.rules else INEXACT, again.reason or _REASON)
        if _Wanted(again).among(left):
            return _CANNOT
        if case.output and not _is_fit(case, hidden.message):
            return _UNFIT
        part = hidden.message.params or hidden.message.result or hidden.message.error
        return Change(wanted.policies, hidden.replaced, shown=part, left=left, body=hidden.message.raw)

    def restore(self, owner: str, message: Message, may_see: MaySee) -> Restored | Breach:
        """A client's message with the values that its server may see, or why it must stop."""
        try:
            restored = restore(self.vault, owner, message, may_see)
        except Inexact:
            return _CANNOT
        is_unread = bool(self._unread) and message.raw in self._unread
        self._unread.discard(message.raw)
        if restored.lost:
            if is_unread:
                return _UNREAD
            kinds = ", ".join(restored.lost)
            return Breach(
                LOST,
                f"The value behind a placeholder ({kinds}) is not kept any more, or is not yours. Read it again where "
                "it came from, and use the placeholder that you get then.",
            )
        return restored


class _Wanted:
    """What a verdict wants replaced."""

    def __init__(self, said: Verdict) -> None:
        asked = [one for one in said.obligations if one.effect is Effect.MODIFY]
        self.policies = tuple(sorted({one.policy for one in asked}))
        self._classes = frozenset(name for one in asked for name in one.classes)

    def among(self, findings: Findings) -> Findings:
        return tuple(finding for finding in findings if not self._classes.isdisjoint(finding.classes))


def _demands(said: Verdict) -> set[Obligation]:
    """What people are asked for: nobody is asked for more by what is left of a message."""
    return {one for one in said.obligations if one.effect is Effect.ASK}


def question_of(question: Question, value: Value) -> Question:
    """Whether this server, this tool of it, may see a value."""
    seen_here = {FROM_HERE} if question.server in value.servers else set()
    return msgspec.structs.replace(
        question,
        action=REVEAL,
        target=question.target if question.action == "call_tool" else "",
        findings=value.classes,
        arguments=b"",
        flow=tuple(sorted(seen_here.union(question.flow))),
    )


def unexplained(restored: Restored, findings: Findings) -> Findings:
    """The findings that are not the values that were let through."""
    draft = Draft(restored.message)
    return tuple(finding for finding in findings if not _is_explained(draft, restored, finding))


def _is_explained(draft: Draft, restored: Restored, finding: Finding) -> bool:
    if not finding.path or not finding.end:
        return False
    try:
        holder, key = draft.at(finding.path)
        text = str(holder[key]).encode()[finding.start : finding.end].decode()
    except (Inexact, UnicodeDecodeError):
        return False
    return restored.explains(finding, text)


def _look(case: Case, message: Message, inspect: Looks) -> Findings:
    surface = Surface.RESULT if case.question.action == "receive" else Surface.ARGUMENTS
    found = inspect(surface, message.params or message.result or message.error, _MOST)
    if case.beside.aside:
        found = tuple(finding for finding in found if not finding.path.startswith(case.beside.aside))
    if case.beside.restored is not None:
        found = unexplained(msgspec.structs.replace(case.beside.restored, message=message), found)
    return found


def _is_fit(case: Case, changed: Message) -> bool:
    content = fitness.structured_in(changed.params or changed.result)
    before = fitness.structured_in(case.message.params or case.message.result)
    return (
        not content or msgspec.json.decode(content) == msgspec.json.decode(before) or fitness.fits(case.output, content)
    )
