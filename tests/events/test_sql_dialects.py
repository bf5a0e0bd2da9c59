"""What each engine is told: nothing lost on the way, and the traps of one engine walked around for it."""

from __future__ import annotations

from pathlib import Path

import pytest
from deltalake import DeltaTable, QueryBuilder, write_deltalake
from deltalake import Schema as DeltaSchema

from watchkeeper.core.errors import Invalid
from watchkeeper.events.lake.schema import SCHEMA, to_batch, to_row
from watchkeeper.events.lake.sql import dialects
from watchkeeper.events.lake.sql.model import Range
from watchkeeper.events.lake.sql.rewriting import prepare, rewrite
from watchkeeper.events.model import new_event

T = 1_790_000_000_000_000


def told(sql: str, dialect: str) -> str:
    prepared = prepare(sql, tenant="a", now=T, asked=Range())
    return dialects.write(rewrite(prepared, ("events",), dialects.table("events")), dialect)


@pytest.mark.behaviour("sql.order-kept")
@pytest.mark.parametrize(
    "order", ["x.first, x.actor, c.server, c.target", "2, 1, 3, 4", "first, x.actor, server, target"]
)
def test_no_key_of_an_order_is_lost_where_a_grouped_side_is_joined(tmp_path: Path, order: str) -> None:
    """DataFusion takes a group's key for a key of the whole join, and leaves out what stands behind it."""
    calls = [
        new_event(T, "a.b.c", tenant="a", actor="agent:a", server=f"s{number * 7 % 5}", target=f"t{number * 3 % 7}")
        for number in range(35)
    ]
    table = DeltaTable.create(tmp_path, schema=DeltaSchema.from_arrow(SCHEMA))
    write_deltalake(table, to_batch([to_row(event) for event in calls]), mode="append")
    sql = (
        "WITH x AS (SELECT actor, min(time) AS first FROM events GROUP BY actor)"
        " SELECT x.actor, x.first, c.server, c.target FROM x JOIN events AS c ON x.actor = c.actor"
        f" ORDER BY {order}"
    )
    prepared = prepare(sql, tenant="a", now=T, asked=Range())
    found = QueryBuilder().register("lake_0", table).execute(
        dialects.write(rewrite(prepared, ("lake_0",)), "datafusion")
    ).read_all()  # fmt: skip
    rows = list(zip(found["server"].to_pylist(), found["target"].to_pylist(), strict=True))
    assert len(set(rows)) == 35
    assert rows == sorted(rows)


@pytest.mark.behaviour("sql.same-everywhere")
def test_what_stands_inside_of_a_function_is_carried_too() -> None:
    sql = "SELECT id FROM events WHERE contains(lower(actor), 'x') AND length(substring(lower(target), 1, 3)) // 2 = 1"
    text = told(sql, "clickhouse")
    assert "position(lowerUTF8(" in text
    assert "intDiv(lengthUTF8(substringUTF8(lowerUTF8(" in text
    assert "CHAR_LENGTH(SUBSTRING(LOWER(" in told(sql, "spark")


@pytest.mark.behaviour("sql.little-memory")
def test_texts_that_wait_to_be_sorted_are_copies_and_come_out_the_same(tmp_path: Path) -> None:
    """A view holds on to a page of its file: a thousand rows of an answer took two gigabytes."""
    ordered = told("SELECT actor, arguments, time FROM events ORDER BY time", "datafusion")
    assert ordered.count("ARROW_CAST(") == 2
    assert told("SELECT * FROM events ORDER BY time", "datafusion").count("ARROW_CAST(") > 15
    for sql in (
        "SELECT actor FROM events",
        "SELECT actor, count(*) AS n FROM events GROUP BY actor ORDER BY n",
        "SELECT count(*) AS n FROM events ORDER BY n",
        "SELECT x.actors FROM (SELECT status, count(*) AS actors FROM events GROUP BY status) AS x ORDER BY 1",
    ):
        assert "ARROW_CAST" not in told(sql, "datafusion")
    table = DeltaTable.create(tmp_path, schema=DeltaSchema.from_arrow(SCHEMA))
    texts = ["", "\U0001f600", "a" * 100, "O'Brien"]
    calls = [new_event(T + at, "a.b.c", tenant="a", actor=text) for at, text in enumerate(texts)]
    write_deltalake(table, to_batch([to_row(event) for event in calls]), mode="append")
    for sql in ("SELECT * FROM events ORDER BY time", "SELECT actor FROM events AS e ORDER BY e.time LIMIT 4"):
        prepared = prepare(sql, tenant="a", now=T, asked=Range())
        text = dialects.write(rewrite(prepared, ("lake_0",)), "datafusion")
        found = QueryBuilder().register("lake_0", table).execute(text).read_all()
        assert found["actor"].to_pylist() == texts


def test_many_texts_are_one_pass_here() -> None:
    sql = "SELECT id FROM events WHERE contains_any(arguments, ('a.b', '[', 'c|d'))"
    assert "'a\\.b|\\[|c\\|d'" in told(sql, "datafusion")
    assert told(sql, "duckdb").count("CONTAINS(") == 3


@pytest.mark.behaviour("sql.patterns")
def test_the_end_of_a_text_is_its_end_everywhere() -> None:
    sql = "SELECT id FROM events WHERE regexp_matches(target, 'a.$')"
    assert r"'(?d)a.\\z'" in told(sql, "spark")
    assert "'(?-s)a.$'" in told(sql, "clickhouse")


def test_a_dialect_or_table_that_nobody_knows_is_refused() -> None:
    prepared = prepare("SELECT id FROM events", tenant="a", now=T)
    with pytest.raises(Invalid):
        dialects.write(prepared.tree, "oracle")
    for name in ("", "a.b.c.d", "a-b", "a; DROP TABLE b", 'a"b'):
        with pytest.raises(Invalid):
            dialects.table(name)
