"""The arguments of a call as formulas, by the tool's schema; and a model of them as JSON again.

Left open is what the schema says beyond types, bounds and enumerations (patterns, formats): too much is allowed, so
that nothing is overlooked; whether a found call fits its schema is for the engine to say.
"""

from __future__ import annotations

from collections.abc import Sequence
from decimal import Decimal
from typing import Any

import z3

from watchkeeper.policy.diff import symbols
from watchkeeper.policy.diff.symbols import TRUE, Fields, Members, Outside, Scalar, Symbol
from watchkeeper.policy.types import CedarType

_SORTS = {"String": z3.StringSort, "Long": z3.IntSort, "decimal": z3.IntSort, "Bool": z3.BoolSort}
_BOUND = 2**63
MOST_CELLS = 48


class Literals:
    """What the policies compare with: whatever else is in a set is as good as anything else."""

    def __init__(self, texts: Sequence[str], numbers: Sequence[int], others: int) -> None:
        self.texts = tuple(texts)
        self.numbers = tuple(numbers)
        self.others = others
        """How many elements beside the literals may matter."""


class Inputs:
    """Variables for one record of arguments."""

    def __init__(self, kind: CedarType, schema: dict[str, Any], literals: Literals) -> None:
        self._literals = literals
        self.limits: list[Any] = []
        """What the schema says of them."""
        self.wishes: list[Any] = []
        """What makes a call easier to read, the most wanted first."""
        self.record = self._record(kind, schema, "argument")

    def _record(self, kind: CedarType, schema: dict[str, Any], path: str) -> Fields:
        members: dict[str, tuple[Any, Symbol]] = {}
        for name, (inner, is_required) in kind.members.items():
            where = f"{path}.{name}"
            there = TRUE if is_required else z3.Bool(f"{where}?")
            if not is_required:
                self.wishes.append(z3.Not(there))
            below = schema.get("properties", {}).get(name)
            members[name] = (there, self._value(inner, below if isinstance(below, dict) else {}, where))
        return Fields(members)

    def _value(self, kind: CedarType, schema: dict[str, Any], path: str) -> Symbol:
        if kind.name == "Record":
            return self._record(kind, schema, path)
        if kind.name == "Set" and kind.item is not None:
            return self._set(kind.item, path)
        term = z3.Const(path, _SORTS[kind.name]())
        if kind.name in ("Long", "decimal"):
            self.limits += [term > -_BOUND, term < _BOUND]
            self.wishes += [term >= 0, term <= 10_000_000]
        if kind.name == "decimal":
            self.wishes += [term % 10_000 == 0, term % 100 == 0]
        if kind.name == "String":
            self.wishes += [z3.InRe(term, z3.Star(z3.Range(" ", "~"))), z3.Length(term) >= 1]
        self._limit(kind, schema, term)
        return Scalar(kind.name, term)

    def _limit(self, kind: CedarType, schema: dict[str, Any], term: Any) -> None:
        values = schema.get("enum", [schema["const"]] if "const" in schema else None)
        if values is not None:
            said = [self._literal(kind, value) for value in values]
            self.limits.append(z3.Or(*(term == one for one in said if one is not None)))
        if kind.name in ("Long", "decimal"):
            bounds = {
                "minimum": "__ge__",
                "maximum": "__le__",
                "exclusiveMinimum": "__gt__",
                "exclusiveMaximum": "__lt__",
            }
            for word, operator in bounds.items():
                bound = schema.get(word)
                if isinstance(bound, int | float) and not isinstance(bound, bool):
                    scaled = Decimal(str(bound)) * (10_000 if kind.name == "decimal" else 1)
                    self.limits.append(getattr(z3.ToReal(term), operator)(z3.RealVal(str(scaled))))
        if kind.name == "String":
            if isinstance(least := schema.get("minLength"), int):
                self.limits.append(z3.Length(term) >= least)
            if isinstance(most := schema.get("maxLength"), int):
                self.limits.append(z3.Length(term) <= most)

    @staticmethod
    def _literal(kind: CedarType, value: Any) -> Any:
        if kind.name == "String" and isinstance(value, str):
            return symbols.text(value)
        if kind.name == "Long" and isinstance(value, int) and not isinstance(value, bool):
            return z3.IntVal(value)
        return None

    def _set(self, item: CedarType, path: str) -> Symbol:
        known: list[Any] = []
        if item.name == "String":
            known = [symbols.text(value) for value in self._literals.texts]
        elif item.name == "Long":
            known = [z3.IntVal(value) for value in self._literals.numbers]
        elif item.name == "Bool":
            known = [z3.BoolVal(True), z3.BoolVal(False)]
        elif item.name != "decimal":
            return Members(())  # `Unsure` below: policies about such sets are outside
        free = [z3.Const(f"{path}[{n}]", _SORTS[item.name]()) for n in range(self._literals.others)]
        if len(known) + len(free) > MOST_CELLS:
            raise Outside(f"sets with more than {MOST_CELLS} different elements")
        guards = [z3.Bool(f"{path}[{n}]?") for n in range(len(known) + len(free))]
        self.wishes += [z3.Not(z3.Or(*guards)), *(z3.Not(guard) for guard in guards)]
        if item.name == "String":
            self.wishes += [z3.InRe(one, z3.Plus(z3.Range("a", "z"))) for one in free]
        if item.name in ("Long", "decimal"):
            self.limits += [z3.And(one > -_BOUND, one < _BOUND) for one in free]
        values = [Scalar(item.name, term) for term in (*known, *free)]
        return Members(tuple(zip(guards, values, strict=True)))


def is_opaque(kind: CedarType) -> bool:
    """Whether somewhere in it is a set whose elements have no formula."""
    if kind.name == "Set" and kind.item is not None:
        return kind.item.name in ("Set", "Record")
    return any(is_opaque(inner) for inner, _ in kind.members.values())


def concrete(model: Any, symbol: Symbol) -> Any:
    """The JSON value that a model gives to a symbol."""
    if isinstance(symbol, Fields):
        shown = {name: value for name, (there, value) in symbol.members.items() if holds(model, there)}
        return {name: concrete(model, value) for name, value in shown.items()}
    if isinstance(symbol, Members):
        found = [concrete(model, value) for guard, value in symbol.cells if holds(model, guard)]
        return [value for at, value in enumerate(found) if value not in found[:at]]
    if isinstance(symbol, Scalar):
        return _json(symbol.kind, model.eval(symbol.term, model_completion=True))
    raise Outside("an entity among the arguments")


def holds(model: Any, formula: Any) -> bool:
    """Whether a model makes a formula true; what it leaves open is false."""
    return bool(z3.is_true(model.eval(formula, model_completion=True)))


def _json(kind: str, term: Any) -> Any:
    if kind == "Bool":
        return bool(z3.is_true(term))
    if kind == "String":
        return unescaped(term)
    number = int(term.as_long())
    if kind == "Long":
        return number
    return number // 10_000 if number % 10_000 == 0 else float(Decimal(number) / 10_000)


def unescaped(term: Any) -> str:
    """The text that a string of z3 stands for."""
    return "".join(chr(code) for code in _codes(term.as_string()))


def _codes(shown: str) -> list[int]:
    """`as_string` writes what is not plain as `\\u{hex}`."""
    found: list[int] = []
    at = 0
    while at < len(shown):
        end = shown.find("}", at)
        if shown.startswith("\\u{", at) and end > 0:
            found.append(int(shown[at + 3 : end], 16))
            at = end + 1
        else:
            found.append(ord(shown[at]))
            at += 1
    return found
