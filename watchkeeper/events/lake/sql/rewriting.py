"""Every reference to `events` becomes a subquery that holds the tenant's rows of the range, and nothing else.

Pure, and on the tree, never on text. What is registered with the engine has other names (`Sources`), so a reference
that was missed here is an unknown table there, not another tenant's rows.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import msgspec
from sqlglot import exp

from watchkeeper.core.errors import Invalid
from watchkeeper.events.lake.schema import COLUMNS
from watchkeeper.events.lake.sql import checking, naming
from watchkeeper.events.lake.sql.model import DEFAULT_RANGE, TABLE, Range
from watchkeeper.events.lake.sql.normal import date, moment, normalise
from watchkeeper.events.lake.sql.ranges import DAY, range_of, references


class Prepared(msgspec.Struct, frozen=True):
    """A query that was checked, and what each of its references to `events` may read."""

    tree: Any
    ranges: tuple[Range, ...]
    """In the order in which `references` finds them."""
    is_default_range: bool
    """Whether the last 24 hours were put in, because nobody named a range."""
    tenant: str

    @property
    def span(self) -> Range:
        """What contains all of them."""
        whole = self.ranges[0]
        for one in self.ranges[1:]:
            whole = whole.around(one)
        return whole


def prepare(
    sql: str,
    *,
    tenant: str,
    now: int,
    asked: Range | None = None,
    parameters: dict[str, checking.Value] | None = None,
) -> Prepared:
    """Check a query and bound it. `asked` is the range that was said beside it; an open one reads everything.

    Without one, and without a condition on `time` or `day` in the query, the last 24 hours are read. Raises `Invalid`.
    """
    if not tenant:
        raise Invalid("a query is asked for one tenant")
    tree = normalise(naming.resolve(checking.parse(sql, parameters)), now)
    own = [range_of(table) for table in references(tree)]
    is_default = asked is None and not any(one.since is not None or one.until is not None for one in own)
    outer = Range(since=now - DEFAULT_RANGE) if is_default else asked or Range()
    return Prepared(tree, tuple(one.within(outer) for one in own), is_default, tenant)


def rewrite(prepared: Prepared, sources: tuple[str, ...], source: Callable[[str], Any] | None = None) -> Any:
    """The tree with each reference replaced by the tenant's rows of `sources`, all of which have the lake's columns."""
    tree = prepared.tree.copy()
    tables = references(tree)
    if len(tables) != len(prepared.ranges):
        raise Invalid("the query changed while it was rewritten")
    build = source or (lambda name: exp.to_table(name, dialect="duckdb"))
    for table, span in zip(tables, prepared.ranges, strict=True):
        alias = table.alias or table.name
        rows = [_rows(build(name), prepared.tenant, span) for name in sources]
        union = rows[0]
        for one in rows[1:]:
            union = exp.Union(this=union, expression=one, distinct=False)
        name = exp.TableAlias(this=exp.to_identifier(alias, quoted=True))
        table.replace(exp.Subquery(this=union, alias=name))
    if TABLE not in sources and references(tree):
        raise Invalid("a reference to events was not bounded")
    return tree


def _rows(table: Any, tenant: str, span: Range) -> Any:
    conditions: list[Any] = [_column("tenant").eq(exp.Literal.string(tenant))]
    if span.since is not None:
        conditions += [_column("time") >= moment(span.since), _column("day") >= date(max(span.since, 0) // DAY)]
    if span.until is not None:
        last = min(max(span.until - 1, 0) // DAY, 2_932_896)
        conditions += [_column("time") < moment(span.until), _column("day") <= date(last)]
    return exp.select(*map(_column, COLUMNS)).from_(table).where(*conditions)


def _column(name: str) -> Any:
    return exp.column(exp.to_identifier(name, quoted=True))
