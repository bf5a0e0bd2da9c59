"""What must be there before a condition can be true: a set of atoms, one of which every matching record has. Pure.

Of an *and* the cheapest branch is enough, of an *or* every branch gives its part; a *not* gives nothing, except that
what is not absent is there. Whoever asks says what an atom costs: how often it is there although the rule does not
match.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from enum import IntEnum
from typing import NamedTuple

from watchkeeper.detect.conditions.expressions import literals_of
from watchkeeper.detect.conditions.model import And, Comparison, Condition, Literal, Not, Operator


class How(IntEnum):
    """How an atom is there."""

    EXACT = 0
    """A value of the field is this text."""
    TAIL = 1
    """A value ends with this: a separator of paths and a name."""
    PART = 2
    """A value holds this text."""
    PRESENT = 3
    """The field has any value."""


class Atom(NamedTuple):
    """Something of a record that an index can find; the text is case-folded."""

    field: str
    """Empty: any text of the record."""
    how: How
    text: str = ""


Clause = frozenset[Atom]
"""One of these atoms is there. Of an empty clause none is: the condition is never true."""
Cost = Callable[[Atom], float]

_SEPARATORS = "\\/"


def need_of(condition: Condition, cost: Cost) -> Clause | None:
    """The cheapest clause that the condition needs; `None` when it can be true of a record that has nothing."""
    return _need(condition, True, lambda clause: sum(map(cost, clause)))


def _need(condition: Condition, wanted: bool, cost: Callable[[Clause], float]) -> Clause | None:
    """The clause of the condition, or of its opposite."""
    if isinstance(condition, Not):
        return _need(condition.arg, not wanted, cost)
    if isinstance(condition, Comparison):
        return _cheapest(_of_comparison(condition) if wanted else _of_opposite(condition), cost)
    parts = (_need(arg, wanted, cost) for arg in condition.args)
    if isinstance(condition, And) is wanted:
        return _cheapest((part for part in parts if part is not None), cost)
    return _union(parts)


def _cheapest(clauses: Iterable[Clause], cost: Callable[[Clause], float]) -> Clause | None:
    return min(clauses, key=cost, default=None)


def _union(clauses: Iterable[Clause | None]) -> Clause | None:
    atoms: set[Atom] = set()
    for clause in clauses:
        if clause is None:
            return None
        atoms |= clause
    return frozenset(atoms)


def _of_opposite(said: Comparison) -> Iterator[Clause]:
    if said.operator is Operator.ABSENT and said.field:
        yield frozenset({Atom(said.field, How.PRESENT)})


def _of_comparison(said: Comparison) -> Iterator[Clause]:
    """The clauses of one comparison: each of them is needed."""
    if said.operator is Operator.ABSENT or (said.operator is Operator.EXISTS and not said.field):
        return
    if said.operator is Operator.REGEX:
        for texts in literals_of(str(said.value), said.flags):
            yield frozenset(Atom(said.field, How.PART, text) for text in texts)
    elif said.operator is Operator.LIKE:
        for part in said.parts:
            if isinstance(part, Literal) and part.text:
                yield _one(said, How.PART, part.text)
    elif said.operator in _TEXTUAL and isinstance(said.value, str) and said.value:
        yield _one(said, How.TAIL if _is_tail(said) else _TEXTUAL[said.operator], said.value)
        return
    elif said.operator is Operator.EQUALS and not said.part and said.field and said.value is not None:
        yield frozenset(Atom(said.field, How.EXACT, text) for text in _spellings(said.value))
        return
    if said.field:
        yield frozenset({Atom(said.field, How.PRESENT)})


def _one(said: Comparison, how: How, text: str) -> Clause:
    # a whole text of a record is part of a record's texts
    return frozenset({Atom(said.field, how if said.field else How.PART, text.casefold())})


_TEXTUAL = {
    Operator.EQUALS: How.EXACT,
    Operator.CONTAINS: How.PART,
    Operator.STARTS_WITH: How.PART,
    Operator.ENDS_WITH: How.PART,
}


def _is_tail(said: Comparison) -> bool:
    text = str(said.value)
    is_tail = said.operator is Operator.ENDS_WITH and bool(said.field) and text[0] in _SEPARATORS
    return is_tail and not any(separator in text[1:] for separator in _SEPARATORS)


def tail_of(text: str) -> str:
    """The last name of a path with the separator before it; empty where there is no separator."""
    at = max(text.rfind("\\"), text.rfind("/"))
    return text[at:] if at >= 0 else ""


def _spellings(value: str | int | float | bool | None) -> set[str]:
    """The texts that say this value; of the empty text none, since an empty text is nothing."""
    if isinstance(value, bool):
        return {"true" if value else "false"}
    if isinstance(value, (int, float)):
        return spellings(value)
    return set()


def spellings(number: float) -> set[str]:
    """The texts that say this number: a whole one may be written with and without its fraction."""
    texts = {str(number).casefold()}
    if isinstance(number, float) and number.is_integer():
        texts.add(str(int(number)))
    return texts
