"""Which of several workers deals with what: by a hash of what it is about, the same in every process. Pure.

Every worker reads every event, for event time and for what is counted over many places. What concerns one place (a
server and a target) alone is one worker's; what is counted under a rule and a group is that of one worker; so that
whatever counts alerts of a rule and a group counts all of them.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from dataclasses import dataclass

from watchkeeper.detect.interface import Matched, Matcher
from watchkeeper.detect.model import Rule
from watchkeeper.events import Event

_BETWEEN = "\x1f"
_LONGEST = 200


def key_of(*parts: str | int) -> str:
    """A key for a memory; the first two parts (a rule's id, a group) say whose it is, more parts only tell rows apart.

    Parts come from servers and agents: they are bounded, and cannot be mistaken for one another.
    """
    return _BETWEEN.join(_bounded(str(part)) for part in parts)


@dataclass(frozen=True)
class Partition:
    """Worker `number` of `of`, counted from 1."""

    number: int = 1
    of: int = 1

    def owns(self, rule: str, group: str = "") -> bool:
        """Whether this worker deals with a rule's group: exactly one of all does."""
        return self.of == 1 or self.has(key_of(rule, group))

    def has_place(self, event: Event) -> bool:
        """Whether this worker deals with what concerns the event's server and target alone."""
        return self.of == 1 or self.owns("", f"{event.server}/{event.target}")

    def raises(self, rule: Rule, *, is_mine: bool) -> bool:
        """Whether this worker raises a rule's match on an event whose place it has, or has not."""
        return self.of == 1 or (is_mine if is_local(rule) else self.owns(rule.id))

    def has(self, key: str) -> bool:
        """Whether a row of a memory is this worker's: `owns` of its first two parts."""
        if self.of == 1:
            return True
        whose = _BETWEEN.join(key.split(_BETWEEN, 2)[:2])
        digest = hashlib.blake2b(whose.encode("utf-8", "surrogatepass"), digest_size=8).digest()
        return int.from_bytes(digest, "big") % self.of == self.number - 1


class Shared:
    """A matcher for one of several workers, which asks no more than it must: rules that concern one place, of the
    events there that are this worker's; rules that stages need, and its share of all others, of every event."""

    def __init__(
        self,
        make: Callable[[tuple[Rule, ...]], Matcher],
        rules: tuple[Rule, ...],
        needs: frozenset[str],
        partition: Partition,
    ) -> None:
        self.rules = rules
        self._partition = partition
        self._here = make(tuple(rule for rule in rules if rule.id not in needs and is_local(rule)))
        wide = (rule for rule in rules if rule.id in needs or not is_local(rule))
        self._everywhere = make(tuple(rule for rule in wide if rule.id in needs or partition.owns(rule.id)))

    def match(self, event: Event) -> Matched:
        """What those say that are this worker's to ask."""
        found = self._everywhere.match(event)
        if not self._partition.has_place(event):
            return found
        here = self._here.match(event)
        if not here.rules and not here.failed:
            return found
        return Matched(found.rules + here.rules, found.failed + here.failed)


def is_local(rule: Rule) -> bool:
    """Whether all that a rule's alerts are about happens at one place: then one worker sees all of it."""
    return {"server", "target"} <= set(rule.group)


def _bounded(part: str) -> str:
    """As it is when it is short and plain, else its hash."""
    if len(part) <= _LONGEST and _BETWEEN not in part and part.isprintable():
        return part
    return "#" + hashlib.blake2b(part.encode("utf-8", "surrogatepass"), digest_size=16).hexdigest()
