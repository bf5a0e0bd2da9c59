"""What was read from Sigma files, as data: rules about single events, and what could not be read. No I/O, no pySigma.

A `ReadRule` speaks of any log source; `detect.model.Rule` is one about events of our own, ready to run.
"""

from __future__ import annotations

import msgspec

from watchkeeper.detect.conditions.model import Condition
from watchkeeper.detect.correlation.model import Correlation
from watchkeeper.detect.model import Heading


class LogSource(msgspec.Struct, frozen=True):
    """Which events a rule is about, in Sigma's words, lower case; an empty word says nothing."""

    product: str = ""
    category: str = ""
    service: str = ""

    def contradicts(self, other: LogSource) -> bool:
        """Whether no event can be of both."""
        pairs = ((self.product, other.product), (self.category, other.category), (self.service, other.service))
        return any(a and b and a != b for a, b in pairs)

    def __str__(self) -> str:
        return "/".join(word or "*" for word in (self.product, self.category, self.service))


class ReadRule(msgspec.Struct, frozen=True, kw_only=True):
    """A rule about single events of some log source."""

    heading: Heading
    logsource: LogSource
    condition: Condition
    """With the filters that apply to it."""
    alone: bool = True
    """Whether it raises alerts by itself; false where only a correlation asks for it."""


class Refused(msgspec.Struct, frozen=True, kw_only=True):
    """Something in a file that could not be loaded, and why."""

    source: str
    """The file."""
    line: int = 0
    """Where its document begins; nought when that is not known."""
    id: str = ""
    title: str = ""
    reason: str
    hint: str = ""


class Rulebook(msgspec.Struct, frozen=True, kw_only=True):
    """What some files hold."""

    rules: tuple[ReadRule, ...] = ()
    correlations: tuple[Correlation, ...] = ()
    filters: int = 0
    """How many filters were applied."""
    refused: tuple[Refused, ...] = ()
    files: int = 0
