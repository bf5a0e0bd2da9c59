"""Reading a query: one SELECT of the subset, every node of it known and judged. Denies on doubt.

Pure. In this order, each against what could come through otherwise:
1. Size and nesting are bounded before anything is parsed (a parser that runs out of stack or time).
2. Exactly one statement, and it reads (DDL, DML, settings, COPY, ATTACH; a second statement behind the first).
3. Parameters enter as literals of the tree (a value that is read as SQL).
4. Every node, and every member of it that is set, is in `grammar.NODES` (table functions, files, samples, hints).
5. What a listed node may hold is looked at (patterns, intervals, divisors): no value of a row can make it fail, so
   that no error tells of a row that the answer would not show.
Names, tables and joins are looked at in `naming`.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import sqlglot
from sqlglot import exp
from sqlglot.errors import ParseError, SqlglotError, TokenError
from sqlglot.tokenizer_core import Token, TokenType

from watchkeeper.core.errors import Invalid
from watchkeeper.events.lake.sql import patterns
from watchkeeper.events.lake.sql.grammar import (
    AGGREGATES,
    INSTEAD,
    NAMED,
    NODES,
    TRUNCATED,
    UNITS,
    WINDOWED,
)

LONGEST = 20_000
_TOKENS = 4_000
_NESTED = 40
_DEPTH = 250
_NODES = 6_000
_WHERE = "docs: the SQL page says what can be written"

Value = str | int | Sequence[str] | Sequence[int]


def parse(sql: str, parameters: Mapping[str, Value] | None = None) -> Any:
    """The query's tree, `:name` replaced by `parameters`. Raises `Invalid`, saying where and what instead."""
    _bounded(sql)
    tree = _parsed(sql)
    try:
        _bind(tree, parameters or {})
        _judge(tree)
    except RecursionError as error:
        raise Invalid("the query is nested too deeply") from error
    return tree


def place(node: Any) -> str:
    """`line 2, column 5: ` of a node, or nothing where that is not known."""
    for part in node.walk():
        meta = part.meta
        if "line" in meta:
            column = meta["col"] - (meta["end"] - meta["start"])
            return f"line {meta['line']}, column {max(column, 1)}: "
    return ""


def refused(node: Any, why: str, hint: str = "") -> Invalid:
    return Invalid(f"{place(node)}{why}", hint=hint or _WHERE)


def _bounded(sql: str) -> None:
    if len(sql) > LONGEST:
        raise Invalid(f"a query has at most {LONGEST} characters, not {len(sql)}")
    if "\0" in sql or any(0xD800 <= ord(character) <= 0xDFFF for character in sql):
        raise Invalid("the query holds a character that is no text", hint="remove NUL and lone surrogates")
    try:
        tokens = sqlglot.tokenize(sql, read="duckdb")
    except (TokenError, SqlglotError) as error:
        raise Invalid(f"the query cannot be read: {_first_line(error)}", hint="is a quote not closed?") from error
    if len(tokens) > _TOKENS:
        raise Invalid(f"a query has at most {_TOKENS} words and signs, not {len(tokens)}")
    _not_too_deep(tokens)


def _not_too_deep(tokens: Sequence[Token]) -> None:
    opening = {TokenType.L_PAREN, TokenType.L_BRACKET, TokenType.L_BRACE, TokenType.CASE}
    closing = {TokenType.R_PAREN, TokenType.R_BRACKET, TokenType.R_BRACE, TokenType.END}
    prefixes = {TokenType.NOT, TokenType.DASH, TokenType.PLUS, TokenType.TILDE}
    depth = run = 0
    for token in tokens:
        depth += (token.token_type in opening) - (token.token_type in closing)
        run = run + 1 if token.token_type in prefixes else 0
        if depth > _NESTED or run > _NESTED:
            raise Invalid(f"line {token.line}: nested more than {_NESTED} deep", hint="name parts by WITH … AS (…)")


def _parsed(sql: str) -> Any:
    first = sql.lstrip(" \t\r\n(;").split(None, 1)[:1]
    word = re.match(r"[A-Za-z_]*", first[0])[0].upper() if first else ""  # type: ignore[index]
    if word and word not in ("SELECT", "WITH", "FROM"):
        raise Invalid(f"{word} is not allowed: only SELECT", hint="the lake is read, never changed")
    try:
        statements = [tree for tree in sqlglot.parse(sql, read="duckdb") if tree is not None]
    except ParseError as error:
        raise _unreadable(error) from error
    except (SqlglotError, RecursionError, ValueError, IndexError, KeyError, TypeError, AttributeError) as error:
        # what the parser raises beside its own errors, for text that is no query
        raise Invalid(f"the query cannot be read: {_first_line(error)}") from error
    if not statements:
        raise Invalid("there is no query", hint="write SELECT … FROM events")
    if len(statements) > 1:
        raise Invalid(f"one query at a time, not {len(statements)}", hint="remove what stands behind the first `;`")
    tree = statements[0]
    if type(tree) not in (exp.Select, exp.Union):
        raise Invalid(
            f"{_said(tree)} is not allowed: only SELECT", hint=_instead(tree) or "the lake is read, never changed"
        )
    return tree


def _unreadable(error: ParseError) -> Invalid:
    told = error.errors[0] if error.errors else {}
    at = f"line {told['line']}, column {told['col']}: " if told.get("line") else ""
    near = f" near {told['highlight']!r}" if told.get("highlight") else ""
    return Invalid(f"{at}the query cannot be read{near}: {told.get('description') or _first_line(error)}")


def _bind(tree: Any, parameters: Mapping[str, Value]) -> None:
    for node in list(tree.find_all(exp.Placeholder)):
        name = node.args.get("this")
        if not isinstance(name, str) or name not in parameters:
            known = ", ".join(f":{one}" for one in sorted(parameters)) or "none"
            raise refused(node, f"no value is given for :{name or '?'}", f"parameters of this query: {known}")
        value = parameters[name]
        if isinstance(value, str | int):
            node.replace(literal(value))
            continue
        holder = node.parent
        if type(holder) is exp.In and holder.args.get("expressions") == [node]:
            holder.set("expressions", [literal(one) for one in value])
        elif type(holder) is exp.Anonymous and _name(holder) == "contains_any":
            node.replace(exp.Tuple(expressions=[literal(one) for one in value]))
        else:
            raise refused(node, f":{name} holds several values", f"write IN (:{name}) or contains_any(text, :{name})")


def literal(value: str | int) -> Any:
    """A value of a parameter as a node."""
    if isinstance(value, str):
        return exp.Literal.string(value)
    number = exp.Literal.number(abs(value))
    return exp.Neg(this=number) if value < 0 else number


def _judge(tree: Any) -> None:
    for count, node in enumerate(tree.walk()):
        if count > _NODES:
            raise Invalid(f"the query has more than {_NODES} parts")
        if node.depth > _DEPTH:
            raise refused(node, "the query is nested too deeply", "name parts by WITH … AS (…)")
        kind = type(node)
        if kind is exp.Tuple and _is_needles(node):
            continue
        if kind not in NODES:
            raise refused(node, f"{_said(node)} is not in the subset", _instead(node))
        for name, value in node.args.items():
            if value and name not in NODES[kind]:
                raise refused(node, f"{_said(node)} cannot have {name.strip('_')!r} here", _instead(name))
        if kind in _CHECKS:
            _CHECKS[kind](node)


def _is_needles(node: Any) -> bool:
    return type(node.parent) is exp.Anonymous and _name(node.parent) == "contains_any"


# what a listed node may hold


def _literal(node: Any) -> None:
    if node.args.get("is_string"):
        return
    if not re.fullmatch(r"[0-9]{1,18}(\.[0-9]{1,9})?", str(node.this)):
        raise refused(node, f"{node.this} is no number of up to 18 digits")


def _interval(node: Any) -> None:
    unit = node.args.get("unit")
    name = str(getattr(unit, "this", "")).upper().removesuffix("S")
    amount = node.this
    if name not in UNITS or not _is_text(amount) or not re.fullmatch(r"[0-9]{1,9}", amount.this):
        raise refused(
            node, "an interval is a whole number of seconds, minutes, hours, days or weeks", "interval '60' second"
        )
    if type(node.parent) not in (exp.Add, exp.Sub) or node.arg_key != "expression":
        raise refused(node, "an interval is added to a time or taken from one", "time + interval '60' second")
    unit.set("this", name)


def _cast(node: Any) -> None:
    kind = node.args["to"].this
    wanted = (exp.DType.DATE, exp.DType.TIMESTAMP, exp.DType.TIMESTAMPNTZ, exp.DType.TIMESTAMPTZ)
    if not _is_text(node.this) or kind not in wanted:
        raise refused(node, "a conversion is not in the subset", INSTEAD["cast"])


def _is_null(node: Any) -> None:
    if type(node.expression) is not exp.Null:
        raise refused(node, "IS goes with NULL or NOT NULL only", "write a condition as it is, or NOT (…)")


def _in(node: Any) -> None:
    if node.args.get("query"):
        if type(node.parent) is exp.Not or (type(node.parent) is exp.Paren and type(node.parent.parent) is exp.Not):
            raise refused(
                node, "NOT IN (SELECT …) finds nothing once there is a NULL", "write a LEFT JOIN and WHERE … IS NULL"
            )
        return
    if not node.expressions:
        raise refused(node, "IN needs at least one value")
    for value in node.expressions:
        inner = value.this if type(value) is exp.Neg else value
        if type(inner) not in (exp.Literal, exp.Cast):
            raise refused(node, "IN takes values, or one SELECT", "write a = b OR a = c for others")


def _like(node: Any) -> None:
    if not _is_text(node.expression):
        raise refused(node, "a pattern of LIKE is a text that stands in the query", "write contains(a, b)")
    if "\\" in node.expression.this:
        raise refused(node, "engines differ in what \\ means to LIKE", INSTEAD["escape"])


def _regex(node: Any) -> None:
    if not _is_text(node.expression):
        raise refused(node, "a regular expression is a text that stands in the query")
    try:
        found = patterns.read(node.expression.this)
    except Invalid as error:
        raise refused(node, error.reason, error.hint) from error
    if type(node) is exp.RegexpExtract:
        group = node.args.get("group") or exp.Literal.number(0)
        if not _is_whole(group) or int(group.this) > found.groups:
            raise refused(
                node, f"the pattern has {found.groups} groups to take out", "0 is all that matched, 1 the (…)"
            )


def _divided(node: Any) -> None:
    divisor = node.expression
    if type(divisor) is not exp.Literal or divisor.is_string or not float(divisor.this):
        raise refused(node, "a divisor is a number that stands in the query, and not 0", "compare a with b * 2 instead")
    if type(node) is not exp.Div and not _is_whole(divisor):
        raise refused(node, "this divisor is a whole number")


def _subtracted(node: Any) -> None:
    if _is_time(node.this) and type(node.expression) is not exp.Interval:
        raise refused(node, "engines differ in what a time minus a time is", INSTEAD["timestampdiff"])
    if not _is_time(node.this) and type(node.expression) is exp.Interval and type(node.this) is exp.Literal:
        raise refused(node, "an interval is added to a time or taken from one", "time + interval '60' second")


def _is_time(node: Any) -> bool:
    if type(node) is exp.Column:
        return str(node.name).lower() == "time"
    if type(node) is exp.Anonymous:
        return _name(node) == "now"
    if type(node) in (exp.Add, exp.Sub, exp.Paren, exp.Min, exp.Max, exp.TimestampTrunc):
        return _is_time(node.this)
    return type(node) is exp.CurrentTimestamp


def _has(node: Any) -> None:
    if type(node.this) is not exp.Column or node.this.name.lower() not in ("labels", "rules"):
        raise refused(node, "list_contains looks into `labels` or `rules`")
    if not _is_text(node.expression):
        raise refused(node, "what is looked for is a text that stands in the query")


def _substring(node: Any) -> None:
    start, length = node.args.get("start"), node.args.get("length")
    if not _is_whole(start) or int(start.this) < 1 or (length is not None and not _is_whole(length)):
        raise refused(
            node, "a part of a text begins at 1 or later: numbers that stand in the query", "substring(a, 1, 8)"
        )


def _truncated(node: Any) -> None:
    unit = str(getattr(node.args.get("unit"), "this", "")).upper()
    if unit not in TRUNCATED:
        raise refused(node, "a time is cut to the second, minute, hour or day", "date_trunc('hour', time)")


def _counted(node: Any) -> None:
    if type(node.this) is exp.Distinct and len(node.this.expressions) != 1:
        raise refused(node, "count(DISTINCT …) takes one expression", "write a || ' ' || b")


def _distinct(node: Any) -> None:
    if type(node.parent) not in (exp.Count, exp.Select):
        raise refused(node, "DISTINCT goes with SELECT or count only")


def _windowed(node: Any) -> None:
    inner = node.this.this if type(node.this) is exp.Filter else node.this
    if type(inner) not in (*WINDOWED, *AGGREGATES):
        raise refused(node, f"{_said(inner)} cannot have OVER")
    if type(inner) in WINDOWED and not node.args.get("order"):
        raise refused(node, f"{_said(inner)} needs an ORDER BY inside of OVER (…)")
    if type(inner) is exp.Count and type(inner.this) is exp.Distinct:
        raise refused(node, "count(DISTINCT …) cannot have OVER")


def _placed(node: Any) -> None:
    if type(node.parent) is not exp.Window:
        raise refused(node, f"{_said(node)} needs OVER (…)")
    offset = node.args.get("offset")
    if offset is not None and not _is_whole(offset):
        raise refused(node, "how far is a whole number that stands in the query")


def _filtered(node: Any) -> None:
    if type(node.this) not in AGGREGATES or type(node.expression) is not exp.Where:
        raise refused(node, "FILTER (WHERE …) goes with count, sum, min, max and avg")


def _joined(node: Any) -> None:
    side, kind = str(node.args.get("side") or "").upper(), str(node.args.get("kind") or "").upper()
    if side not in ("", "LEFT") or kind not in ("", "INNER", "OUTER") or node.args.get("on") is None:
        raise refused(node, "a join is JOIN … ON or LEFT JOIN … ON", "say in ON which columns are equal")


def _table(node: Any) -> None:
    if type(node.this) is not exp.Identifier:
        raise refused(node, f"{_said(node.this)} is not in the subset", INSTEAD["readcsv"])


def _whole_number(node: Any) -> None:
    if not _is_whole(node.expression):
        raise refused(node, "LIMIT and OFFSET take a number that stands in the query")


def _named(node: Any) -> None:
    name = _name(node)
    if name not in NAMED:
        raise refused(node, f"the function {name} is not in the subset", _instead(name))
    if len(node.expressions) != NAMED[name]:
        raise refused(node, f"{name} takes {NAMED[name]} arguments")
    if name == "contains_any" and type(node.expressions[1]) is not exp.Tuple:
        raise refused(node, "contains_any takes a text and a list of texts", "contains_any(arguments, ('a', 'b'))")
    if name == "contains_any" and not all(map(_is_text, node.expressions[1].expressions)):
        raise refused(node, "contains_any looks for texts that stand in the query")


def _starred(node: Any) -> None:
    if type(node.parent) not in (exp.Select, exp.Count, exp.Column):
        raise refused(node, "* stands alone, or in count(*)")


def _var(node: Any) -> None:
    if type(node.parent) not in (exp.Interval, exp.TimestampTrunc):
        raise refused(node, f"{node.this} is not in the subset")


def _coalesced(node: Any) -> None:
    if not node.expressions:
        raise refused(node, "coalesce takes at least two arguments")


_CHECKS: dict[type[Any], Callable[[Any], None]] = {
    exp.Literal: _literal,
    exp.Interval: _interval,
    exp.Cast: _cast,
    exp.Is: _is_null,
    exp.In: _in,
    exp.Like: _like,
    exp.ILike: _like,
    exp.RegexpLike: _regex,
    exp.RegexpExtract: _regex,
    exp.Div: _divided,
    exp.IntDiv: _divided,
    exp.Mod: _divided,
    exp.Sub: _subtracted,
    exp.ArrayContains: _has,
    exp.Substring: _substring,
    exp.TimestampTrunc: _truncated,
    exp.Count: _counted,
    exp.Distinct: _distinct,
    exp.Window: _windowed,
    **dict.fromkeys(WINDOWED, _placed),
    exp.Filter: _filtered,
    exp.Join: _joined,
    exp.Table: _table,
    exp.Limit: _whole_number,
    exp.Offset: _whole_number,
    exp.Anonymous: _named,
    exp.Star: _starred,
    exp.Var: _var,
    exp.Coalesce: _coalesced,
}


def _is_text(node: Any) -> bool:
    return type(node) is exp.Literal and bool(node.is_string)


def _is_whole(node: Any) -> bool:
    return type(node) is exp.Literal and not node.is_string and str(node.this).isdigit()


def _name(node: Any) -> str:
    return str(node.this).lower()


def _said(node: Any) -> str:
    """What a person would call a node."""
    if type(node) is exp.Anonymous:
        return f"the function {_name(node)}"
    if type(node) is exp.Command:
        return str(node.this).upper()
    if isinstance(node, exp.Func):
        return f"the function {node.sql_name().lower()}"
    return str(type(node).__name__).upper()


def _instead(node: Any) -> str:
    name = node if isinstance(node, str) else type(node).__name__
    return INSTEAD.get(name.lower(), "")


def _first_line(error: Exception) -> str:
    text = re.sub(r"\x1b\[[0-9;]*m", "", str(error)).strip()
    return text.splitlines()[0][:200] if text else type(error).__name__
