"""What a rule may do in this estate: raise alerts, be recorded in silence, or nothing. Decides; keeps nothing.

1. A rule that comes with the product raises alerts, unless somebody disabled it.
2. A rule of the estate's own is silent until somebody enables it: what nobody has tried must not wake anyone.
3. It can be enabled once it was simulated, over a time with records, as it is now, and passes the tests it carries; or
   anyway, with a reason that is kept (a night's emergency).
4. One whose tests fail later is silent again, unless it was enabled anyway.
"""

from __future__ import annotations

from enum import StrEnum

import msgspec

from watchkeeper.core.errors import Conflict, Invalid


class State(StrEnum):
    """What it may do."""

    ENABLED = "enabled"
    SILENT = "silent"
    """Its matches are recorded, and wake nobody."""
    DISABLED = "disabled"


class Decided(msgspec.Struct, frozen=True):
    """What was decided and tried of a rule; empty where nothing was."""

    rule: str
    state: str = ""
    """`enabled` or `disabled`."""
    by: str = ""
    reason: str = ""
    at: int = 0
    anyway: bool = False
    """Enabled though it was not simulated, or its tests failed."""
    simulated: str = ""
    """The rule's version when it was simulated last."""
    simulated_at: int = 0
    days: int = 0
    """Days that it was simulated over."""
    wakes: int = 0
    """How often it would have called somebody."""


class Standing(msgspec.Struct, frozen=True):
    """What a rule may do, and why not more."""

    state: State
    why: str = ""


def standing(decided: Decided, *, is_own: bool, passes: bool) -> Standing:
    """`is_own` says that the rule is the estate's, `passes` that its tests hold."""
    if decided.state == State.DISABLED:
        return Standing(State.DISABLED, decided.reason)
    if not is_own:
        return Standing(State.ENABLED)
    if decided.state != State.ENABLED:
        return Standing(State.SILENT, "nobody enabled it yet")
    if not passes and not decided.anyway:
        return Standing(State.SILENT, "its tests fail")
    return Standing(State.ENABLED)


def check_enabling(decided: Decided, version: str, reason: str, *, passes: bool, anyway: bool) -> None:
    """Raises `Conflict` for what may not wake anyone yet, `Invalid` without a reason."""
    if not reason.strip():
        raise Invalid("a reason is missing", hint="say it with --reason; it goes into the journal")
    if anyway:
        return
    if not passes:
        raise Conflict("its tests fail, or it has none", hint="see `watchkeeper rules test`, or say --anyway and why")
    if decided.simulated != version:
        when = "it was changed since it was simulated" if decided.simulated else "it was never simulated"
        hint = "run `watchkeeper rules simulate` over a time with records, or say --anyway and why"
        raise Conflict(f"{when}, so nobody knows how often it would wake someone", hint=hint)
