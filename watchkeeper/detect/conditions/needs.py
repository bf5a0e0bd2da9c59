"""What must be there before a condition can be true: a set of atoms, one of which every matching record has. Pure.

Of an *and* the cheapest branch is enough, of an *or* every branch gives its part; a *not* gives nothing, except that
what is not absent is there. All that could be chosen is found once; whoever asks says what a clause costs.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from enum import IntEnum
from typing import NamedTuple

import msgspec

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


class Atom(msgspec.Struct, frozen=True, gc=False, cache_hash=True):
    """Something of a record that an index can find; the text is case-folded."""

    field: str
    """Empty: any text of the record."""
    how: How
    text: str = ""


Clause = frozenset[Atom]
"""One of these atoms is there. Of an empty clause none is: the condition is never true."""
Cost = Callable[[Clause], float]
_SEPARATORS = "\\/"


class Some(NamedTuple):
    """One of the atoms is there, or one of the parts is as it must be."""

    clause: Clause
    parts: tuple[Every, ...]


class Every(NamedTuple):
    """All of this is so. When it is empty, nothing is needed."""

    clauses: tuple[Clause, ...] = ()
    parts: tuple[Some, ...] = ()


def needs_of(condition: Condition, wanted: bool = True) -> Every:
    """All that the condition needs, or its opposite."""
    if isinstance(condition, Not):
        return needs_of(condition.arg, not wanted)
    if isinstance(condition, Comparison):
        return Every(tuple(_of_comparison(condition) if wanted else _of_opposite(condition)))
    needs = [needs_of(arg, wanted) for arg in condition.args]
    if isinstance(condition, And) is wanted:
        clauses = tuple(clause for need in needs for clause in need.clauses)
        return Every(clauses, tuple(part for need in needs for part in need.parts))
    return _any_of(needs)


def _any_of(needs: list[Every]) -> Every:
    if Every() in needs:
        return Every()
    plain = [need.clauses[0] for need in needs if len(need.clauses) == 1 and not need.parts]
    clause = frozenset().union(*plain)
    others = tuple(need for need in needs if len(need.clauses) != 1 or need.parts)
    return Every(parts=(Some(clause, others),)) if others else Every((clause,))


def cheapest(need: Every, cost: Cost) -> Clause | None:
    """The cheapest clause that stands for a need; `None` when nothing is needed."""
    clauses = [*need.clauses, *(_joined(part, cost) for part in need.parts)]
    return min(clauses, key=cost, default=None)


def _joined(need: Some, cost: Cost) -> Clause:
    # what stands in an *or* never is empty
    return need.clause.union(*(cheapest(part, cost) or () for part in need.parts))


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
