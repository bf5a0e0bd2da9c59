"""Which of several workers deals with what: by a hash of the rule, the same in every process. Pure.

Every worker reads every event. A rule, a correlation with all that it is made of, a stage that looks at single events:
each of them is one worker's alone, with all of its groups, because what groups and throttles alerts counts all alerts
of a rule, in their order. So several workers raise what one raises; what they share is matching, correlating and
admitting, not reading.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

from watchkeeper.detect.interface import Matched, Matcher
from watchkeeper.detect.keys import BETWEEN, key_of
from watchkeeper.detect.model import Rule
from watchkeeper.events import Event

FIRST = "*first"
"""The family of what only the first worker can do."""


@dataclass(frozen=True)
class Partition:
    """Worker `number` of `of`, counted from 1."""

    number: int = 1
    of: int = 1
    families: Mapping[str, str] = field(default_factory=dict, compare=False)
    """For a heading's id, or a memory as a whole: by what its worker is chosen instead, such as the correlation that it
    feeds; `FIRST` for the watch itself."""

    def owns(self, rule: str, group: str = "") -> bool:
        """Whether this worker deals with a rule: exactly one of all does, whatever the group."""
        return self.of == 1 or self.has(key_of(rule, group))

    def has(self, key: str) -> bool:
        """Whether a row of a memory is this worker's: `owns` of its first part."""
        if self.of == 1:
            return True
        whose = key.split(BETWEEN, 1)[0]
        family = self.families.get(whose, whose)
        if family == FIRST:
            return self.number == 1
        digest = hashlib.blake2b(family.encode("utf-8", "surrogatepass"), digest_size=8)
        return int.from_bytes(digest.digest(), "big") % self.of == self.number - 1


class Shared:
    """A matcher for one of several workers: it asks the rules that are this one's, and those that stages need."""

    def __init__(
        self,
        make: Callable[[tuple[Rule, ...]], Matcher],
        rules: tuple[Rule, ...],
        needs: frozenset[str],
        partition: Partition,
    ) -> None:
        self.rules = rules
        """All of them: what is in force is in force, whoever asks it."""
        self._share = make(tuple(rule for rule in rules if rule.id in needs or partition.owns(rule.id)))

    def match(self, event: Event) -> Matched:
        """What those say."""
        return self._share.match(event)
