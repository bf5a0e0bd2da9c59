"""How a pin moves when its definition is seen, approved or held: pure functions from pin to pin. No I/O.

Obligations, and the attack each one stops:

1. Only a first sight without findings, or a person, makes a definition usable (poisoned tool).
2. Any other definition than the pinned one holds the pin, an older approved one too (rug pull, roll-back).
3. The return of the pinned definition ends an automatic hold, and never a hold by hand (a server that shows the
   good definition to whoever looks, and the bad one to its victim).
4. A change passes without a person only when the settings say so, no model can act on it, nothing was found in it, and
   nobody holds the pin by hand.
5. A definition that is nearly one which is held is held, under whatever new name it comes (evading a hold by a rename).
6. Two definitions under one name in one listing hold the pin, in whatever order they come (shadowing: the gateway
   reads the first, the client the last).
"""

from __future__ import annotations

from collections.abc import Collection, Sequence

import msgspec

from watchkeeper.inspection.model import QUIET, SUSPECTED, Finding
from watchkeeper.registry.changes import ChangeClass
from watchkeeper.registry.kin import Kin
from watchkeeper.registry.model import CANARY, Pin, PinState

TRUSTED = "registry.pin.trusted"
CHANGED = "registry.pin.changed"
RESTORED = "registry.pin.restored"
HELD = "registry.pin.held"
APPROVED = "registry.pin.approved"
ADOPTED = "registry.pin.adopted"
RENAMED = "registry.pin.renamed"
MOVED = "registry.pin.moved"

DIFFERS = "it differs from the pinned definition"
DEPENDS = {
    "name": "the server shows it differently to clients of another name",
    "session": "the server shows it differently in another session: it depends on calls, or on who holds the session",
}
AMBIGUOUS = "one listing showed two definitions under this name"


class Step(msgspec.Struct, frozen=True):
    """The pin after a move, and the kind of event that says so; empty when nothing moved."""

    pin: Pin
    event: str = ""
    was: str = ""
    """What was pinned before, where a cosmetic change took its place."""


def representative(pin: Pin | None, fingerprints: Sequence[str]) -> str:
    """Which of the definitions that one listing shows under one name decides (obligation 6).

    The pinned one only when it stands alone; else the one seen before, so that the same listing twice is no change.
    """
    if pin is None:
        return fingerprints[-1]
    strangers = [f for f in fingerprints if f != pin.pinned]
    if not strangers:
        return pin.pinned
    return pin.seen if pin.seen in strangers else strangers[-1]


def first_sight(
    server: str,
    kind: str,
    name: str,
    fingerprint: str,
    now: int,
    *,
    findings: Collection[Finding],
    is_ambiguous: bool = False,
) -> Step:
    """A name that was never seen: trusted when inspection found nothing (obligation 1), else held.

    What the judge merely suspects, and what somebody answered for, is said of it and does not hold it.
    """
    reason = AMBIGUOUS if is_ambiguous else describe([f for f in findings if f.label not in QUIET])
    if reason:
        return Step(Pin(server, kind, name, PinState.HELD, "", fingerprint, now, now, reason=reason), HELD)
    state = PinState.TRUSTED
    doubt = describe([f for f in findings if f.label == SUSPECTED])
    pin = Pin(server, kind, name, state, fingerprint, fingerprint, now, now, pinned_as=state, reason=doubt)
    return Step(pin, TRUSTED)


def akin(step: Step, kin: Kin) -> Step:
    """A first sight that is nearly another definition: it inherits no approval, but it does inherit a hold."""
    pin = step.pin
    if kin.how:
        pin = msgspec.structs.replace(pin, origin=kin.how, origin_of=f"{kin.server}/{kin.name}")
    if not kin.is_held or pin.state is PinState.HELD:
        return Step(pin, step.event)
    reason = f"it is nearly {kin.server}/{kin.name}, which is held"
    held = msgspec.structs.replace(pin, state=PinState.HELD, reason=reason, pinned="", pinned_as=PinState.UNKNOWN)
    return Step(held, HELD)


def sighted(pin: Pin, fingerprint: str, now: int, *, change: str = "", passes: bool = False) -> Step:
    """A known name shows `fingerprint`, which differs from the pinned one in the way of `change`.

    With `passes`, a cosmetic change takes the pinned one's place (obligation 4).
    """
    if fingerprint == pin.seen:
        return Step(pin)
    if fingerprint == pin.pinned:
        back = msgspec.structs.replace(pin, seen=fingerprint, changed_at=now, change="")
        if pin.held_by:
            return Step(back, RESTORED)
        return Step(msgspec.structs.replace(back, state=pin.pinned_as, reason=""), RESTORED)
    moved = msgspec.structs.replace(pin, seen=fingerprint, changed_at=now, change=change)
    if passes and change == ChangeClass.COSMETIC and not pin.held_by:
        return Step(
            msgspec.structs.replace(moved, state=pin.pinned_as, pinned=fingerprint, reason="", change=""),
            ADOPTED,
            pin.pinned,
        )
    reason = pin.reason if pin.held_by else DIFFERS
    return Step(msgspec.structs.replace(moved, state=PinState.HELD, reason=reason), CHANGED)


def approved(pin: Pin, by: str, now: int) -> Step:
    """A person approves the definition seen last; it becomes the pinned one."""
    state = PinState.APPROVED
    return Step(
        msgspec.structs.replace(
            pin,
            state=state,
            pinned=pin.seen,
            pinned_as=state,
            reason="",
            held_by="",
            approved_by=by,
            approved_at=now,
            changed_at=now,
            change="",
        ),
        APPROVED,
    )


def held(pin: Pin, reason: str, by: str, now: int) -> Step:
    """Somebody holds the pin by hand; the same hold twice is one."""
    if pin.state is PinState.HELD and (pin.held_by, pin.reason) == (by, reason):
        return Step(pin)
    return Step(
        msgspec.structs.replace(pin, state=PinState.HELD, reason=reason, held_by=by, changed_at=now),
        HELD,
    )


def set_apart(pin: Pin, depends_on: str, now: int) -> Step:
    """A canary found that the server shows this to some only; a person's hold stays that person's."""
    return Step(pin) if pin.held_by not in ("", CANARY) else held(pin, DEPENDS[depends_on], CANARY, now)


def describe(findings: Collection[Finding]) -> str:
    """Why a first sight is held, by labels and rules; empty without findings."""
    if not findings:
        return ""
    return f"inspection found {', '.join(sorted({f'{f.label} ({f.rule})' for f in findings}))}"
