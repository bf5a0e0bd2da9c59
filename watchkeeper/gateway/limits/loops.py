"""Agents that go round in circles: the same client sends the same call over and over. Pure: time is passed in.

A model that does not notice its own repetition is stopped by nobody but its bill. What is counted is one client, one
tool and exactly the same arguments, wherever in between other calls stand; polling is honest, so the thresholds lie
beyond what anybody polls. Memory is bounded: for each client so many calls, and what one client sends never makes the
gateway forget another's.
"""

from __future__ import annotations

from watchkeeper.gateway.limits.meters import SECOND
from watchkeeper.gateway.limits.model import Refused, in_seconds
from watchkeeper.gateway.limits.settings import LoopSettings

RULE = "loop:repeated-call"
MOST_CALLS = 2048
"""Different calls of one client that are remembered, twice."""
MOST_CLIENTS = 10_000


class _Memory:
    """One client's calls of this half of the time, and of the half before."""

    __slots__ = ("before", "now", "turn")

    def __init__(self, turn: int) -> None:
        self.now: dict[int, int] = {}
        self.before: dict[int, int] = {}
        self.turn = turn

    def move_to(self, now: int, half: int) -> None:
        is_next = now < self.turn + half
        self.before = self.now if is_next else {}
        self.now = {}
        self.turn = self.turn + half if is_next else now + half

    def make_room(self) -> None:
        self.before, self.now = self.now, {}


class Repeats:
    """What every client has sent within the last `seconds`; never more of it than was sent, perhaps less."""

    def __init__(self, settings: LoopSettings) -> None:
        self.seconds = settings.seconds
        self._half = round(settings.seconds * SECOND / 2)
        self._notice = settings.notice
        self._refuse = settings.refuse
        self._least = min(n for n in (settings.notice, settings.refuse) if n) if self.is_on(settings) else 0
        self._memories: dict[str, _Memory] = {}

    @staticmethod
    def is_on(settings: LoopSettings) -> bool:
        """Whether anything is to be counted."""
        return bool(settings.notice or settings.refuse)

    def look(self, principal: str, server: str, tool: str, arguments: bytes, now: int) -> Refused | int:
        """Why this call is refused, else how often it came when that is to be recorded, else 0."""
        memory = self._memories.get(principal)
        if memory is None:
            memory = self._remember(principal, now)
        if now >= memory.turn:
            memory.move_to(now, self._half)
        key = hash((server, tool, arguments))
        count = memory.now.get(key, 0) + 1
        total = count + memory.before.get(key, 0)
        if self._refuse and total > self._refuse:
            return self._refused(memory, count - 1, now)
        if count == 1 and len(memory.now) >= MOST_CALLS:
            memory.make_room()
        memory.now[key] = count
        return total if total == self._notice else 0

    def _remember(self, principal: str, now: int) -> _Memory:
        if len(self._memories) >= MOST_CLIENTS:
            del self._memories[next(iter(self._memories))]
        memory = self._memories[principal] = _Memory(now + self._half)
        return memory

    def _refused(self, memory: _Memory, recent: int, now: int) -> Refused:
        wait = memory.turn - now + (self._half if recent >= self._refuse else 0)
        reason = (
            f"You are repeating yourself: exactly this call came {self._refuse} times within {self.seconds:g} seconds, "
            "and sending it again will not change its answer. Do something else, or ask the person you work for. "
            f"The same call is refused for another {in_seconds(wait)} s."
        )
        return Refused(RULE, reason, wait)
