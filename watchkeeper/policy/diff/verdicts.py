"""A set of policies as formulas: who speaks, what is answered, how much an answer demands. The twin of `policy.asking`.

Whatever is changed there has to be changed here; the tests hold the two against each other.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from typing import Any

import z3

from watchkeeper.policy.annotations import ROLES
from watchkeeper.policy.diff import symbols
from watchkeeper.policy.diff.expressions import condition
from watchkeeper.policy.diff.symbols import FALSE, TRUE, Entity, Outside
from watchkeeper.policy.diff.worlds import World
from watchkeeper.policy.model import Effect
from watchkeeper.policy.slices import REVEAL, names
from watchkeeper.policy.sources import Policy

EFFECTS = (Effect.DENY, Effect.ASK, Effect.MODIFY, Effect.ALLOW)
"""From the strictest to the most lenient."""


class Part:
    """One policy in one world."""

    def __init__(self, policy: Policy, world: World, misfits: Collection[str]) -> None:
        self.policy = policy
        self.covers = scope(policy, world)
        self.outside = ""
        self.holds, self.errs = FALSE, FALSE
        is_read = bool(policy.reads) and world.setting.action == "call_tool"
        self.refuses = FALSE
        if is_read and (policy.id in misfits or world.setting.unknown):
            self.refuses = self.covers
            return
        if is_read:
            odd = [
                formula for name, formula in world.odd.items() if policy.reads.everything or name in policy.reads.names
            ]
            self.refuses = z3.And(self.covers, z3.Or(world.broken, *odd))
        if z3.is_false(z3.simplify(self.covers)):
            return  # its condition may speak of what there is not here
        try:
            if world.opaque and is_read and (policy.reads.everything or world.opaque & policy.reads.names):
                raise Outside("sets of records or of sets")
            holds, errs = condition(policy.tree, world)
        except Outside as outside:
            if not _is_possible(world, self.covers):
                return  # it has no part here
            self.outside = str(outside)
            holds = z3.Bool(f"unknown {policy.id} {policy.tree}")
            errs = FALSE
        self.holds = z3.And(self.covers, holds)
        self.errs = z3.And(self.covers, errs)

    @property
    def word(self) -> tuple[Any, Any, Any]:
        """All that an answer takes from it."""
        return self.holds, self.errs, self.refuses


class Answered:
    """What a set answers in one world."""

    def __init__(self, policies: Sequence[Policy], world: World, misfits: Collection[str]) -> None:
        self.parts = {p.id: Part(p, world, misfits) for p in policies if not p.terms.is_shadow}
        parts = list(self.parts.values())
        permit = z3.Or(*(part.holds for part in parts if not part.policy.is_forbid))
        hard = [part.holds for part in parts if part.policy.is_forbid and not part.policy.terms.obligation]
        stop = z3.Or(*(z3.Or(part.errs, part.refuses) for part in parts), *hard)
        soft = [part for part in parts if part.policy.terms.obligation]
        asks = z3.Or(
            *(p.holds for p in soft if p.policy.terms.obligation and p.policy.terms.obligation.effect is Effect.ASK)
        )
        changes = z3.Or(*(part.holds for part in soft))
        deny = z3.Or(stop, z3.Not(permit))
        self.effects: Mapping[Effect, Any] = {
            Effect.DENY: deny,
            Effect.ASK: z3.And(z3.Not(deny), asks),
            Effect.MODIFY: z3.And(z3.Not(deny), z3.Not(asks), changes),
            Effect.ALLOW: z3.And(z3.Not(deny), z3.Not(changes)),
        }
        self._soft = soft

    def most(self, member: str) -> Any:
        """The greatest quorum or role that is demanded."""
        found: Any = z3.IntVal(0)
        for part in self._soft:
            obligation = part.policy.terms.obligation
            if obligation is not None and obligation.effect is Effect.ASK:
                value = ROLES.index(obligation.role) + 1 if member == "role" else int(obligation.quorum)
                found = z3.If(z3.And(part.holds, found < value), z3.IntVal(value), found)
        return found

    def soonest(self) -> Any:
        """When a request is void at the earliest."""
        found: Any = z3.IntVal(2**31)
        for part in self._soft:
            obligation = part.policy.terms.obligation
            if obligation is not None and obligation.effect is Effect.ASK:
                found = z3.If(z3.And(part.holds, found > obligation.expires), z3.IntVal(obligation.expires), found)
        return found

    def replaces(self, name: str) -> Any:
        """Whether a class of text is replaced."""
        return z3.Or(
            *(p.holds for p in self._soft if p.policy.terms.obligation and name in p.policy.terms.obligation.classes)
        )

    @property
    def classes(self) -> set[str]:
        """Every class that some policy has replaced."""
        return {name for p in self._soft if p.policy.terms.obligation for name in p.policy.terms.obligation.classes}


def _is_possible(world: World, formula: Any) -> bool:
    solver = z3.Solver()
    solver.set("timeout", 2_000)
    return bool(solver.check(*world.limits, formula) != z3.unsat)


def scope(policy: Policy, world: World) -> Any:
    """Whether a policy's scope covers the question."""
    action = world.variables["action"]
    if world.setting.action == REVEAL and not policy.is_forbid and not names(policy, REVEAL):
        return FALSE
    places = (("principal", world.principal), ("action", action), ("resource", world.resource))
    return z3.And(*(_scoped(policy.tree[place], one, world) for place, one in places if isinstance(one, Entity)))


def _scoped(tree: dict[str, Any], one: Entity, world: World) -> Any:
    match tree:
        case {"op": "==", "entity": named}:
            return symbols.same(one, _entity(named))
        case {"op": "in", "entity": named}:
            return world.is_in(one, _entity(named))
        case {"op": "in", "entities": several}:
            return z3.Or(*(world.is_in(one, _entity(named)) for named in several))
        case {"op": "is", "entity_type": kind, "in": {"entity": named}}:
            return world.is_in(one, _entity(named)) if kind == one.kind else FALSE
        case {"op": "is", "entity_type": kind, **rest} if not rest:
            return TRUE if kind == one.kind else FALSE
    return TRUE


def _entity(named: dict[str, Any]) -> Entity:
    inner = named.get("__entity", named)
    return symbols.entity(inner["type"], inner["id"])


def weaker(old: Answered, new: Answered) -> Any:
    """Both ask or both change, and the new one demands less."""
    asks = z3.And(old.effects[Effect.ASK], new.effects[Effect.ASK])
    less = z3.Or(
        new.most("quorum") < old.most("quorum"), new.most("role") < old.most("role"), new.soonest() > old.soonest()
    )
    both = z3.Or(asks, z3.And(old.effects[Effect.MODIFY], new.effects[Effect.MODIFY]))
    fewer = z3.Or(*(z3.And(old.replaces(name), z3.Not(new.replaces(name))) for name in sorted(old.classes)))
    return z3.Or(z3.And(asks, less), z3.And(both, fewer))
