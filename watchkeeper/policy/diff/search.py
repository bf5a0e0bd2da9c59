"""Between two sets of policies: the questions to which the new one gives the more lenient answer, each with a proof.

For every changed policy, every world and every kind of widening a solver is asked; what it finds is put to the engine,
old and new. So a finding is never wrong. That nothing is found is as good as the formulas, which the tests hold against
Cedar; where they do not reach, the answer is *inconclusive* and names the policy.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any, NamedTuple

import msgspec
import z3

from watchkeeper.policy.annotations import ROLES
from watchkeeper.policy.diff.settings import Place, misfits, places, words_of
from watchkeeper.policy.diff.symbols import FALSE, Outside
from watchkeeper.policy.diff.verdicts import EFFECTS, Answered, Part, weaker
from watchkeeper.policy.diff.worlds import Words, World
from watchkeeper.policy.engine import PolicyEngine
from watchkeeper.policy.model import Effect, Question, Verdict
from watchkeeper.policy.reads import Reads
from watchkeeper.policy.sources import Policy
from watchkeeper.policy.types import record_of

_PARTS = ("effect", "principal", "action", "resource", "conditions")
_CHECK_MS = 5_000
_WISH_MS = 300
Progress = Callable[[int, int, str], None]


class Change(msgspec.Struct, frozen=True):
    """A policy that is not in both sets as it is."""

    policy: str
    how: str
    """`added`, `removed` or `edited`."""


class Finding(msgspec.Struct, frozen=True, kw_only=True):
    """A question that the two sets answer differently, as both engines said."""

    policy: str
    how: str
    place: str
    old: Verdict
    new: Verdict
    question: Question
    schema: dict[str, Any] | None
    is_guess: bool
    """Whether nobody showed us the tool's schema: it is made up to fit the policies."""

    @property
    def kind(self) -> str:
        """Such as `deny → allow`."""
        return f"{self.old.effect.value} → {self.new.effect.value}"


class Doubt(msgspec.Struct, frozen=True):
    """What nobody can say."""

    policy: str
    reason: str


class Differences(msgspec.Struct, frozen=True):
    """What an edit does, as far as it is known."""

    changes: tuple[Change, ...]
    widened: tuple[Finding, ...]
    narrowed: tuple[Finding, ...]
    doubts: tuple[Doubt, ...]

    @property
    def answer(self) -> str:
        """One of three."""
        return "newly allowed" if self.widened else "inconclusive" if self.doubts else "nothing newly allowed"


def differences(
    old: Sequence[Policy],
    new: Sequence[Policy],
    schemas: Mapping[str, bytes] | None = None,
    *,
    seconds: float = 60.0,
    progress: Progress = lambda _done, _total, _what: None,
) -> Differences:
    """What the new set newly allows, and newly denies."""
    changes = changes_between(old, new)
    if not changes:
        return Differences((), (), (), ())
    until = time.monotonic() + seconds
    search = _Search(old, new, changes, schemas or {}, until)
    widened, doubts = search.run(progress, 0)
    back = _Search(new, old, changes, schemas or {}, until)
    swapped, more = back.run(progress, 1)
    narrowed = tuple(msgspec.structs.replace(one, old=one.new, new=one.old) for one in swapped)
    return Differences(changes, tuple(widened), narrowed, tuple(dict.fromkeys((*doubts, *more))))


def changes_between(old: Sequence[Policy], new: Sequence[Policy]) -> tuple[Change, ...]:
    """The policies that differ in what they do; reasons, comments and order do nothing."""
    before, after = {p.id: p for p in old}, {p.id: p for p in new}
    found = []
    for name in sorted(before.keys() | after.keys()):
        if name not in after:
            found.append(Change(name, "removed"))
        elif name not in before:
            found.append(Change(name, "added"))
        elif _essence(before[name]) != _essence(after[name]):
            found.append(Change(name, "edited"))
    return tuple(found)


def _essence(policy: Policy) -> Any:
    return {part: policy.tree.get(part) for part in _PARTS}, policy.terms


class _Corner(NamedTuple):
    """One world, ready to be asked."""

    place: Place
    world: World
    solver: Any
    kinds: list[tuple[str, Any]]


class _Search:
    """In one direction: from `old` to a more lenient `new`."""

    def __init__(
        self,
        old: Sequence[Policy],
        new: Sequence[Policy],
        changes: Sequence[Change],
        schemas: Mapping[str, bytes],
        until: float,
    ) -> None:
        self._old, self._new, self._changes, self._until = old, new, changes, until
        self._before, self._after = PolicyEngine(old), PolicyEngine(new)
        counted = [policy for policy in (*old, *new) if not policy.terms.is_shadow]
        self._words: Words = words_of(counted)
        self._readers = [policy for policy in counted if policy.reads]
        self._places = places(counted, schemas)
        self._doubts: list[Doubt] = []
        self._found: list[Finding] = []

    def run(self, progress: Progress, turn: int) -> tuple[list[Finding], list[Doubt]]:
        total = 2 * len(self._places)
        for number, place in enumerate(self._places):
            progress(turn * len(self._places) + number, total, str(place.setting))
            if place.outside:
                self._doubts += [Doubt(name, place.outside) for name in self._touched(place)]
            else:
                self._look(place)
        return self._found, list(dict.fromkeys(self._doubts))

    def _touched(self, place: Place) -> list[str]:
        changed = [change.policy for change in self._changes]
        return [name for name in changed if name in place.policies] or changed

    def _look(self, place: Place) -> None:
        world = self._world(place)
        schema = place.setting.schema
        try:
            old = Answered(self._old, world, misfits(self._old, schema))
            new = Answered(self._new, world, misfits(self._new, schema))
        except Outside as outside:
            self._doubts += [Doubt(change.policy, str(outside)) for change in self._changes]
            return
        solver = z3.Solver()
        solver.set("timeout", _CHECK_MS)
        solver.add(*world.limits)
        kinds = list(_kinds(old, new))
        for change in self._changes:
            mine = _differs(old.parts.get(change.policy), new.parts.get(change.policy))
            if place.setting.unknown and any(one.policy == change.policy for one in self._found):
                continue  # the same edit, shown already with a tool that can be judged
            self._of_change(change, _Corner(place, world, solver, kinds), mine)
            self._say_outside(change, old, new)

    def _say_outside(self, change: Change, old: Answered, new: Answered) -> None:
        for answered in (old, new):
            part = answered.parts.get(change.policy)
            if part is not None and part.outside:
                self._doubts.append(Doubt(change.policy, f"its condition has {part.outside}"))

    def _world(self, place: Place) -> World:
        schema = place.setting.schema
        record = None if schema is None else record_of(schema, Reads(everything=True))
        read = {name for policy in self._readers for name in policy.reads.names}
        if record is None:
            return World(place.setting, self._words, None, ())
        numbers = {name for name, (kind, _) in record.members.items() if kind.name in ("Long", "decimal")}
        return World(place.setting, self._words, record, sorted((read & numbers) | (read - record.members.keys())))

    def _of_change(self, change: Change, corner: _Corner, mine: Any) -> None:
        place, _, solver, kinds = corner
        solver.push()
        solver.add(mine)
        if self._is_possible(solver, [z3.Or(*(formula for _, formula in kinds))], change, place):
            for kind, formula in kinds:
                if self._is_possible(solver, [formula], change, place):
                    self._take(change, corner, kind, formula)
        solver.pop()

    def _is_possible(self, solver: Any, formulas: list[Any], change: Change, place: Place) -> bool:
        if time.monotonic() > self._until:
            self._doubts.append(Doubt(change.policy, "the time was over before everything was looked at"))
            return False
        answer = solver.check(*formulas)
        if answer == z3.unknown:
            self._doubts.append(Doubt(change.policy, f"the solver came to no end about {place.setting}"))
        return bool(answer == z3.sat)

    def _take(self, change: Change, corner: _Corner, name: str, formula: Any) -> None:
        place, world, solver, _ = corner
        plain = solver.model()
        for model in (self._readable(solver, formula, world, plain), plain):
            finding = self._finding(change, place, world, model)
            if finding is not None and (name in {finding.kind, "weaker"}):
                self._found.append(finding)
                return
        self._doubts.append(Doubt(change.policy, f"the engine does not confirm {name}, {place.setting}"))

    def _readable(self, solver: Any, formula: Any, world: World, model: Any) -> Any:
        """A model that says no more than it must."""
        solver.push()
        solver.add(formula)
        solver.set("timeout", _WISH_MS)
        for wish in world.wishes:
            if time.monotonic() > self._until:
                break
            if not z3.is_true(model.eval(wish, model_completion=True)):
                if solver.check(wish) != z3.sat:
                    continue
                model = solver.model()
            solver.add(wish)
        solver.set("timeout", _CHECK_MS)
        solver.pop()
        return model

    def _finding(self, change: Change, place: Place, world: World, model: Any) -> Finding | None:
        try:
            question = world.question(model)
        except (Outside, ValueError):
            return None
        schema = place.setting.schema
        raw = None if schema is None else msgspec.json.encode(schema)
        old, new = self._before.decide(question, raw), self._after.decide(question, raw)
        if not _is_wider(old, new):
            return None
        return Finding(
            policy=change.policy,
            how=change.how,
            place=str(place.setting),
            old=old,
            new=new,
            question=question,
            schema=schema,
            is_guess=place.setting.is_guess,
        )


def _is_wider(old: Verdict, new: Verdict) -> bool:
    """What the engines say, whatever the formulas meant."""
    before, after = EFFECTS.index(old.effect), EFFECTS.index(new.effect)
    return after > before or (after == before and _demands_less(old, new))


def _demands_less(old: Verdict, new: Verdict) -> bool:
    """Whether fewer or lesser people may approve, or have longer to, or less is replaced."""
    before, after = (_demands(verdict) for verdict in (old, new))
    return any(one < other for one, other in zip(after[:3], before[:3], strict=True)) or not before[3] <= after[3]


def _demands(verdict: Verdict) -> tuple[int, int, int, frozenset[str]]:
    asks = [one for one in verdict.obligations if one.effect is Effect.ASK]
    classes = frozenset(name for one in verdict.obligations for name in one.classes)
    if not asks:
        return 0, 0, 0, classes
    roles, quorums = (ROLES.index(one.role) for one in asks), (one.quorum for one in asks)
    return max(roles), max(quorums), -min(one.expires for one in asks), classes


def _kinds(old: Answered, new: Answered) -> Iterator[tuple[str, Any]]:
    for at, before in enumerate(EFFECTS):
        for after in EFFECTS[at + 1 :]:
            yield f"{before.value} → {after.value}", z3.And(old.effects[before], new.effects[after])
    yield "weaker", weaker(old, new)


def _differs(old: Part | None, new: Part | None) -> Any:
    """Whether a policy has another part in the two answers."""
    before, after = (old.word if old else (FALSE,) * 3), (new.word if new else (FALSE,) * 3)
    ways = [one != other for one, other in zip(before, after, strict=True)]
    if old and new and (old.policy.terms, old.policy.is_forbid) != (new.policy.terms, new.policy.is_forbid):
        ways.append(z3.And(old.holds, new.holds))
    return z3.Or(*ways)


__all__ = ["Change", "Differences", "Doubt", "Finding", "changes_between", "differences"]
