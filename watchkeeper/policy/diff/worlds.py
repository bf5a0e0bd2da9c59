"""A kind of question as formulas: the action and what its resource is are fixed, all else is open.

There are few of them, so each is looked at on its own. Closed under what policies can compare: of any set of questions
that they tell apart, one is here (see `Literals`).
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

import msgspec
import z3

from watchkeeper.policy.diff import symbols
from watchkeeper.policy.diff.inputs import Inputs, Literals, concrete, holds, is_opaque, unescaped
from watchkeeper.policy.diff.symbols import FALSE, IN_SERVER, TRUE, Entity, Fields, Members, Outside, Scalar, Symbol
from watchkeeper.policy.model import PINS, Question
from watchkeeper.policy.reads import FACTS, THRESHOLD
from watchkeeper.policy.slices import ACTIONS, REVEAL
from watchkeeper.policy.types import CedarType

_SETS = tuple(fact for fact in FACTS if fact != "pin")
_PINNED = ("call_tool", "get_prompt", "read_resource")
BEYOND = 1e300
"""A number that Cedar cannot hold."""
RESERVED = "__entity"
"""A name that no argument may have where policies look at arguments."""


class Setting(msgspec.Struct, frozen=True):
    """Which world."""

    action: str
    kind: str
    """Of the resource."""
    tool: str = ""
    """`server/tool`, where it is about one."""
    others: tuple[str, ...] = ()
    """Tools it is not about."""
    schema: dict[str, Any] | None = None
    """Of the tool's input; None where nobody knows it, or no policy looks at arguments."""
    is_guess: bool = False
    unknown: bool = False
    """The tool was never listed: its arguments cannot be judged."""

    def __str__(self) -> str:
        what = f" {self.tool}" if self.tool else f" of a {self.kind.lower()}"
        return f"{self.action}{what}{', whose definition is not known' if self.unknown else ''}"


class Words(msgspec.Struct, frozen=True):
    """What the policies name."""

    groups: tuple[str, ...]
    agents: tuple[str, ...]
    texts: tuple[str, ...]
    numbers: tuple[int, ...]
    others: int
    """How many elements of a set beside the literals may matter."""
    fresh: str
    """A text that no policy names."""
    beside: dict[str, tuple[str, ...]]
    """Fact → the texts that may stand in it."""


class World:
    """The variables of one kind of question."""

    def __init__(self, setting: Setting, words: Words, record: CedarType | None, odd: Sequence[str]) -> None:
        self.setting = setting
        self._who, self._server, self._target = z3.String("principal"), z3.String("server"), z3.String("target")
        self._groups = {name: z3.Bool(f"group {name}") for name in words.groups}
        self._pin = z3.String("pin")
        self._facts = {fact: self._fact(fact, words) for fact in _SETS}
        literals = Literals(words.texts, words.numbers, words.others)
        self.inputs = Inputs(record or CedarType("Record"), setting.schema or {}, literals)
        self.odd = {name: z3.Bool(f"odd {name}") for name in odd}
        """Arguments given in a form that Cedar cannot hold."""
        self.broken = z3.Bool("broken")
        """The arguments are nothing that anybody could judge."""
        self.opaque = {name for name, (kind, _) in (record.members if record else {}).items() if is_opaque(kind)}
        """Arguments of which some part has no formula."""
        self.limits = self._limits(words)
        self.wishes = self._wishes(words)
        self.variables = self._variables()

    # what conditions and scopes ask

    def attribute(self, of: Entity, name: str) -> tuple[Any, Symbol | None]:
        """Whether an entity has an attribute, and its value."""
        names = of.name or ()
        shown = {"Agent": {"name": 0}, "Server": {"name": 0}, **{kind: {"name": 1, "server": 0} for kind in IN_SERVER}}
        at = shown.get(of.kind, {}).get(name)
        if at is None or len(names) <= at:
            return FALSE, None
        return TRUE, Scalar("String", names[at])

    def is_in(self, one: Entity, home: Symbol) -> Any:
        """The formula of `one in home`. Raises `Outside`."""
        if isinstance(home, Members):
            return z3.Or(*(z3.And(guard, self.is_in(one, value)) for guard, value in home.cells))
        if not isinstance(home, Entity):
            raise Outside("`in` no entity")
        if one.kind == "Action":
            return z3.BoolVal(_plain(home) in (_plain(one), *ACTIONS.get(_plain(one), ())) and home.kind == "Action")
        if one.kind == "Agent" and home.kind == "Group":
            if one.name is None or not one.name[0].eq(self._who):
                raise Outside("the groups of an agent that does not ask")
            return self._groups.get(_plain(home), FALSE)
        if one.kind in IN_SERVER and home.kind == "Server" and one.name and home.name:
            return one.name[0] == home.name[0]
        return symbols.same(one, home)

    # its variables

    @property
    def principal(self) -> Entity:
        return Entity("Agent", (self._who,))

    @property
    def resource(self) -> Entity:
        kind = self.setting.kind
        return Entity(kind, (self._server, self._target) if kind in IN_SERVER else (self._server,))

    def _variables(self) -> dict[str, Symbol]:
        context: dict[str, tuple[Any, Symbol]] = {fact: (TRUE, cells) for fact, cells in self._facts.items()}
        context["pin"] = (TRUE, Scalar("String", self._pin))
        if self.setting.action == "call_tool":
            context["arguments"] = (TRUE, self.inputs.record)
        action = Entity("Action", (symbols.text(self.setting.action),))
        return {"principal": self.principal, "action": action, "resource": self.resource, "context": Fields(context)}

    def _fact(self, fact: str, words: Words) -> Members:
        known = [symbols.text(value) for value in words.beside[fact]]
        free = [z3.String(f"{fact}[{n}]") for n in range(words.others)]
        if words.others == 1:  # it is compared with literals only, so that any other text will do
            free = [symbols.text(words.fresh)]
        guards = [z3.Bool(f"{fact} {n}?") for n in range(len(known) + len(free))]
        values = [Scalar("String", term) for term in (*known, *free)]
        return Members(tuple(zip(guards, values, strict=True)))

    def _limits(self, words: Words) -> list[Any]:
        limits = [
            z3.Or(*(self._pin == symbols.text(pin) for pin in PINS)),
            z3.Not(z3.Contains(self._server, symbols.text("/"))),
        ]
        if self.setting.action not in _PINNED:
            limits.append(self._pin == "none")
        if self.setting.action in ("receive", REVEAL) and self.setting.kind in IN_SERVER:
            limits.append(z3.Length(self._target) >= 1)
        if self.setting.tool:
            limits.append(symbols.same(self.resource, symbols.entity("Tool", self.setting.tool)))
        limits += [z3.Not(symbols.same(self.resource, symbols.entity("Tool", other))) for other in self.setting.others]
        limits += _steps(words.beside["counts"], self._facts["counts"])
        closed = (self.setting.schema or {}).get("additionalProperties") is False
        for name, is_odd in self.odd.items():
            there, _ = self.inputs.record.members.get(name, (z3.BoolVal(not closed), None))
            limits.append(z3.Implies(is_odd, there))
        return limits + self.inputs.limits

    def _wishes(self, words: Words) -> list[Any]:
        names = z3.Plus(z3.Union(z3.Range("a", "z"), z3.Range("0", "9"), z3.Re("_"), z3.Re("-")))
        wishes: list[Any] = [z3.Not(self.broken), *(z3.Not(one) for one in self.odd.values())]
        wishes += [z3.Not(z3.Or(*self._groups.values()))] if self._groups else []
        wishes += [z3.Not(one) for one in self._groups.values()]
        for cells in self._facts.values():
            wishes += [
                z3.Not(z3.Or(*(guard for guard, _ in cells.cells))),
                *(z3.Not(guard) for guard, _ in cells.cells),
            ]
            open_ones = [v.term for _, v in cells.cells if isinstance(v, Scalar) and not z3.is_string_value(v.term)]
            wishes += [z3.InRe(term, names) for term in open_ones]
        wishes += [self._who == symbols.text(agent) for agent in ("someone", *words.agents)]
        wishes += [self._pin == "approved", self._server == "anywhere", self._target == "anything"]
        wishes += [z3.InRe(one, names) for one in (self._who, self._server, self._target)]
        return wishes + self.inputs.wishes

    # a model as a question

    def question(self, model: Any) -> Question:
        """What a model asks. Raises `Outside`."""
        facts = {fact: tuple(sorted(concrete(model, cells))) for fact, cells in self._facts.items()}
        given = concrete(model, self.inputs.record) if self.setting.schema is not None else {}
        for name, is_odd in self.odd.items():
            if holds(model, is_odd):
                given[name] = BEYOND
        if holds(model, self.broken):
            given[RESERVED] = True
        return Question(
            principal=self._text(model, self._who),
            groups=tuple(sorted(name for name, inside in self._groups.items() if holds(model, inside))),
            action=self.setting.action,
            server=self._text(model, self._server),
            target=self._text(model, self._target) if self.setting.kind in IN_SERVER else "",
            pin=self._text(model, self._pin),
            arguments=json.dumps(given).encode() if given else b"",
            **facts,
        )

    @staticmethod
    def _text(model: Any, term: Any) -> str:
        return unescaped(model.eval(term, model_completion=True))


def _plain(entity: Entity) -> str:
    return unescaped(z3.simplify(entity.name[0])) if entity.name else ""


def _steps(texts: Sequence[str], cells: Members) -> list[Any]:
    """Who is over 50 is over 10."""
    found = {text: guard for text, (guard, _) in zip(texts, cells.cells, strict=False)}
    parts = {text: match for text in texts if (match := THRESHOLD.fullmatch(text))}
    return [
        z3.Implies(found[high], found[low])
        for high, a in parts.items()
        for low, b in parts.items()
        if a[1] == b[1] and int(a[2]) > int(b[2])
    ]
