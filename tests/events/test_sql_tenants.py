"""One tenant's answer is what it would be if nobody else were in the table: rows, counts, everything."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from deltalake import DeltaTable, QueryBuilder, write_deltalake
from deltalake import Schema as DeltaSchema
from hypothesis import given, settings
from hypothesis import strategies as st

from watchkeeper.core.errors import Invalid
from watchkeeper.events.lake.schema import PARTITIONS, SCHEMA, to_batch, to_row
from watchkeeper.events.lake.sql import dialects
from watchkeeper.events.lake.sql.model import Range
from watchkeeper.events.lake.sql.rewriting import prepare, rewrite
from watchkeeper.events.model import Event, new_event

T = 1_790_000_000_000_000


def event(number: int, tenant: str) -> Event:
    return new_event(
        T + number * 1_000_000,
        "gateway.request.decided",
        tenant=tenant,
        actor=f"agent:{number % 3}",
        server=f"server-{number % 2}",
        target=f"{'foreign' if tenant == 'b' else 'own'}-{number}",
        outcome=("allow", "deny")[number % 4 == 0],
        labels=("exercise",) if number % 5 == 0 else (),
        body={"arguments": f'{{"n":{number}}}', "duration_us": number},
    )


def table_of(folder: Path, tenants: str) -> DeltaTable:
    """Two commits, so that a tenant's rows lie in several files."""
    table = DeltaTable.create(folder, schema=DeltaSchema.from_arrow(SCHEMA), partition_by=list(PARTITIONS))
    for part in range(2):
        rows = [
            to_row(event(number * 2 + part, tenant), "gateway", number * 100 + ord(tenant))
            for number in range(8)
            for tenant in "ab"
            if tenant in tenants
        ]
        write_deltalake(table, to_batch([row | {"id": f"{row['idx']}-{part}"} for row in rows]), mode="append")
    return table


@pytest.fixture(scope="module")
def tables(tmp_path_factory: pytest.TempPathFactory) -> tuple[QueryBuilder, QueryBuilder]:
    folder = tmp_path_factory.mktemp("tenants")
    both, alone = table_of(folder / "both", "ab"), table_of(folder / "alone", "a")
    return QueryBuilder().register("lake_0", both), QueryBuilder().register("lake_0", alone)


names = st.sampled_from(["events", "EVENTS", '"events"', "/* x */ events", "Events -- y\n", "\tevents\n"])
columns = st.sampled_from(["actor", "server", "target", "outcome", "tenant", "kind", "arguments"])
plain = st.one_of(
    st.sampled_from(
        [
            "tenant = 'b'",
            "tenant <> 'a'",
            "true",
            "outcome = 'deny'",
            "duration_us > 4",
            "list_contains(labels, 'exercise')",
        ]
    ),
    columns.map(lambda name: f"contains({name}, 'foreign')"),
    st.just("tenant IN ('a', 'b')"),
    st.just("NOT (tenant = 'a')"),
    st.just("1 = 1 OR tenant = 'b'"),
)


@st.composite
def source(draw: Any, alias: str, ctes: tuple[str, ...] = ()) -> str:
    kind = draw(st.integers(0, 4))
    if kind == 0 and ctes:
        return f"{draw(st.sampled_from(ctes))} AS {alias}"
    if kind == 1:
        return f"(SELECT * FROM {draw(names)} WHERE {draw(plain)}) AS {alias}"
    if kind == 2:
        return f"(SELECT * FROM {draw(names)} UNION ALL SELECT * FROM {draw(names)}) AS {alias}"
    return f"{draw(names)} AS {alias}"


@st.composite
def condition(draw: Any, alias: str) -> str:
    inner = draw(source("inside"))
    return str(
        draw(
            st.one_of(
                plain.map(lambda text: f"({text})"),
                st.just(f"{alias}.id IN (SELECT inside.id FROM {inner})"),
                st.just(f"EXISTS (SELECT inside.id FROM {inner} WHERE {draw(plain)})"),
                st.just(f"(SELECT count(*) FROM {inner}) > {draw(st.integers(0, 20))}"),
            )
        )
    )


@st.composite
def query(draw: Any) -> str:
    with_ = ""
    ctes: tuple[str, ...] = ()
    if draw(st.booleans()):
        with_ = f"WITH part AS (SELECT * FROM {draw(source('p'))} WHERE {draw(plain)}) "
        ctes = ("part",)
    shape = draw(st.integers(0, 4))
    where = draw(condition("a"))
    first = draw(source("a", ctes))
    name = draw(columns)
    if shape == 0:
        return f"{with_}SELECT a.{name}, a.id FROM {first} WHERE {where}"
    if shape == 1:
        return f"{with_}SELECT a.{name}, count(*) AS n, sum(a.duration_us) AS s FROM {first} WHERE {where} GROUP BY 1"
    second = draw(source("b", ctes))
    side = draw(st.sampled_from(["JOIN", "LEFT JOIN"]))
    if shape == 2:
        other = draw(st.sampled_from(["actor", "outcome", "kind", "tenant"]))
        return (
            f"{with_}SELECT a.id, b.id AS other, b.tenant AS whose FROM {first} {side} {second} "
            f"ON a.{other} = b.{other} AND b.duration_us < 6 WHERE a.duration_us < 5"
        )
    if shape == 3:
        return f"{with_}SELECT a.id, count(*) OVER (PARTITION BY a.{name}) AS n FROM {first}"
    return f"{with_}SELECT a.{name} FROM {first} UNION ALL SELECT b.{name} FROM {second}"


def rows(builder: QueryBuilder, sql: str) -> list[tuple[Any, ...]]:
    prepared = prepare(sql, tenant="a", now=T, asked=Range())
    text = dialects.write(rewrite(prepared, ("lake_0",)), "datafusion")
    found = builder.execute(text).read_all()
    listed = [found[name].to_pylist() for name in found.schema.names]
    return sorted(zip(*listed, strict=True), key=repr)


@pytest.mark.behaviour("sql.tenants-apart")
@given(sql=query())
@settings(max_examples=120, deadline=None)
def test_an_answer_is_the_same_as_if_no_other_tenant_were_there(
    tables: tuple[QueryBuilder, QueryBuilder], sql: str
) -> None:
    both, alone = tables
    found = rows(both, sql)
    assert found == rows(alone, sql)
    assert "foreign" not in repr(found)


@pytest.mark.behaviour("sql.tenants-apart")
def test_the_other_tenant_is_there_and_would_be_found(tables: tuple[QueryBuilder, QueryBuilder]) -> None:
    prepared = prepare("SELECT count(*) AS n FROM events", tenant="b", now=T, asked=Range())
    text = dialects.write(rewrite(prepared, ("lake_0",)), "datafusion")
    assert tables[0].execute(text).read_all()["n"].to_pylist() == [16]


@pytest.mark.behaviour("sql.tenants-apart")
def test_a_reference_that_would_be_missed_finds_no_table(tables: tuple[QueryBuilder, QueryBuilder]) -> None:
    with pytest.raises(Exception, match="events"):
        tables[0].execute("SELECT * FROM events").read_all()


@pytest.mark.parametrize("tenant", ["a' OR '1'='1", "b'--", "\\' OR 1=1 --", "a\x00"])
def test_a_tenants_name_is_a_value(tables: tuple[QueryBuilder, QueryBuilder], tenant: str) -> None:
    prepared = prepare("SELECT count(*) AS n FROM events", tenant=tenant, now=T, asked=Range())
    text = dialects.write(rewrite(prepared, ("lake_0",)), "datafusion")
    assert tables[0].execute(text).read_all()["n"].to_pylist() == [0]


def test_nobody_is_no_tenant() -> None:
    with pytest.raises(Invalid):
        prepare("SELECT id FROM events", tenant="", now=T)
