"""What every name of a checked query means: tables, common table expressions, columns. Finds correlation, refuses it.

Pure. The engines differ most where a name could mean two things, so a name that could is refused here:
1. A table is `events` or a WITH name defined before it; none of those may itself be called `events` (shadowing it would
   take a part of the query out of sight of the tenant's rows).
2. A column belongs to exactly one of the sources of its own SELECT. One that would reach out of a subquery is refused:
   engines run such a query once a row, or not at all.
3. A join says which columns are equal: one that does not multiplies everything with everything.
All names are lower case from here on, and quoted.
"""

from __future__ import annotations

import difflib
import re
from collections.abc import Mapping, Sequence
from typing import Any

from sqlglot import exp

from watchkeeper.core.errors import Invalid
from watchkeeper.events.lake.schema import COLUMNS
from watchkeeper.events.lake.sql.checking import refused
from watchkeeper.events.lake.sql.grammar import AGGREGATES
from watchkeeper.events.lake.sql.model import TABLE

_NAME = re.compile(r"[a-z][a-z0-9_]{0,62}")
_Tables = dict[str, tuple[str, ...]]
"""Name → its columns."""


def resolve(tree: Any) -> Any:
    """The same query with every name checked and every column of a SELECT named. Raises `Invalid`."""
    for identifier in tree.find_all(exp.Identifier):
        _lower(identifier)
    tables: _Tables = {TABLE: tuple(COLUMNS)}
    clause = tree.args.get("with_")
    for nested in tree.find_all(exp.With):
        if nested is not clause:
            raise refused(nested, "WITH stands at the beginning of the query only")
    for cte in clause.expressions if clause else ():
        name = cte.args["alias"].name
        if name in tables:
            raise refused(cte.args["alias"], f"the name {name} is taken", "give what WITH defines a name of its own")
        tables[name] = _query(cte.this, tables)
    _query(tree, tables)
    return tree


def _lower(identifier: Any) -> None:
    name = str(identifier.this)
    if not _NAME.fullmatch(name.lower()) or (identifier.args.get("quoted") and name != name.lower()):
        raise refused(
            identifier,
            f"{name!r} is no name",
            "a to z, digits and _, beginning with a letter: engines differ in others",
        )
    identifier.set("this", name.lower())
    identifier.set("quoted", True)


def _query(node: Any, tables: _Tables) -> tuple[str, ...]:
    """The columns of a SELECT or UNION."""
    if type(node) is exp.Union:
        return _union(node, tables)
    if type(node) is exp.Subquery:
        return _query(node.this, tables)
    if type(node) is not exp.Select:
        raise refused(node, "a SELECT is expected here")
    return _select(node, tables)


def _union(node: Any, tables: _Tables) -> tuple[str, ...]:
    left, right = _query(node.this, tables), _query(node.expression, tables)
    if len(left) != len(right):
        raise refused(node, f"UNION joins {len(left)} columns with {len(right)}")
    for column in _own_columns([node.args.get("order")]):
        if column.args.get("table") or column.name not in left:
            raise refused(column, f"a UNION is ordered by one of {', '.join(left)}")
    return left


def _select(select: Any, tables: _Tables) -> tuple[str, ...]:
    sources = _sources(select, tables)
    outputs = _outputs(select, sources)
    aliases = {one.alias for one in select.expressions if type(one) is exp.Alias}
    for key, value in select.args.items():
        if key == "with_" or value is None:
            continue
        reach: set[str] = aliases if key in ("order", "group", "having") else set()
        for column in _own_columns(value if isinstance(value, list) else [value]):
            if type(column.this) is not exp.Star:
                _resolve_column(column, sources, reach)
    for join in select.args.get("joins") or ():
        _equals(join, sources)
    for inner in _subqueries(select):
        _query(inner, tables)
    return outputs


def _sources(select: Any, tables: _Tables) -> dict[str, tuple[str, ...]]:
    clause = select.args.get("from_")
    if clause is None:
        raise refused(select, "the query reads no table", "write FROM events")
    sources: dict[str, tuple[str, ...]] = {}
    for node in (clause.this, *(join.this for join in select.args.get("joins") or ())):
        name, columns = _source(node, tables)
        if name in sources:
            raise refused(node, f"two sources are called {name}", "give each a name: FROM events AS a JOIN events AS b")
        sources[name] = columns
    return sources


def _source(node: Any, tables: _Tables) -> tuple[str, tuple[str, ...]]:
    alias = node.args.get("alias")
    if type(node) is exp.Subquery:
        if alias is None:
            raise refused(node, "a subquery of FROM needs a name", "write (SELECT …) AS name")
        return alias.name, _query(node.this, tables)
    if type(node) is not exp.Table:
        raise refused(node, "only tables and subqueries stand in FROM")
    if node.name not in tables:
        raise refused(
            node, f"there is no table {node.name}", _nearest(node.name, tables) or "the table is called events"
        )
    return (alias.name if alias else node.name), tables[node.name]


def _outputs(select: Any, sources: Mapping[str, tuple[str, ...]]) -> tuple[str, ...]:
    names: list[str] = []
    for at, node in enumerate(select.expressions):
        if type(node) is exp.Star:
            if len(sources) > 1:
                raise refused(select, "* of a join would hold names twice", "write a.*, or the columns")
            names += next(iter(sources.values()))
        elif type(node) is exp.Column and type(node.this) is exp.Star:
            names += _columns_of(node, sources)
        elif type(node) is exp.Column:
            names.append(node.name)
        elif type(node) is exp.Alias:
            _not_a_column(node, sources)
            names.append(node.alias)
        else:
            name = f"column_{at + 1}"
            node.replace(exp.alias_(node.copy(), name, quoted=True))
            names.append(name)
    twice = sorted({name for name in names if names.count(name) > 1})
    if twice:
        raise refused(select, f"two columns are called {twice[0]}", f"name one: … AS {twice[0]}_2")
    return tuple(names)


def _columns_of(star: Any, sources: Mapping[str, tuple[str, ...]]) -> tuple[str, ...]:
    if star.table not in sources:
        raise refused(star, f"there is no source {star.table}", _nearest(star.table, sources))
    return sources[star.table]


def _not_a_column(alias: Any, sources: Mapping[str, tuple[str, ...]]) -> None:
    """Some engines take the alias for the column in WHERE, others the column."""
    inner = alias.this
    if type(inner) is exp.Column and inner.name == alias.alias:
        return
    if any(alias.alias in columns for columns in sources.values()):
        raise refused(alias, f"{alias.alias} is a column already", f"give it another name: … AS {alias.alias}_of")


def _own_columns(nodes: Sequence[Any]) -> list[Any]:
    """The columns below, but for those of a SELECT inside."""
    found: list[Any] = []
    waiting = [node for node in nodes if node is not None]
    while waiting:
        node = waiting.pop()
        if type(node) in (exp.Select, exp.Union):
            continue
        if type(node) is exp.Column:
            found.append(node)
        waiting += [child for child in node.iter_expressions() if child is not None]
    return found


def _subqueries(select: Any) -> list[Any]:
    """The SELECTs inside of conditions and values (those of FROM were looked at as sources)."""
    found: list[Any] = []
    waiting = [
        child
        for key in ("expressions", "joins", "where", "group", "having", "order")
        for child in _children(select, key)
    ]
    while waiting:
        node = waiting.pop()
        if type(node) in (exp.Select, exp.Union):
            found.append(node)
        elif type(node) is exp.Join:
            waiting.append(node.args["on"])
        else:
            waiting += list(node.iter_expressions())
    return found


def _children(select: Any, key: str) -> list[Any]:
    value = select.args.get(key)
    return value if isinstance(value, list) else [value] if value is not None else []


def _resolve_column(column: Any, sources: Mapping[str, tuple[str, ...]], aliases: set[str]) -> None:
    name, table = column.name, column.table
    if table:
        if table not in sources:
            raise refused(
                column,
                f"{table} is no source of this SELECT",
                "a subquery cannot look at the one around it: write a join",
            )
        if name not in sources[table]:
            raise refused(column, f"{table} has no column {name}", _nearest(name, sources[table]))
        return
    holders = [source for source, columns in sources.items() if name in columns]
    if len(holders) > 1:
        raise refused(column, f"{name} is in {' and in '.join(holders)}", f"write {holders[0]}.{name}")
    if not holders and name not in aliases:
        everything = [one for columns in sources.values() for one in columns]
        raise refused(column, f"there is no column {name}", _nearest(name, everything) or _only_later(column))


def _only_later(column: Any) -> str:
    return (
        "a name given by AS can be used in GROUP BY, HAVING and ORDER BY; a subquery cannot look at the one around it"
    )


def _equals(join: Any, sources: Mapping[str, tuple[str, ...]]) -> None:
    """At least one `a = b` with a column of what is joined on one side and of what was there on the other."""
    node = join.this
    mine = node.alias or node.name
    for part in join.args["on"].flatten() if type(join.args["on"]) is exp.And else [join.args["on"]]:
        if type(part) is not exp.EQ:
            continue
        sides = [{_owner(column, sources) for column in _own_columns([side])} for side in (part.this, part.expression)]
        if {mine} in sides and any(side and mine not in side for side in sides):
            return
    raise refused(join, "a join needs columns that are equal", "write ON a.actor = b.actor AND …")


def _owner(column: Any, sources: Mapping[str, tuple[str, ...]]) -> str:
    return column.table or next((name for name, columns in sources.items() if column.name in columns), "")


def _nearest(name: str, names: Sequence[str] | Mapping[str, Any]) -> str:
    near = difflib.get_close_matches(name, list(names), 1, 0.6)
    return f"did you mean {near[0]}?" if near else ""


def aggregates_in(node: Any) -> bool:
    """Whether a condition holds an aggregate, which WHERE cannot."""
    return any(type(part) in AGGREGATES for part in node.walk())


__all__ = ["Invalid", "aggregates_in", "resolve"]
