"""A query as a condition over the lake's columns: a syntax tree, in which every value is a literal. Pure."""

from __future__ import annotations

from typing import Any

from sqlglot import exp

from watchkeeper.events.query import needles
from watchkeeper.events.query.fields import Field, field_of
from watchkeeper.events.query.model import All, AnyOf, Compare, Contains, Expr, Has, Is, Not

NULLABLE = frozenset({"method", "reason", "status", "duration_us", "arguments", "result"})
"""Columns that may be null; a null is made a plain no, so that NOT turns it round."""


def condition(where: Expr) -> Any:
    """The condition; never null."""
    match where:
        case All(parts):
            return exp.and_(*map(condition, parts)) if parts else exp.true()
        case AnyOf(parts):
            return exp.or_(*map(condition, parts)) if parts else exp.false()
        case Not(part):
            return exp.not_(exp.paren(condition(part)))
        case Contains(text):
            return contains_any(text)
        case Compare(name, sign, number):
            return _compared(_known(name), sign, number)
        case Has(name):
            return _present(_known(name))
        case Is(name, values):
            return exp.or_(*(_is(_known(name), value) for value in values))


def contains_any(text: str) -> Any:
    """Whether any searched column says this, letters of either case."""
    return exp.or_(
        *(
            call("contains", call("lower", column(name)), literal(needle))
            for name in needles.SEARCHED
            for needle in needles.spoken(text)
        )
    )


def column(name: str) -> Any:
    """A text column; null is the empty text."""
    plain = exp.column(name)
    return call("coalesce", plain, literal("")) if name in NULLABLE else plain


def call(name: str, *arguments: Any) -> Any:
    """A function of the lake's own engine, written as it is: sqlglot must not translate it."""
    return exp.Anonymous(this=name, expressions=list(arguments))


def literal(text: str) -> Any:
    return exp.Literal.string(text)


def matched(subject: Any, pattern: str) -> Any:
    """With a flag, because without one the engine turns simple patterns into LIKE and gets backslashes wrong."""
    return call("regexp_like", subject, literal(pattern), literal("s"))


def _known(name: str) -> Field:
    field = field_of(name)
    assert field is not None  # the reader of queries made this tree
    return field


def _is(field: Field, value: Any) -> Any:
    if field.type == "member":
        return matched(exp.column("body"), needles.member(field.column, value))
    if field.type == "list":
        if not value.is_wild:
            return call("array_has", exp.column(field.column), literal(value.text))
        between = call("array_to_string", exp.column(field.column), literal(needles.BETWEEN))
        return matched(between, needles.listed(value.text))
    if field.name == "kind":
        return matched(column("kind"), f"^(?:{needles.kind(value.text)})$")
    if value.is_wild:
        return matched(column(field.column), f"^(?:{needles.wildcard(value.text)})$")
    return column(field.column).eq(literal(value.text))


def _compared(field: Field, sign: str, number: int) -> Any:
    make = {"=": exp.EQ, "<": exp.LT, "<=": exp.LTE, ">": exp.GT, ">=": exp.GTE}[sign]
    compared = make(this=exp.column(field.column), expression=exp.Literal.number(number))
    return call("coalesce", compared, exp.false()) if field.column in NULLABLE else compared


def _present(field: Field) -> Any:
    if field.type == "member":
        return matched(exp.column("body"), needles.present(field.column))
    if field.type == "list":
        length = call("coalesce", call("array_length", exp.column(field.column)), exp.Literal.number(0))
        return exp.GT(this=length, expression=exp.Literal.number(0))
    if field.type == "text":
        return column(field.column).neq(literal(""))
    return exp.column(field.column).is_(exp.null()).not_()
