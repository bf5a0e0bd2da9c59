"""Which span of time each reference to `events` can need, read from the query's own conditions.

Pure, and careful in one direction only: a condition that is not understood narrows nothing. Conditions count where they
must hold for every row that is kept: the conjuncts of WHERE, and those of a join's ON for what that join brings in.
"""

from __future__ import annotations

import datetime
from collections.abc import Iterator
from typing import Any

from sqlglot import exp

from watchkeeper.core.clock import SECOND
from watchkeeper.events.lake.sql.model import TABLE, Range
from watchkeeper.events.lake.sql.normal import MOMENT

DAY = 86_400 * SECOND
_SECONDS = {"SECOND": 1, "MINUTE": 60, "HOUR": 3600, "DAY": 86_400, "WEEK": 604_800}
_TURNED = {exp.GT: exp.LT, exp.GTE: exp.LTE, exp.LT: exp.GT, exp.LTE: exp.GTE, exp.EQ: exp.EQ}


def references(tree: Any) -> list[Any]:
    """Every node that names the table `events`."""
    return [table for table in tree.find_all(exp.Table) if table.name == TABLE]


def range_of(table: Any) -> Range:
    """The span that the query itself asks of this reference."""
    holder = table.parent
    select = table.find_ancestor(exp.Select)
    name = table.alias or table.name
    is_alone = len(select.args.get("joins") or ()) == 0
    found = Range()
    conditions = [select.args["where"].this] if select.args.get("where") else []
    if type(holder) is exp.Join:
        conditions.append(holder.args["on"])
    for condition in conditions:
        for part in _conjuncts(condition):
            for narrower in _ranges(part, name, is_alone):
                found = found.within(narrower)
    return found


def _conjuncts(condition: Any) -> Iterator[Any]:
    waiting = [condition]
    while waiting:
        part = waiting.pop()
        if type(part) is exp.Paren:
            waiting.append(part.this)
        elif type(part) is exp.And:
            waiting += [part.this, part.expression]
        else:
            yield part


def _ranges(part: Any, name: str, is_alone: bool) -> Iterator[Range]:
    if type(part) is exp.Between and _is_mine(part.this, name, is_alone):
        yield _narrow(exp.GTE, part.this.name, part.args["low"])
        yield _narrow(exp.LTE, part.this.name, part.args["high"])
    elif type(part) in _TURNED:
        if _is_mine(part.this, name, is_alone):
            yield _narrow(type(part), part.this.name, part.expression)
        elif _is_mine(part.expression, name, is_alone):
            yield _narrow(_TURNED[type(part)], part.expression.name, part.this)


def _is_mine(node: Any, name: str, is_alone: bool) -> bool:
    if type(node) is not exp.Column or node.name not in ("time", "day"):
        return False
    return node.table == name if node.table else is_alone


def _narrow(kind: type[Any], column: str, value: Any) -> Range:
    begin = _constant(value)
    if begin is None:
        return Range()
    end = begin + (1 if column == "time" else DAY)  # the first moment that is later than all of the value
    return {
        exp.GTE: Range(since=begin),
        exp.GT: Range(since=end),
        exp.LT: Range(until=begin),
        exp.LTE: Range(until=end),
        exp.EQ: Range(begin, end),
    }[kind]


def _constant(node: Any) -> int | None:
    """The moment, or the first one of the day, that a node stands for."""
    if type(node) is exp.Paren:
        return _constant(node.this)
    if type(node) is exp.Anonymous and node.this == MOMENT:
        return int(node.expressions[0].this)
    if type(node) is exp.Cast and type(node.this) is exp.Literal:
        return (datetime.date.fromisoformat(node.this.this) - datetime.date(1970, 1, 1)).days * DAY
    if type(node) in (exp.Add, exp.Sub) and type(node.expression) is exp.Interval:
        base, interval = _constant(node.this), node.expression
        length = int(interval.this.this) * _SECONDS[interval.args["unit"].this] * SECOND
        return None if base is None else base + (length if type(node) is exp.Add else -length)
    return None
