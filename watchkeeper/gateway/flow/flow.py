"""Asked before a call is judged, told of everything that passed: provides labels, flow marks and counts for policies.

Above: the guard. Below: `labels` (what a tool can do), `memory` (of one agent), `prints` and `text` (what is carried).
Memory only. Provides what the policies in force read and nothing else; where they read none of it, the guard does not
even ask.

Obligations, and what each one stops:

1. Marks follow the principal, whichever server, endpoint or session it uses (reading here, sending there).
2. Whatever reached the model counts: results and errors, structured content, resources, prompts, tasks, streams, and
   what a server says unasked. What was withheld does not.
3. What a server brought in and goes back to it is not carried (session ids, cursors); identifiers, short and common
   texts are not content (honest agents pass for thieves).
4. Memory is bounded and expires; what was dropped before its time is said (`flow_forgotten`), so that a policy can
   deny on doubt.
"""

from __future__ import annotations

from collections import OrderedDict

import msgspec

from watchkeeper.core.clock import Clock
from watchkeeper.gateway.flow.counters import OF_LABELS, SESSION, Counters
from watchkeeper.gateway.flow.labels import Labels
from watchkeeper.gateway.flow.memory import BITS, Memory, names_in, stream_of
from watchkeeper.gateway.flow.model import (
    AUTOSTART,
    FORGOTTEN,
    NAMES_UNTRUSTED,
    RUNS_UNTRUSTED,
    RUNS_WRITTEN,
    WROTE_AUTOSTART,
    Class,
    Read,
    class_of,
    named,
)
from watchkeeper.gateway.flow.places import AUTOSTART_PLACE, SECRET_PLACE, is_plain, places
from watchkeeper.gateway.flow.reading import Reading
from watchkeeper.gateway.flow.settings import FlowSettings
from watchkeeper.gateway.flow.text import Said, strings_of
from watchkeeper.gateway.model import Ruling
from watchkeeper.inspection.model import SECRET
from watchkeeper.policy.model import Effect, Question
from watchkeeper.protocol.message import Message

_MINUTE = 60 * 1_000_000
_MOST_UNTOLD = 20_000
_RUNS = frozenset({RUNS_WRITTEN, RUNS_UNTRUSTED})


class Flow:
    """One process's."""

    def __init__(self, reading: Reading, settings: FlowSettings, labels: Labels, clock: Clock) -> None:
        self._clock = clock
        self._memories: OrderedDict[str, Memory] = OrderedDict()
        self._fresh: list[Read] = []
        """What other processes have not been told yet."""
        self._heard: dict[str, dict[tuple[str, int], int]] = {}
        """What they told, until the agent's next message."""
        self.is_one_of_several = False
        """Fingerprints may be with another worker."""
        self._dropped_at = 0
        """When an agent was last forgotten for want of room."""
        self.kept = 0
        """Fingerprints, all agents together."""
        self.follow(reading, settings, labels)

    def follow(self, reading: Reading, settings: FlowSettings, labels: Labels) -> None:
        """Provide what these policies read from now on; what is known of agents stays."""
        self.reading = reading
        self._settings = settings
        self.labels = labels
        self.window = int(settings.minutes * _MINUTE)
        """Microseconds that marks last."""
        self._stretch = int(settings.counted_minutes * _MINUTE)
        self._runs = not _RUNS.isdisjoint(reading.marks)
        self._of_sessions = any(name.startswith(SESSION) for name in reading.thresholds)
        self._secrets = any("secret" in mark for mark in reading.marks)

    @property
    def if_read(self) -> Flow | None:
        """Itself, where some policy reads any of it."""
        return self if self.reading else None

    # before a call is judged

    def marked(self, question: Question, request: Message, session: str = "", *, is_counted: bool = False) -> Question:
        """The question with what policies read of labels, flow and counts."""
        labels = self.labels.of(question.server, request)
        now = self._clock.now()
        memory = self._memory(question.principal, now)
        counts = question.counts
        if self.reading.thresholds and not is_counted:
            counts = self._counted(memory, session and f"{question.server} {session}", labels, request, now)
        return msgspec.structs.replace(
            question,
            labels=labels if self.reading.labels else (),
            flow=self._marks(memory, question.server, request, now) if self.reading.marks else (),
            counts=counts,
        )

    def _marks(self, memory: Memory, server: str, request: Message, now: int) -> tuple[str, ...]:
        found = set(memory.marks(server, now - self.window)) if self.reading.is_coarse else set[str]()
        if self.reading.is_fine:
            self._refresh(memory, now)
            found |= self._carried(memory, server, request)
            if self._runs and request.arguments:
                texts = strings_of(request.arguments)
                found |= {mark for said in texts for mark in memory.runs(said.text, now - self.window)}
            if memory.prints.forgot or self.is_one_of_several:
                found.add(FORGOTTEN)
        return tuple(sorted(found & self.reading.marks))

    @staticmethod
    def _carried(memory: Memory, server: str, request: Message) -> set[str]:
        if not len(memory.prints):
            return set()
        strings = strings_of(request.params or request.result, with_keys=True)
        stream = stream_of([said.text for said in strings])
        carried = memory.prints.carried(server, strings, memory.before((server, request.name), stream))
        found = named(carried.carries, "carries") | named(carried.returns, "returns")
        return found | {NAMES_UNTRUSTED} if carried.names else found

    def _counted(
        self, memory: Memory, session: str, labels: tuple[str, ...], request: Message, now: int
    ) -> tuple[str, ...]:
        """The thresholds that are exceeded with this call."""
        kept = [("", memory.counters)]
        if session and self._of_sessions:
            kept.append((SESSION, memory.of_session(session)))
        if memory.asked is not request:
            for prefix, counters in kept:
                self._count(prefix, counters, labels, request, now)
        return tuple(
            sorted(mark for _, one in kept for mark in one.exceeded(self.reading.thresholds, now, self._stretch))
        )

    def _count(self, prefix: str, counters: Counters, labels: tuple[str, ...], request: Message, now: int) -> None:
        if request.method == "tools/call":
            counters.add(f"{prefix}calls", 1, now, self._stretch)
        counters.add(f"{prefix}bytes_out", len(request.arguments), now, self._stretch)
        for name, label in OF_LABELS.items():
            if label in labels and prefix + name in self.reading.thresholds:
                counters.add(prefix + name, 1, now, self._stretch)

    # after it was judged or answered

    def ruled(self, principal: str, request: Message, ruling: Ruling) -> Ruling:
        """A request was judged."""
        if not self.reading.thresholds:
            return ruling
        now = self._clock.now()
        memory = self._memory(principal, now)
        memory.asked = request if ruling.verdict.effect is Effect.ASK else None
        if ruling.verdict.effect is Effect.DENY:
            memory.counters.add("denials", 1, now, self._stretch)
        return ruling

    def took(
        self, server: str, principal: str, request: Message, answer: Message, ruling: Ruling, *, tool: str = ""
    ) -> None:
        """An answer was judged; what passed is what the agent knows now. `tool` is the one that a task was made by."""
        now = self._clock.now()
        memory = self._memory(principal, now)
        if self.reading.thresholds:
            memory.counters.add("bytes_in", len(answer.result or answer.error), now, self._stretch)
            if answer.failure:
                memory.counters.add("errors", 1, now, self._stretch)
        if not self.reading.marks or _is_withheld(ruling):
            return
        if not (tool or request.name):  # what was asked is not known: an answer that is sent again after a break
            self.heard(server, principal, answer, ruling)
            return
        labels = self.labels.of_target(server, "tools/call", tool) if tool else self.labels.of(server, request)
        said = answer.result or answer.error
        self._learn(memory, server, self._class(labels, request, ruling), said, now, own=request.arguments)
        if "writes" in labels and not answer.failure and request.arguments:
            self._wrote(memory, server, request, now)

    def heard(self, server: str, principal: str, message: Message, ruling: Ruling) -> None:
        """A server said something of its own, or answered what cannot be told: taken for what it brought in before."""
        if not self.reading.marks or _is_withheld(ruling):
            return
        now = self._clock.now()
        memory = self._memory(principal, now)
        of_class = memory.classes_of(server)
        if _has_secret(ruling):
            of_class |= Class.SECRET
        if of_class:
            self._learn(memory, server, of_class, message.params or message.result or message.error, now)

    def _class(self, labels: tuple[str, ...], request: Message, ruling: Ruling) -> Class:
        found = class_of(labels)
        if found & Class.SECRET and is_plain(request.arguments):
            found &= ~Class.SECRET
        if _has_secret(ruling):
            found |= Class.SECRET
        reads = self._secrets and ("reads_private" in labels or "executes" in labels)
        if reads and SECRET_PLACE in places().in_arguments(request.arguments or request.params):
            found |= Class.SECRET | Class.PRIVATE
        return found

    def _learn(self, memory: Memory, server: str, of_class: Class, said: bytes, now: int, *, own: bytes = b"") -> None:
        if not of_class:
            return
        self._note(memory, server, of_class, now)
        if not self.reading.is_fine:
            return
        self._refresh(memory, now)
        before = len(memory.prints)
        stream = stream_of([one.text for one in strings_of(own)]) if own else b""
        memory.prints.learn(server, of_class, strings_of(said), stream)
        self.kept += len(memory.prints) - before
        self._make_room(memory)

    def _wrote(self, memory: Memory, server: str, request: Message, now: int) -> None:
        if AUTOSTART in self.reading.marks and AUTOSTART_PLACE in places().in_arguments(request.arguments):
            self._note(memory, server, WROTE_AUTOSTART, now)
        if self._runs:
            strings: list[Said] = strings_of(request.arguments)
            carried = memory.prints.carried(server, strings)
            is_untrusted = bool((carried.carries | carried.returns) & Class.UNTRUSTED)
            names = (name for said in strings for name in names_in(said.text))
            memory.wrote(names, now, untrusted=is_untrusted)

    def _note(self, memory: Memory, server: str, bits: int, now: int) -> None:
        fresh = memory.read(server, bits, now, now - self.window // 16)
        if fresh and len(self._fresh) < _MOST_UNTOLD:
            self._fresh += (Read(memory.principal, server, bit, now) for bit in BITS if fresh & bit)

    # what other processes know: called by another thread

    def take_fresh(self) -> list[Read]:
        """What is to be told to other processes."""
        fresh, self._fresh = self._fresh, []
        return fresh

    def give_back(self, fresh: list[Read]) -> None:
        """It could not be told."""
        self._fresh = (fresh + self._fresh)[:_MOST_UNTOLD]

    def hear(self, told: list[Read]) -> None:
        """Take over what other processes told, each with the agent's next message."""
        for read in told[:_MOST_UNTOLD]:
            # put in whole: the agent's own thread may take it out at any moment, and twice is no harm
            self._heard[read.principal] = self._heard.get(read.principal, {}) | {(read.server, read.bits): read.at}
        while len(self._heard) > _MOST_UNTOLD:
            self._heard.pop(next(iter(self._heard)), None)

    # memories

    def _memory(self, principal: str, now: int) -> Memory:
        memory = self._memories.get(principal)
        if memory is None:
            memory = self._memories[principal] = Memory(principal, now)
            memory.prints.forgot = self._dropped_at > now - self.window  # this one may have been among them
            if len(self._memories) > self._settings.principals:
                self.kept -= len(self._memories.popitem(last=False)[1].prints)
                self._dropped_at = now
        else:
            self._memories.move_to_end(principal)
        if self._heard:
            for (server, bits), at in self._heard.pop(principal, {}).items():
                memory.read(server, bits, at, 0)
        return memory

    def _refresh(self, memory: Memory, now: int) -> None:
        if now - memory.prints_since >= self.window:
            before = len(memory.prints)
            memory.prints.age(by_time=True)
            if now - memory.prints_since >= 2 * self.window:
                memory.prints.age(by_time=True)
            memory.prints_since = now
            self.kept += len(memory.prints) - before

    def _make_room(self, latest: Memory) -> None:
        for memory in self._memories.values():
            if self.kept <= self._settings.fingerprints:
                return
            if memory is not latest and len(memory.prints):
                self.kept -= len(memory.prints)
                memory.prints.clear()


def _has_secret(ruling: Ruling) -> bool:
    return any(finding.label == SECRET for finding in ruling.findings)


def _is_withheld(ruling: Ruling) -> bool:
    return ruling.verdict.effect in (Effect.DENY, Effect.ASK) and ruling.verdict.enforced
