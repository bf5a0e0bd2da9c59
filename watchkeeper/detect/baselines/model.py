"""A baseline as data: of whom, of what, how much it must have seen before it may speak, when it does. No I/O."""

from __future__ import annotations

from enum import StrEnum
from typing import Any

import msgspec

from watchkeeper.detect.model import Heading


class Kind(StrEnum):
    """How it learns."""

    NOVELTY = "novelty"
    """The values that were seen; a new one surprises where new ones are rare."""
    RATE = "rate"
    """Events an hour, by the hour of the week in UTC; many more surprise."""
    RATIO = "ratio"
    """The share of events that are bad, by the hour; many more surprise."""
    AMOUNT = "amount"
    """How large something is; what is far beyond the largest surprises."""


class Of(StrEnum):
    """What is looked at of a call."""

    CALLS = "calls"
    TOOL = "tool"
    SERVER = "server"
    SHAPE = "shape"
    """Names and types of the arguments, each by itself."""
    DENIED = "denied"
    FAILED = "failed"
    SLOW = "slow"
    """Slower than nineteen of twenty calls of the tool are."""
    SIZE_RATIO = "size_ratio"
    """Bytes of the answer for each byte of the request."""
    DISTINCT_TOOLS = "distinct_tools"
    """Different tools in one session, or in one hour where there are none."""


FITS: dict[Kind, frozenset[Of]] = {
    Kind.NOVELTY: frozenset({Of.TOOL, Of.SERVER, Of.SHAPE}),
    Kind.RATE: frozenset({Of.CALLS}),
    Kind.RATIO: frozenset({Of.DENIED, Of.FAILED, Of.SLOW}),
    Kind.AMOUNT: frozenset({Of.SIZE_RATIO, Of.DISTINCT_TOOLS}),
}


class Learn(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What a subject's baseline must have seen before it may speak, and how long it remembers."""

    observations: int = 100
    days: float = 7.0
    """From the first observation."""
    half_life_days: float = 14.0
    """After so many days an observation counts half."""


class Baseline(msgspec.Struct, frozen=True, kw_only=True):
    """One definition; it has a state for each subject."""

    heading: Heading
    kind: Kind
    subject: tuple[str, ...]
    """Some of `actor`, `server`, `tool`: whose baseline it is. The tenant always belongs to it."""
    of: Of
    learn: Learn
    threshold: float
    """Novelty: the share of new values above which a new one is no surprise. Else: standard deviations."""
    least: float = 0.0
    """What is seen must be at least so much to be worth a word: events, bad events, a ratio, tools."""
    factor: float = 1.0
    """And so many times what was expected."""


class Surprise(msgspec.Struct, frozen=True):
    """What does not fit: the numbers, and the two halves of a sentence."""

    seen: str
    expected: str
    numbers: dict[str, Any]
    once: str = ""
    """What it is told once for; empty for each time."""
