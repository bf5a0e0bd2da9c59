"""The subset of DuckDB's dialect, as data: which nodes a query may be made of, and what to write instead of the rest.

Pure. A node that is not listed is refused, and so is a member of a listed node that is not named here: what sqlglot
learns to parse tomorrow is refused until somebody has judged it. A function is in the subset when every engine that a
hunt is carried to gives the same answer, and when no value of a row can make it fail.
"""

from __future__ import annotations

from typing import Any

from sqlglot import exp

COMPARISONS: tuple[type[Any], ...] = (exp.EQ, exp.NEQ, exp.GT, exp.GTE, exp.LT, exp.LTE)
AGGREGATES: tuple[type[Any], ...] = (exp.Count, exp.Sum, exp.Min, exp.Max, exp.Avg)
WINDOWED: tuple[type[Any], ...] = (exp.RowNumber, exp.Rank, exp.DenseRank, exp.Lag, exp.Lead)
_PAIR = frozenset({"this", "expression"})
_ONE = frozenset({"this"})
_NONE: frozenset[str] = frozenset()

NODES: dict[type[Any], frozenset[str]] = {
    # statements
    exp.Select: frozenset(
        {"with_", "expressions", "distinct", "from_", "joins", "where", "group", "having", "order", "limit", "offset"}
    ),
    exp.Union: frozenset({"this", "expression", "distinct", "with_", "order", "limit", "offset"}),
    exp.With: frozenset({"expressions"}),
    exp.CTE: frozenset({"this", "alias"}),
    exp.TableAlias: _ONE,
    exp.Subquery: frozenset({"this", "alias"}),
    exp.From: _ONE,
    exp.Table: frozenset({"this", "alias"}),
    exp.Join: frozenset({"this", "on", "side", "kind"}),
    exp.Where: _ONE,
    exp.Group: frozenset({"expressions"}),
    exp.Having: _ONE,
    exp.Order: frozenset({"expressions"}),
    exp.Ordered: frozenset({"this", "desc", "nulls_first"}),
    exp.Limit: frozenset({"expression"}),
    exp.Offset: frozenset({"expression"}),
    exp.Distinct: frozenset({"expressions"}),
    # names and values
    exp.Identifier: frozenset({"this", "quoted"}),
    exp.Column: frozenset({"this", "table"}),
    exp.Alias: frozenset({"this", "alias"}),
    exp.Star: _NONE,
    exp.Literal: frozenset({"this", "is_string"}),
    exp.Boolean: _ONE,
    exp.Null: _NONE,
    exp.Placeholder: _ONE,
    exp.Interval: frozenset({"this", "unit"}),
    exp.Var: _ONE,
    exp.Cast: frozenset({"this", "to"}),  # DATE '…' and TIMESTAMP '…' only
    exp.DataType: frozenset({"this"}),
    # conditions
    exp.And: _PAIR,
    exp.Or: _PAIR,
    exp.Not: _ONE,
    exp.Paren: _ONE,
    **dict.fromkeys(COMPARISONS, _PAIR),
    exp.Is: _PAIR,
    exp.In: frozenset({"this", "expressions", "query"}),
    exp.Between: frozenset({"this", "low", "high"}),
    exp.Like: frozenset({"this", "expression", "negate"}),
    exp.ILike: frozenset({"this", "expression", "negate"}),
    exp.Exists: _ONE,
    exp.Case: frozenset({"this", "ifs", "default"}),
    exp.If: frozenset({"this", "true"}),
    # arithmetic
    exp.Neg: _ONE,
    exp.Add: _PAIR,
    exp.Sub: _PAIR,
    exp.Mul: _PAIR,
    exp.Div: _PAIR,
    exp.IntDiv: _PAIR,
    exp.Mod: _PAIR,
    exp.DPipe: _PAIR | {"safe"},
    # functions
    exp.Abs: _ONE,
    exp.ArrayContains: _PAIR,
    exp.Coalesce: frozenset({"this", "expressions"}),
    exp.Contains: _PAIR,
    exp.CurrentTimestamp: _NONE,
    exp.EndsWith: _PAIR,
    exp.Length: _ONE,
    exp.Lower: _ONE,
    exp.Nullif: _PAIR,
    exp.RegexpExtract: frozenset({"this", "expression", "group", "null_if_pos_overflow"}),
    exp.RegexpLike: _PAIR,
    exp.StartsWith: _PAIR,
    exp.Substring: frozenset({"this", "start", "length"}),
    exp.TimestampTrunc: frozenset({"this", "unit"}),
    exp.Upper: _ONE,
    # aggregates and windows
    exp.Count: frozenset({"this", "big_int"}),
    exp.Sum: _ONE,
    exp.Min: _ONE,
    exp.Max: _ONE,
    exp.Avg: _ONE,
    exp.Filter: _PAIR,
    exp.Window: frozenset({"this", "partition_by", "order", "over"}),
    exp.RowNumber: _NONE,
    exp.Rank: _NONE,
    exp.DenseRank: _NONE,
    exp.Lag: frozenset({"this", "offset"}),
    exp.Lead: frozenset({"this", "offset"}),
    exp.Anonymous: frozenset({"this", "expressions"}),  # `NAMED` only
}
"""Node → the members of it that may be there."""

NAMED = {"now": 0, "epoch_us": 1, "contains_any": 2}
"""Functions that sqlglot has no node for, and how many arguments they take."""

UNITS = frozenset({"SECOND", "MINUTE", "HOUR", "DAY", "WEEK"})
"""Of an interval: those that are always equally long."""
TRUNCATED = frozenset({"SECOND", "MINUTE", "HOUR", "DAY"})
"""Of `date_trunc`."""

_NO_JSON = """write regexp_extract(arguments, '"path":"([^"]*)"', 1): engines differ in how they read JSON"""

INSTEAD: dict[str, str] = {
    "datediff": "write b <= a + interval '60' second, or epoch_us(b) - epoch_us(a): date_diff counts differently "
    "from engine to engine",
    "timestampdiff": "write epoch_us(b) - epoch_us(a)",
    "cast": "only DATE '2026-11-22' and TIMESTAMP '2026-11-22 10:00:00' are converted; `day` is the date of `time`",
    "trycast": "no conversions: engines differ in what they take for a number",
    "concat": "write a || b",
    "if": "write CASE WHEN … THEN … ELSE … END",
    "ifnull": "write coalesce(a, b)",
    "countif": "write count(*) FILTER (WHERE …)",
    "logicalor": "write count(*) FILTER (WHERE …) > 0",
    "strposition": "write contains(text, 'part')",
    "jsonextract": _NO_JSON,
    "jsonextractscalar": _NO_JSON,
    "readcsv": "only the table `events` can be read",
    "readparquet": "only the table `events` can be read",
    "tablesample": "write WHERE idx % 100 = 0",
    "median": "number the rows with row_number() and take the one in the middle: engines differ in percentiles",
    "quantile": "number the rows with row_number() and take the place you want: engines differ in percentiles",
    "anyvalue": "write min(…): any_value is another one on every run",
    "lateral": "write a join",
    "unnest": "write list_contains(labels, 'exercise')",
    "extract": "write date_trunc('hour', time), or epoch_us(time)",
    "hour": "write date_trunc('hour', time)",
    "day": "`day` is a column: the date of `time`",
    "escape": "write contains(text, 'part'), which takes every character as it is",
    "intersect": "write a join",
    "except": "write a LEFT JOIN and WHERE … IS NULL",
    "current_date": "write now() - interval '1' day, or a date: DATE '2026-11-22'",
}
"""What to write instead, by the lower-case name of a node or function."""
