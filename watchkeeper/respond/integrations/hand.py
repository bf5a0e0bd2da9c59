"""What a person sees of an integration, and has it do: carry one marked errand, taken back at once where it can be."""

from __future__ import annotations

import msgspec

from watchkeeper.core.clock import Clock
from watchkeeper.core.errors import Unavailable, WatchkeeperError
from watchkeeper.core.ids import observed_id
from watchkeeper.events.model import Severity
from watchkeeper.respond.errands import Errand, Receipt, Verb
from watchkeeper.respond.integrations.interface import Integration, Looks

_TEXT = "A test, sent by `watchkeeper integrations test`. Nothing happened."
_ACTS = ((Verb.TELL,), (Verb.TRIGGER, Verb.RESOLVE), (Verb.CREATE, Verb.CLOSE))
"""What is tried of each kind: what it makes, it ends."""


class Tried(msgspec.Struct, frozen=True):
    """What came of it."""

    integration: str
    taken: bool
    verified: bool | None
    """`None` where the protocol gives no way to ask."""
    reference: str
    said: str
    next: str
    """What to do now."""


class Standing(msgspec.Struct, frozen=True, kw_only=True):
    """How an integration stands."""

    name: str
    type: str
    state: str
    """`well`, `failing`, `paused` (left alone after failures) or `off`."""
    sent: int = 0
    waiting: int = 0
    unverified: int = 0
    aside: int = 0
    """Given up; they lie there until somebody sends them again."""
    last_sent_at: int = 0
    paused_until: int = 0
    error: str = ""
    """What went wrong last; empty since it last worked."""


def try_out(name: str, integration: Integration, clock: Clock) -> Tried:
    """Really send it, outside of the outbox: nothing that waits is touched."""
    key = f"test:{observed_id()}"
    said: list[str] = []
    receipt = Receipt(said="it can do nothing that is tried out", verified=False)
    try:
        if isinstance(integration, Looks):
            receipt = integration.look()
            said.append(receipt.said)
        else:
            for verb in next((acts for acts in _ACTS if acts[0] in integration.verbs), ()):
                errand = _errand(name, verb, key, clock.now())
                receipt = integration.verify(errand, integration.deliver(errand, again=False))
                said.append(f"{verb.value}: {receipt.said}")
                if receipt.verified is False:
                    break
    except WatchkeeperError as error:
        later = "try again later" if isinstance(error, Unavailable) else "correct its settings"
        told = "; ".join([*said, error.reason])
        return Tried(name, False, False, "", told, error.hint or f"{later}; nothing that waits was moved")
    told = "; ".join(said) or receipt.said
    if receipt.verified is False:
        advice = "it answered, and did not do it: look at what listens there"
        return Tried(name, False, False, receipt.reference, told, advice)
    there = receipt.reference or "the test's text"
    advice = "nothing" if receipt.verified else f"look there for {there}: that it arrived nobody can ask"
    return Tried(name, True, receipt.verified, receipt.reference, told, advice)


def _errand(name: str, verb: Verb, key: str, now: int) -> Errand:
    return Errand(
        key=f"{key}:{verb.value}",
        integration=name,
        verb=verb,
        time=now,
        title="test of an integration",
        text=_TEXT,
        severity=Severity.INFORMATIONAL,
        labels=("test",),
        thread=key,
    )
