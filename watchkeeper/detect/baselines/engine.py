"""All baselines of one worker: calls in, surprises out. Pure, and decided by the times of events alone.

- A subject's baseline speaks when it has seen enough for long enough (`learn`), and learns from every call but those of
  exercises and probes, unless it is frozen.
- A tool or server whose definition was first seen, or changed, within the last days is no surprise as such: the
  registry has told that, and everybody will use it.
- There is a bound on subjects; those beyond are counted, and not followed.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Iterator
from dataclasses import dataclass, field
from typing import Any

from watchkeeper.detect.baselines.learners.amount import Amount
from watchkeeper.detect.baselines.learners.interface import DAY, HOUR, Learner
from watchkeeper.detect.baselines.learners.novelty import Novelty
from watchkeeper.detect.baselines.learners.rate import Rate
from watchkeeper.detect.baselines.learners.ratio import Ratio
from watchkeeper.detect.baselines.model import Baseline, Kind, Of, Surprise
from watchkeeper.detect.baselines.observing import Observation
from watchkeeper.detect.correlation.facts import digest_of

MAKERS: dict[Kind, Callable[[Baseline], Learner]] = {
    Kind.NOVELTY: Novelty,
    Kind.RATE: Rate,
    Kind.RATIO: Ratio,
    Kind.AMOUNT: Amount,
}
_DEBUT = 7 * DAY
_DEBUTS = 4_096
_ONCE = 64
_LIVES = 8
"""Half-lives without a call after which a subject is forgotten."""
Subject = tuple[str, ...]
"""The tenant, then the members of `Baseline.subject`."""


@dataclass
class Held:
    """One subject of one baseline."""

    baseline: Baseline
    subject: Subject
    digest: str
    learner: Learner
    first: int
    last: int
    count: int = 0
    frozen: bool = False
    told: dict[str, None] = field(default_factory=dict)
    """What it was told once for, the newest."""
    is_changed: bool = False
    due: int = 0
    """The end of the hour that it is waited for with."""

    def __post_init__(self) -> None:
        learn = self.baseline.learn
        self.is_hourly = self.baseline.kind in (Kind.RATE, Kind.RATIO)
        self.enough, self.long_enough = learn.observations, learn.days * DAY

    def speaks(self, time: int) -> bool:
        """Whether it has seen enough."""
        return self.count >= self.enough and time - self.first >= self.long_enough


@dataclass(frozen=True)
class Spoken:
    """A surprise, and whose."""

    held: Held
    surprise: Surprise


class Engine:
    """See above."""

    def __init__(
        self,
        baselines: Iterable[Baseline],
        subjects: int,
        owns: Callable[[str, str], bool] = lambda baseline, subject: True,
    ) -> None:
        self.baselines = tuple(sorted(baselines, key=lambda one: (one.of is not Of.SERVER, one.heading.id)))
        self.groups: dict[str, dict[Subject, Held]] = {one.heading.id: {} for one in self.baselines}
        self.frozen: dict[str, None] = {}
        """Ids of baselines that learn nothing of anybody."""
        self.debuts: dict[str, int] = {}
        """What was new lately, and since when; the oldest first."""
        self._families: dict[tuple[str, ...], dict[Subject, tuple[Held, ...]]] = {
            one.subject: {} for one in self.baselines
        }
        """Members → subject → what every baseline of these members holds of it; only where all of them do."""
        self.changed: list[Held] = []
        self.overflow = 0
        self._subjects = subjects
        self._owns = owns
        self._open: dict[int, list[Held]] = {}
        """The end of an hour → whose hour it is."""
        self._swept = 0

    def see(self, seen: Observation, *, is_real: bool) -> Iterator[Spoken]:
        """What does not fit of this call; of one that is not real nothing is learned."""
        strangers: set[Subject] = set()
        time = seen.time
        for members, family in self._families.items():
            subject = (seen.tenant, *[getattr(seen, name) for name in members])
            for held in family.get(subject) or self._family(members, subject, time):
                learns = is_real and not held.frozen and not (self.frozen and held.baseline.heading.id in self.frozen)
                speaks = is_real and held.count >= held.enough and time - held.first >= held.long_enough
                surprise = held.learner.see(seen, learns=learns, speaks=speaks)
                held.count += learns
                if time > held.last:  # noqa: PLR1730 — twelve times a call, and `max` costs three times as much
                    held.last = time
                if held.is_hourly and held.due <= time:
                    self._await(held)
                if not held.is_changed:
                    self._change(held)
                if surprise is not None and self._is_worth(held, surprise, seen, strangers):
                    yield Spoken(held, surprise)

    def _is_worth(self, held: Held, surprise: Surprise, seen: Observation, strangers: set[Subject]) -> bool:
        """Whether it is to be told: not what is new for everybody, nor what was told, nor each tool of a new server."""
        baseline = held.baseline
        if self._is_excused(baseline, seen) or not self._is_first(held, surprise):
            return False
        if baseline.of is Of.SERVER:
            strangers.add(held.subject)
        return baseline.of is not Of.TOOL or held.subject not in strangers

    def debut(self, tenant: str, server: str, tool: str, time: int) -> None:
        """A definition is new, or is another now."""
        names = [f"{tenant}\x1f{server}/{tool}"]
        if f"{tenant}\x1f{server}" not in self.debuts:
            names.append(f"{tenant}\x1f{server}")
        for name in names:
            self.debuts.pop(name, None)
            self.debuts[name] = time
        while len(self.debuts) > _DEBUTS:
            del self.debuts[next(iter(self.debuts))]

    def pass_time(self, time: int) -> None:
        """No more calls before then."""
        for end in sorted(one for one in self._open if one < time):
            for held in self._open.pop(end):
                if held.learner.due() == end:
                    held.learner.close(learns=not held.frozen and held.baseline.heading.id not in self.frozen)
                    self._change(held)
        if time // HOUR > self._swept:
            self._swept = time // HOUR
            self._sweep(time)

    def hold(self, held: Held) -> None:
        """A subject as it was remembered."""
        self.groups[held.baseline.heading.id][held.subject] = held
        self._await(held)

    def freeze(self, baseline: str, subject: Subject | None, *, frozen: bool) -> None:
        """Let a subject, or everybody, of a baseline learn no more, or again."""
        if subject is not None:
            held = self.groups.get(baseline, {}).get(subject)
            if held is not None:
                held.frozen = frozen
                self._change(held)
        elif frozen and baseline in self.groups:
            self.frozen[baseline] = None
        elif not frozen:
            self.frozen.pop(baseline, None)

    def forget(self, baseline: str, subject: Subject | None) -> None:
        """Let a subject, or everybody, begin anew."""
        group = self.groups.get(baseline, {})
        for one in list(group) if subject is None else [subject]:
            held = group.pop(one, None)
            if held is not None:
                self._let_go(held)

    def _family(self, members: tuple[str, ...], subject: Subject, time: int) -> tuple[Held, ...]:
        """What every baseline of these members holds of a subject, as far as it is this worker's and finds a place."""
        if not all(subject):
            return ()
        mine = [one for one in self.baselines if one.subject == members]
        each = [held for one in mine if (held := self._held(one, subject, time)) is not None]
        family = self._families[members]
        if len(each) == len(mine):
            family[subject] = tuple(each)
        return tuple(each)

    def _held(self, baseline: Baseline, subject: Subject, time: int) -> Held | None:
        group = self.groups[baseline.heading.id]
        held = group.get(subject)
        if held is None:
            digest = digest_of(subject)
            if not self._owns(baseline.heading.id, digest):
                return None
            if len(group) >= self._subjects:
                self.overflow += 1
                return None
            held = group[subject] = Held(baseline, subject, digest, MAKERS[baseline.kind](baseline), time, time)
        return held

    def _await(self, held: Held) -> None:
        due = held.learner.due()
        if due and due != held.due:
            held.due = due
            self._open.setdefault(due, []).append(held)

    def _let_go(self, held: Held) -> None:
        self._families[held.baseline.subject].pop(held.subject, None)
        self._change(held)

    def _change(self, held: Held) -> None:
        if not held.is_changed:
            held.is_changed = True
            self.changed.append(held)

    def _is_excused(self, baseline: Baseline, seen: Observation) -> bool:
        """Whether it is new for everybody, as the registry has told."""
        if baseline.kind is not Kind.NOVELTY:
            return False
        name = seen.server if baseline.of is Of.SERVER else seen.tool
        return seen.time - self.debuts.get(f"{seen.tenant}\x1f{name}", -_DEBUT - 1) <= _DEBUT

    def _is_first(self, held: Held, surprise: Surprise) -> bool:
        if not surprise.once:
            return True
        if surprise.once in held.told:
            return False
        held.told[surprise.once] = None
        if len(held.told) > _ONCE:
            del held.told[next(iter(held.told))]
        return True

    def _sweep(self, time: int) -> None:
        """What is over is forgotten."""
        self.debuts = {name: at for name, at in self.debuts.items() if time - at <= _DEBUT}
        for group in self.groups.values():
            for subject, held in list(group.items()):
                if time - held.last > _LIVES * held.baseline.learn.half_life_days * DAY and not held.frozen:
                    del group[subject]
                    self._let_go(held)


def described(held: Held, time: int, frozen: Collection[str] = ()) -> dict[str, Any]:
    """How a subject stands; `frozen` are the baselines that learn nothing of anybody."""
    is_frozen = held.frozen or held.baseline.heading.id in frozen
    return {
        "baseline": held.baseline.heading.name,
        "tenant": held.subject[0],
        "subject": dict(zip(held.baseline.subject, held.subject[1:], strict=True)),
        "observations": held.count,
        "since": held.first,
        "last": held.last,
        "state": "frozen" if is_frozen else "speaks" if held.speaks(time) else "learns",
        "known": held.learner.known(),
    }
