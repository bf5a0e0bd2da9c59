"""Cedar values as formulas: scalars, entities, sets of guarded elements, records of guarded members."""

from __future__ import annotations

from typing import Any, NamedTuple, TypeAlias

import z3


class Outside(Exception):
    """A construct that has no formula; the message says which."""


class Scalar(NamedTuple):
    """`kind` is Bool, Long, decimal (in ten-thousandths) or String."""

    kind: str
    term: Any


class Entity(NamedTuple):
    """`name` holds the parts of its id: server and target of a tool, one of anything else; None is no such one."""

    kind: str
    name: tuple[Any, ...] | None


class Members(NamedTuple):
    """A set: whoever's guard holds is in it."""

    cells: tuple[tuple[Any, Symbol], ...]


class Fields(NamedTuple):
    """A record: name → whether it is there, and its value."""

    members: dict[str, tuple[Any, Symbol]]


Symbol: TypeAlias = Scalar | Entity | Members | Fields

TRUE, FALSE = z3.BoolVal(True), z3.BoolVal(False)
IN_SERVER = ("Tool", "Prompt", "Resource")


def text(value: str) -> Any:
    """A literal; what z3 would read as an escape is escaped."""
    plain = (c if " " <= c <= "~" and c != "\\" else f"\\u{{{ord(c):x}}}" for c in value)
    return z3.StringVal("".join(plain))


def entity(kind: str, name: str) -> Entity:
    """A literal entity. Servers have no slash in their names, so that a tool's id falls apart at its first one."""
    if kind not in IN_SERVER:
        return Entity(kind, (text(name),))
    server, slash, target = name.partition("/")
    return Entity(kind, (text(server), text(target)) if slash else None)


def same(a: Symbol, b: Symbol) -> Any:
    """The formula of `a == b`. Raises `Outside`."""
    if isinstance(a, Scalar) and isinstance(b, Scalar) and a.kind == b.kind:
        return a.term == b.term
    if isinstance(a, Entity) and isinstance(b, Entity):
        if a.kind != b.kind or a.name is None or b.name is None:
            return FALSE
        return z3.And(*(one == other for one, other in zip(a.name, b.name, strict=True)))
    if isinstance(a, Members) and isinstance(b, Members):
        return z3.And(covers(a, b), covers(b, a))
    if isinstance(a, Fields) and isinstance(b, Fields):
        return _same_fields(a, b)
    raise Outside("an equality of different types")


def _same_fields(a: Fields, b: Fields) -> Any:
    parts = []
    for name in sorted(a.members.keys() | b.members.keys()):
        if name not in a.members or name not in b.members:
            there, _ = a.members.get(name) or b.members[name]
            parts.append(z3.Not(there))
            continue
        (one, x), (other, y) = a.members[name], b.members[name]
        parts += [one == other, z3.Implies(one, same(x, y))]
    return z3.And(*parts)


def has(a: Members, one: Symbol) -> Any:
    """The formula of `a.contains(one)`."""
    return z3.Or(*(z3.And(guard, same(value, one)) for guard, value in a.cells))


def covers(a: Members, b: Members) -> Any:
    """The formula of `a.containsAll(b)`."""
    return z3.And(*(z3.Implies(guard, has(a, value)) for guard, value in b.cells))


def meets(a: Members, b: Members) -> Any:
    """The formula of `a.containsAny(b)`."""
    return z3.Or(*(z3.And(guard, has(a, value)) for guard, value in b.cells))
