"""A checked query without what depends on when and where it runs: `now()` is a moment, every time is one in UTC.

Pure. After this a time is `moment(microseconds)`, a date a CAST of its text, `contains_any` an OR of `contains`, the
place of NULL in an order is said, and nothing else of the query has changed.
"""

from __future__ import annotations

import datetime
from typing import Any

from sqlglot import exp

from watchkeeper.core.clock import from_iso
from watchkeeper.core.errors import Invalid
from watchkeeper.events.lake.sql.checking import refused
from watchkeeper.events.lake.sql.grammar import COMPARISONS
from watchkeeper.events.lake.sql.model import FIRST, LAST

MOMENT = "moment"


def normalise(tree: Any, now: int) -> Any:
    """The tree with every time in it fixed. Raises `Invalid` for a text that is no time."""
    for node in list(tree.walk()):
        node.comments = None
        if type(node) in (*COMPARISONS, exp.Between, exp.In):
            _read_texts(node)
    return tree.transform(_fixed, now)


def moment(microseconds: int) -> Any:
    """A time as a node."""
    return exp.Anonymous(this=MOMENT, expressions=[exp.Literal.number(min(max(microseconds, FIRST), LAST))])


def date(days: int) -> Any:
    """A day as a node."""
    text = (datetime.date(1970, 1, 1) + datetime.timedelta(days=days)).isoformat()
    return exp.cast(exp.Literal.string(text), "date")


def _read_texts(node: Any) -> None:
    """`time >= '2026-11-22'` as everybody means it."""
    parts = list(node.iter_expressions())
    names = {part.name for part in parts if type(part) is exp.Column}
    for part in parts:
        if type(part) is not exp.Literal or not part.is_string:
            continue
        if "time" in names:
            part.replace(moment(_microseconds(part)))
        elif "day" in names:
            part.replace(_date(part))


def _fixed(node: Any, now: int) -> Any:
    kind = type(node)
    if kind is exp.CurrentTimestamp or (kind is exp.Anonymous and str(node.this).lower() == "now"):
        return moment(now)
    if kind is exp.Cast:
        return _date(node.this) if node.args["to"].this is exp.DType.DATE else moment(_microseconds(node.this))
    if kind is exp.Anonymous and str(node.this).lower() == "contains_any":
        hay, needles = node.expressions
        return _any_of(hay, needles.expressions)
    if kind is exp.Ordered:
        node.set("nulls_first", bool(node.args.get("nulls_first")))
    return node


def _any_of(hay: Any, needles: list[Any]) -> Any:
    if not needles:
        return exp.false()
    return exp.paren(exp.or_(*(exp.Contains(this=hay.copy(), expression=one.copy()) for one in needles), wrap=False))


def _microseconds(text: Any) -> int:
    try:
        return from_iso(text.this)
    except Invalid as error:
        raise refused(text, f"{text.this!r} is no time", "write it as 2026-11-22T16:54:53Z") from error


def _date(text: Any) -> Any:
    try:
        return exp.cast(exp.Literal.string(datetime.date.fromisoformat(text.this).isoformat()), "date")
    except ValueError as error:
        raise refused(text, f"{text.this!r} is no date", "write it as 2026-11-22") from error
