"""Words of this package: classes of what was read, and the marks that policies see. No I/O."""

from __future__ import annotations

from enum import IntFlag

import msgspec


class Class(IntFlag):
    """What a result is made of, by the labels of the tool that gave it."""

    NONE = 0
    PRIVATE = 1
    UNTRUSTED = 2
    SECRET = 4


NAMES = ((Class.PRIVATE, "private"), (Class.UNTRUSTED, "untrusted"), (Class.SECRET, "secret"))
WROTE_AUTOSTART = 8
"""Beside the classes: it wrote something that starts by itself."""
_OF_LABELS = {
    "reads_private": Class.PRIVATE,
    "executes": Class.PRIVATE,  # what a command prints may be anything that its machine holds
    "reads_untrusted": Class.UNTRUSTED,
    "reads_secrets": Class.SECRET | Class.PRIVATE,
}

AUTOSTART = "autostart_written"
"""Something was written where it starts by itself: a crontab, a shell's profile, authorized keys."""
RUNS_WRITTEN = "runs_written"
"""An argument names a thing that an earlier call wrote."""
RUNS_UNTRUSTED = "runs_untrusted"
"""The same, and what was written carried text from an untrusted source."""
NAMES_UNTRUSTED = "names_untrusted"
"""An argument holds a web address that an untrusted source of another server gave."""
FORGOTTEN = "flow_forgotten"
"""Fingerprints were dropped before their time, for want of room: that nothing is carried is not known."""

COARSE = frozenset({f"{name}_read{where}" for _, name in NAMES for where in ("", "_elsewhere")} | {AUTOSTART})
"""Known from what was called; `_elsewhere`: from another server than the one that is called now."""
FINE = frozenset(
    {f"{how}_{name}" for _, name in NAMES for how in ("carries", "returns")}
    | {RUNS_WRITTEN, RUNS_UNTRUSTED, NAMES_UNTRUSTED, FORGOTTEN}
)
"""Known only by looking into arguments and results. `carries`: what another server brought in; `returns`: what only the
called server itself brought in."""
MARKS = COARSE | FINE


def class_of(labels: tuple[str, ...]) -> Class:
    """What a tool with these labels brings in."""
    found = Class.NONE
    for label in labels:
        found |= _OF_LABELS.get(label, Class.NONE)
    return found


def named(bits: int, how: str) -> set[str]:
    """The marks of some classes: `carries` and PRIVATE are `carries_private`."""
    return {f"{how}_{name}" for bit, name in NAMES if bits & bit}


class Read(msgspec.Struct, frozen=True):
    """A server brought such things in for an agent."""

    principal: str
    server: str
    bits: int
    """A `Class`, or `WROTE_AUTOSTART`."""
    at: int


class Carried(msgspec.Struct, frozen=True):
    """What the arguments of a call hold of earlier results, by class."""

    carries: int = 0
    """Of other servers."""
    returns: int = 0
    """Of the server that is called."""
    names: bool = False
    """Whether it holds a web address of an untrusted source elsewhere."""


NOTHING = Carried()
