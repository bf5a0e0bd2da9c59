"""A normalised query in an engine's own words: DataFusion, Spark, Databricks, ClickHouse, Trino, DuckDB.

sqlglot writes each dialect; what it does not carry over exactly is replaced in the tree before. DataFusion has no
dialect there and gets PostgreSQL's with its own functions. Pure.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from typing import Any

from arro3.core import DataType
from sqlglot import exp

from watchkeeper.core.errors import Invalid
from watchkeeper.events.lake.schema import COLUMNS
from watchkeeper.events.lake.sql import patterns
from watchkeeper.events.lake.sql.grammar import AGGREGATES, WINDOWED
from watchkeeper.events.lake.sql.normal import MOMENT

_Replace = Callable[[Any], Any]
_TEXTS = frozenset(name for name, (kind, _, _) in COLUMNS.items() if kind == DataType.utf8())
_NEEDLES = 3
"""Needles in one column from which on a single automaton is faster than one search each."""


def write(tree: Any, dialect: str) -> str:
    """The query's text. Raises `Invalid` for a dialect that is not known."""
    if dialect not in _DIALECTS:
        raise Invalid(f"no dialect {dialect}", hint=f"one of {', '.join(sorted(_DIALECTS))}")
    name, replacements, tail = _DIALECTS[dialect]
    if dialect == "datafusion":
        tree = tree.transform(_one_automaton)
        _keep_orders(tree)
        _copy_texts(tree)
    carried = tree.copy()
    for node in reversed(
        list(carried.walk())
    ):  # the inner ones first: `transform` would leave out what a new node holds
        _replace(node, replacements)
    text: str = carried.sql(dialect=name, comments=False)
    return text + tail


def table(name: str) -> _Replace:
    """What makes the node of a table of another engine: `lake.events`. Raises `Invalid`."""
    parts = name.split(".")
    if not 1 <= len(parts) <= 3 or not all(re.fullmatch(r"[A-Za-z_][A-Za-z0-9_]{0,62}", part) for part in parts):
        raise Invalid(f"{name!r} is no table", hint="write it as TABLE, SCHEMA.TABLE or CATALOG.SCHEMA.TABLE")
    names = [exp.to_identifier(part, quoted=True) for part in parts]
    members = dict(zip(("this", "db", "catalog"), reversed(names), strict=False))
    return lambda _: exp.Table(**members)


def names() -> tuple[str, ...]:
    return tuple(sorted(_DIALECTS))


def _replace(node: Any, replacements: Mapping[Any, _Replace]) -> None:
    key: Any = str(node.this).lower() if type(node) is exp.Anonymous else type(node)
    if key in replacements:
        place = node.copy()
        node.replace(replacements[key](place))


def _call(name: str, *arguments: Any) -> Any:
    return exp.Anonymous(this=name, expressions=list(arguments))


def _function(name: str) -> _Replace:
    """The same arguments, another name."""
    return lambda node: _call(name, *node.iter_expressions())


def _text(value: str) -> Any:
    return exp.Literal.string(value)


def _pattern(node: Any) -> patterns.Pattern:
    return patterns.read(node.expression.this)


def _group(node: Any) -> Any:
    return node.args.get("group") or exp.Literal.number(0)


def _number(node: Any) -> Any:
    return node.expressions[0]


def _as_double(node: Any) -> Any:
    return exp.Div(this=exp.cast(node.this, "double"), expression=node.expression, typed=True, safe=True)


# DataFusion


def _one_automaton(node: Any) -> Any:
    """Several texts looked for in one column, as one expression."""
    if type(node) is not exp.Or or type(node.parent) is exp.Or:
        return node
    parts = list(node.flatten())
    if len(parts) < _NEEDLES or not all(map(_is_needle, parts)):
        return node
    if len({part.this.sql() for part in parts}) > 1:
        return node
    pattern = "|".join(patterns.escaped(part.expression.this) for part in parts)
    return exp.paren(_call("regexp_like", parts[0].this, _text(pattern)))


def _keep_orders(tree: Any) -> None:
    """DataFusion drops keys of ORDER BY that a grouped side of a join would determine, though the join repeats it.

    A key that is no plain column is not dropped.
    """
    if tree.find(exp.Join) is None:
        return
    for select in list(tree.find_all(exp.Select)):
        order = select.args.get("order")
        for key in order.expressions if order else ():
            value = _said_key(key.this, select)
            if type(value) is not exp.Literal:
                key.set("this", _call("nullif", value, exp.null()))


def _copy_texts(select: Any) -> None:
    """A text that waits to be sorted is a view that holds on to a page of its file, a megabyte for a few letters.

    Cast, it is a copy: a thousand rows took 1.9 GB before, and 0.26 GB and a third less time after.
    """
    if type(select) is not exp.Select or not select.args.get("order") or not _is_rows_of_events(select):
        return
    if any(select.args.get(key) for key in ("group", "having", "distinct")):
        return
    if select.find(*AGGREGATES, *WINDOWED, exp.Window) is not None:
        return
    if [type(one) for one in select.expressions] == [exp.Star]:
        select.set("expressions", [exp.column(exp.to_identifier(name, quoted=True)) for name in COLUMNS])
    for column in select.expressions:
        if type(column) is exp.Column and column.name in _TEXTS:
            copied = _call("arrow_cast", column.copy(), _text("Utf8"))
            column.replace(exp.alias_(copied, column.name, quoted=True))


def _is_rows_of_events(select: Any) -> bool:
    """Whether it reads, without a join, what `rewriting` put in the place of `events`."""
    source = select.args["from_"].this
    if select.args.get("joins") or type(source) is not exp.Subquery:
        return False
    return [one.alias_or_name for one in source.this.selects] == list(COLUMNS)


def _said_key(key: Any, select: Any) -> Any:
    """What `ORDER BY 2` stands for."""
    if type(key) is not exp.Literal or not str(key.this).isdigit():
        return key
    before = select.expressions[: int(key.this)]
    if len(before) != int(key.this) or any(one.is_star for one in before):
        return key
    return before[-1].unalias().copy()


def _is_needle(node: Any) -> bool:
    return type(node) is exp.Contains and type(node.expression) is exp.Literal


def _taken_by_datafusion(node: Any) -> Any:
    """`regexp_match` gives the groups, and NULL where nothing matches; DuckDB gives an empty text there."""
    pattern = _text(f"({_pattern(node).for_rust()})")
    place = int(_group(node).this) + 1
    found = exp.Bracket(
        this=_call("regexp_match", node.this, pattern), expressions=[exp.Literal.number(place)], offset=1, safe=False
    )
    empty = exp.Coalesce(this=found, expressions=[_text("")])
    is_null = exp.Is(this=node.this.copy(), expression=exp.null())
    return exp.Case(ifs=[exp.If(this=is_null, true=exp.null())], default=empty)


_DATAFUSION: dict[Any, _Replace] = {
    MOMENT: lambda node: _call("to_timestamp_micros", _number(node)),
    "epoch_us": lambda node: exp.cast(_number(node), "bigint"),
    exp.Contains: _function("contains"),
    exp.EndsWith: _function("ends_with"),
    exp.ArrayContains: lambda node: _call("array_has", node.this, node.expression),
    exp.RegexpLike: lambda node: _call("regexp_like", node.this, _text(_pattern(node).for_rust())),
    exp.RegexpExtract: _taken_by_datafusion,
    exp.TimestampTrunc: lambda node: _call("date_trunc", _text(node.args["unit"].this.lower()), node.this),
    exp.Length: _function("character_length"),
    exp.Div: _as_double,
    exp.IntDiv: lambda node: exp.Div(this=node.this, expression=node.expression, typed=True, safe=True),
}

# Spark and Databricks

_SPARK: dict[Any, _Replace] = {
    MOMENT: lambda node: _call("timestamp_micros", _number(node)),
    "epoch_us": lambda node: _call("unix_micros", _number(node)),
    exp.Contains: _function("contains"),
    exp.StartsWith: _function("startswith"),
    exp.EndsWith: _function("endswith"),
    exp.ArrayContains: lambda node: _call("array_contains", node.this, node.expression),
    exp.RegexpLike: lambda node: _call("regexp_like", node.this, _text(_pattern(node).for_java())),
    exp.RegexpExtract: lambda node: _call("regexp_extract", node.this, _text(_pattern(node).for_java()), _group(node)),
    exp.TimestampTrunc: lambda node: _call("date_trunc", _text(node.args["unit"].this), node.this),
    exp.Length: _function("char_length"),
    exp.Div: _as_double,
}

# ClickHouse

_CLICKHOUSE: dict[Any, _Replace] = {
    MOMENT: lambda node: _call("fromUnixTimestamp64Micro", exp.cast(_number(node), "bigint"), _text("UTC")),
    "epoch_us": lambda node: _call("toUnixTimestamp64Micro", _number(node)),
    exp.Contains: lambda node: exp.paren(_call("position", node.this, node.expression) > exp.Literal.number(0)),
    exp.StartsWith: _function("startsWith"),
    exp.EndsWith: _function("endsWith"),
    exp.ArrayContains: lambda node: _call("has", node.this, node.expression),
    exp.RegexpLike: lambda node: _call("match", node.this, _text(_pattern(node).for_re2())),
    exp.RegexpExtract: lambda node: _call("regexpExtract", node.this, _text(_pattern(node).for_re2()), _group(node)),
    exp.TimestampTrunc: lambda node: _call(f"toStartOf{node.args['unit'].this.title()}", node.this),
    exp.Lower: _function("lowerUTF8"),
    exp.Upper: _function("upperUTF8"),
    exp.Length: _function("lengthUTF8"),
    exp.Substring: _function("substringUTF8"),
    exp.Div: _as_double,
    exp.IntDiv: lambda node: _call("intDiv", node.this, node.expression),
}
_CLICKHOUSE_TAIL = (
    " SETTINGS join_use_nulls = 1, aggregate_functions_null_for_empty = 1, union_default_mode = 'DISTINCT'"
)

# Trino, DuckDB

_TRINO: dict[Any, _Replace] = {
    MOMENT: lambda node: _call("from_unixtime_nanos", node.expressions[0] * exp.Literal.number(1000)),
    "epoch_us": lambda node: exp.cast(_call("to_unixtime", _number(node)) * exp.Literal.number(1_000_000), "bigint"),
    exp.Contains: lambda node: exp.paren(_call("strpos", node.this, node.expression) > exp.Literal.number(0)),
    exp.StartsWith: _function("starts_with"),
    exp.EndsWith: lambda node: exp.EQ(
        this=_call("substr", node.this, exp.Neg(this=_call("length", node.expression))), expression=node.expression
    ),
    exp.ArrayContains: lambda node: _call("contains", node.this, node.expression),
    exp.RegexpLike: lambda node: _call("regexp_like", node.this, _text(_pattern(node).for_java())),
    exp.RegexpExtract: lambda node: exp.Coalesce(
        this=_call("regexp_extract", node.this, _text(_pattern(node).for_java()), _group(node)), expressions=[_text("")]
    ),
    exp.TimestampTrunc: lambda node: _call("date_trunc", _text(node.args["unit"].this.lower()), node.this),
    exp.Div: _as_double,
    exp.IntDiv: lambda node: exp.Div(this=node.this, expression=node.expression, typed=True, safe=True),
}
_DUCKDB: dict[Any, _Replace] = {
    MOMENT: lambda node: _call("make_timestamptz", _number(node)),
    exp.RegexpLike: lambda node: _call("regexp_matches", node.this, _text(_pattern(node).for_rust())),
    exp.RegexpExtract: lambda node: _call("regexp_extract", node.this, _text(_pattern(node).for_rust()), _group(node)),
}

_DIALECTS: dict[str, tuple[str, Mapping[Any, _Replace], str]] = {
    "datafusion": ("postgres", _DATAFUSION, ""),
    "spark": ("spark", _SPARK, ""),
    "databricks": ("databricks", _SPARK, ""),
    "clickhouse": ("clickhouse", _CLICKHOUSE, _CLICKHOUSE_TAIL),
    "trino": ("trino", _TRINO, ""),
    "duckdb": ("duckdb", _DUCKDB, ""),
}
