"""What can be asked: the subset, refused on doubt, with the place and what to write instead."""

from __future__ import annotations

import pytest

from watchkeeper.core.errors import Invalid
from watchkeeper.events.lake.sql import checking, dialects, naming, patterns
from watchkeeper.events.lake.sql.model import Range
from watchkeeper.events.lake.sql.rewriting import prepare

NOW = 1_794_000_000_000_000
HOUR = 3_600_000_000
DAY = 24 * HOUR


def refusal(sql: str) -> Invalid:
    with pytest.raises(Invalid) as refused:
        prepare(sql, tenant="a", now=NOW)
    return refused.value


@pytest.mark.behaviour("sql.only-select")
@pytest.mark.parametrize(
    "sql",
    [
        "DROP TABLE events",
        "DELETE FROM events",
        "INSERT INTO events SELECT * FROM events",
        "UPDATE events SET actor = 'x'",
        "CREATE VIEW x AS SELECT * FROM events",
        "CREATE EXTERNAL TABLE x STORED AS CSV LOCATION '/etc/passwd'",
        "COPY (SELECT * FROM events) TO '/tmp/x.csv'",
        "SET datafusion.execution.batch_size = 1",
        "PRAGMA database_list",
        "ATTACH 'x'",
        "EXPLAIN SELECT * FROM events",
        "SHOW TABLES",
        "VALUES (1)",
        "SELECT * FROM events; SELECT * FROM events",
        "SELECT * FROM events; DROP TABLE events",
        "PIVOT events ON actor",
        "SELECT * INTO x FROM events",
        "SELECT * FROM events FOR UPDATE",
        "WITH x AS (INSERT INTO events VALUES (1) RETURNING 1) SELECT * FROM x",
        "",
        "   -- nothing",
        ";",
    ],
)
def test_only_one_statement_and_only_one_that_reads(sql: str) -> None:
    refusal(sql)


@pytest.mark.behaviour("sql.only-events")
@pytest.mark.parametrize(
    "sql",
    [
        "SELECT * FROM 'secrets.parquet'",
        "SELECT * FROM read_csv('/etc/passwd')",
        "SELECT * FROM read_parquet('*.parquet')",
        "SELECT * FROM glob('/*')",
        "SELECT * FROM range(1000000000)",
        "SELECT * FROM information_schema.tables",
        "SELECT * FROM pg_catalog.pg_tables",
        "SELECT * FROM main.events",
        "SELECT * FROM memory.main.events",
        "SELECT * FROM public.events",
        'SELECT * FROM "public"."events"',
        "SELECT * FROM others",
        'SELECT * FROM "Events"',
        'SELECT * FROM "events "',
        "SELECT * FROM \uff45vents",  # a wide letter
        "SELECT * FROM ev\u0435nts",  # a Cyrillic letter
        "SELECT * FROM events, LATERAL (SELECT 1)",
        "SELECT * FROM events TABLESAMPLE 5",
        "SELECT unnest(labels) FROM events",
        "SELECT getenv('HOME') FROM events",
        "SELECT current_setting('x') FROM events",
        "SELECT 1",
    ],
)
def test_nothing_is_read_but_the_table_of_events(sql: str) -> None:
    refusal(sql)


@pytest.mark.behaviour("sql.no-shadow")
@pytest.mark.parametrize(
    "sql",
    [
        "WITH events AS (SELECT * FROM events) SELECT * FROM events",
        'WITH "events" AS (SELECT * FROM events) SELECT * FROM events',
        "WITH EVENTS AS (SELECT actor FROM events) SELECT * FROM events",
        "WITH RECURSIVE a AS (SELECT id FROM events UNION ALL SELECT id FROM a) SELECT * FROM a",
        "WITH a AS (SELECT * FROM b), b AS (SELECT * FROM events) SELECT * FROM a",
        "SELECT * FROM (WITH a AS (SELECT * FROM events) SELECT * FROM a) AS x",
    ],
)
def test_a_query_cannot_give_the_name_events_to_something_else(sql: str) -> None:
    refusal(sql)


@pytest.mark.behaviour("sql.same-everywhere")
@pytest.mark.parametrize(
    ("sql", "hint"),
    [
        ("SELECT date_diff('second', time, time) FROM events", "interval '60' second"),
        ("SELECT time - time FROM events", "epoch_us"),
        ("SELECT id FROM events WHERE regexp_matches(arguments, '\\d+')", "[0-9]"),
        ("SELECT id FROM events WHERE regexp_matches(arguments, '(?=a)')", "(?:"),
        ("SELECT id FROM events WHERE arguments LIKE '100\\%'", "contains"),
        ("SELECT CAST(status AS VARCHAR) AS s FROM events", "DATE"),
        ("SELECT status / duration_us AS s FROM events", "compare"),
        ("SELECT status / 0 AS s FROM events", "compare"),
        ("SELECT lower(actor) AS actor FROM events", "actor_of"),
        ("SELECT id FROM events WHERE id NOT IN (SELECT id FROM events)", "LEFT JOIN"),
        ("SELECT median(duration_us) AS m FROM events", "row_number"),
        ("SELECT count(*) AS n FROM events GROUP BY ALL", "SQL page"),
        ("SELECT time + interval '1' month AS t FROM events", "second"),
        ("SELECT json_extract_string(arguments, '$.a') AS a FROM events", "regexp_extract"),
        ("SELECT row_number() AS n FROM events", "SQL page"),
    ],
)
def test_what_engines_answer_differently_is_refused_and_the_way_out_is_named(sql: str, hint: str) -> None:
    assert hint in refusal(sql).hint


@pytest.mark.behaviour("sql.no-runaway-joins")
@pytest.mark.parametrize(
    "sql",
    [
        "SELECT a.id FROM events AS a, events AS b",
        "SELECT a.id FROM events AS a CROSS JOIN events AS b",
        "SELECT a.id FROM events AS a JOIN events AS b ON true",
        "SELECT a.id FROM events AS a JOIN events AS b ON a.time < b.time",
        "SELECT a.id FROM events AS a JOIN events AS b ON b.actor = b.server",
        "SELECT a.id FROM events AS a JOIN events AS b ON a.actor = b.actor OR a.id = b.id",
        "SELECT id FROM events AS a WHERE EXISTS (SELECT b.id FROM events AS b WHERE b.actor = a.actor)",
        "SELECT id, (SELECT max(b.time) FROM events AS b WHERE b.actor = a.actor) AS m FROM events AS a",
    ],
)
def test_joins_need_equal_columns_and_subqueries_stand_alone(sql: str) -> None:
    refusal(sql)


@pytest.mark.behaviour("sql.says-where")
def test_a_refusal_names_the_place_and_the_nearest_name() -> None:
    refused = refusal("SELECT id,\n  actr\nFROM events")
    assert (refused.reason, refused.hint) == ("line 2, column 3: there is no column actr", "did you mean actor?")
    assert refusal("SELECT id\nFROM events WHERE foo(id)").reason == (
        "line 2, column 19: the function foo is not in the subset"
    )


@pytest.mark.behaviour("sql.bounded")
@pytest.mark.parametrize(
    "sql",
    [
        "SELECT id FROM events WHERE " + "(" * 3000 + "1 = 1" + ")" * 3000,
        "SELECT id FROM events WHERE " + "NOT " * 3000 + "true",
        "SELECT " + "- " * 3000 + "1 FROM events",
        "SELECT " + "CASE WHEN true THEN " * 1000 + "1" + " END" * 1000 + " FROM events",
        "SELECT id FROM events WHERE id = '" + "x" * 30_000 + "'",
        "SELECT " + ", ".join(["id"] * 5000) + " FROM events",
        "SELECT id FROM events WHERE id = '\0'",
        "SELECT id FROM events WHERE id = 'open",
        "SELECT id FROM events WHERE id = '\ud800'",
        "SELECT " + "1 + " * 1500 + "1 AS x FROM events",
    ],
)
def test_size_and_nesting_are_bounded(sql: str) -> None:
    refusal(sql)


@pytest.mark.behaviour("sql.range")
@pytest.mark.parametrize(
    ("where", "since", "until"),
    [
        ("time > now() - interval '2' hour", NOW - 2 * HOUR + 1, None),
        ("time >= now() - interval '2' hour AND time < now()", NOW - 2 * HOUR, NOW),
        ("day = '1970-01-02'", DAY, 2 * DAY),
        ("day BETWEEN DATE '1970-01-02' AND '1970-01-03'", DAY, 3 * DAY),
        ("'1970-01-02' <= day AND NOT time < '1970-01-09'", DAY, None),
        ("time = TIMESTAMP '1970-01-01 00:00:01'", 1_000_000, 1_000_001),
        ("(time <= '1970-01-01T00:00:01Z' AND (severity > 2))", None, 1_000_001),
    ],
)
def test_the_range_is_read_from_the_conditions(where: str, since: int | None, until: int | None) -> None:
    found = prepare(f"SELECT id FROM events WHERE {where}", tenant="a", now=NOW)
    assert (found.span, found.is_default_range) == (Range(since, until), False)


@pytest.mark.behaviour("sql.range")
@pytest.mark.parametrize(
    "where", ["true", "time > '1970-01-02' OR actor = 'x'", "NOT time > '1970-01-02'", "time = time"]
)
def test_without_a_range_the_last_day_is_read_and_it_is_said(where: str) -> None:
    found = prepare(f"SELECT id FROM events WHERE {where}", tenant="a", now=NOW)
    assert (found.span, found.is_default_range) == (Range(NOW - DAY, None), True)
    everything = prepare(f"SELECT id FROM events WHERE {where}", tenant="a", now=NOW, asked=Range())
    assert (everything.span, everything.is_default_range) == (Range(), False)


def test_each_reference_has_its_own_range_and_what_was_asked_beside_bounds_them_all() -> None:
    join = "events AS a JOIN events AS b ON a.actor = b.actor AND b.day = '1970-01-02'"
    sql = f"SELECT a.id FROM {join} WHERE a.day < '1970-01-09'"
    assert prepare(sql, tenant="a", now=NOW).ranges == (Range(None, 8 * DAY), Range(DAY, 2 * DAY))
    bounded = prepare(sql, tenant="a", now=NOW, asked=Range(0, 3 * DAY))
    assert bounded.ranges == (Range(0, 3 * DAY), Range(DAY, 2 * DAY))


@pytest.mark.behaviour("sql.parameters-are-values")
def test_a_parameter_is_a_value_whatever_it_holds() -> None:
    hostile = "x' OR 1=1; DROP TABLE events --"
    tree = checking.parse(
        "SELECT id FROM events WHERE actor = :who AND status IN (:codes)", {"who": hostile, "codes": [1, -2]}
    )
    text = dialects.write(naming.resolve(tree), "datafusion")
    assert text.endswith("""WHERE "actor" = 'x'' OR 1=1; DROP TABLE events --' AND "status" IN (1, -2)""")
    with pytest.raises(Invalid) as missing:
        checking.parse("SELECT id FROM events WHERE actor = :whom", {"who": "x"})
    assert missing.value.hint == "parameters of this query: :who"


@pytest.mark.parametrize(
    "pattern",
    ["a|b", "[a-z]+@[a-z]{2,}", "^x.*y$", "(?i)key", "a(?:b|c)*?d", '"path":"([^"]*)"', "\\.\\/\\[", "[\\]a]"],
)
def test_patterns_that_mean_the_same_are_taken(pattern: str) -> None:
    assert patterns.read(pattern).for_rust() == pattern


@pytest.mark.behaviour("sql.patterns")
@pytest.mark.parametrize(
    "pattern",
    ["\\w", "\\bx", "(?<a>b)", "(?=a)", "(a)\\1", "a**", "a++", "*a", "[[:alpha:]]", "[a&&b]", "(a", "a)", "[]",
     "x{2,1000}", "\\<a", "(a)(b)", "a{", "]", "(?i", "\\", "a\0", "[a", "x" * 1001, "(" * 21 + "a" + ")" * 21],
)  # fmt: skip
def test_patterns_that_engines_read_differently_are_refused(pattern: str) -> None:
    with pytest.raises(Invalid):
        patterns.read(pattern)
