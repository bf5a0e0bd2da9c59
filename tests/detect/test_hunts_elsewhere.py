"""The same hunts on engines that a company runs already, over the same files: equal rows in the same order."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

import pytest
from deltalake import DeltaTable, QueryBuilder
from sqlglot import exp

from tests.detect import hunting_table  # type: ignore[import-not-found]
from tests.detect.spark_child import SHORT_LIVED  # type: ignore[import-not-found]
from watchkeeper.core.clock import SECOND
from watchkeeper.core.content import content_folder
from watchkeeper.detect.hunts.loading import load_hunts
from watchkeeper.detect.hunts.model import Value
from watchkeeper.detect.hunts.parameters import samples
from watchkeeper.detect.hunts.trials import NOW
from watchkeeper.events.lake.schema import COLUMNS
from watchkeeper.events.lake.sql import child, dialects
from watchkeeper.events.lake.sql.model import Range
from watchkeeper.events.lake.sql.rewriting import Prepared, prepare, rewrite

pytestmark = [pytest.mark.slow, pytest.mark.timeout(600)]

HUNTS = load_hunts([content_folder("hunts")])
HERE = Path(__file__).parent
SAID: dict[str, dict[str, Value]] = {
    "actor_last_100": {"actor": "agent:O'Brien"},
    "burst_within_a_minute": {"more_than": 2},
    "literal_in_arguments": {"needle": "O'Brien"},
    "needles_in_arguments": {"needles": ("/etc/shadow", "\\\\", "日本", "$1", "%", "\u2028", "x | sh")},
    "tool_version_callers": {"fingerprint": hunting_table.FINGERPRINTS[0]},
}
RANGES = {"read_then_send": Range(NOW - 3600 * SECOND)}
"""A join of everything with everything that was near would take minutes."""
PROBES = {
    "texts": "SELECT id, lower(actor) AS a, upper(server) AS b, length(arguments) AS n,"
    " substring(arguments, 2, 9) AS c,"
    " starts_with(target, 'read') AS d, ends_with(target, 'it') AS e, regexp_extract(arguments,"
    ' \'"x":"([^"]*)\', 1) AS f,'
    " regexp_extract(arguments, '[0-9]+') AS g, target || '/' || reason AS h, coalesce(reason, 'none') AS i,"
    " nullif(server, 'web') AS j, list_contains(labels, 'O''Brien') AS k, labels"
    " FROM events WHERE NOT contains(arguments, 'İ') ORDER BY id LIMIT 3000",
    "patterns": "SELECT count(*) FILTER (WHERE regexp_matches(arguments, 'a.b')) AS a,"
    " count(*) FILTER (WHERE regexp_matches(target, 'run$')) AS b,"
    " count(*) FILTER (WHERE regexp_matches(arguments, '(?i)O.BRIEN|[äö]')) AS c,"
    " count(*) FILTER (WHERE target LIKE '%\n%') AS d, count(*) FILTER (WHERE actor ILIKE 'AGENT:_') AS e,"
    " count(*) FILTER (WHERE arguments NOT LIKE '%a%') AS f, count(*) AS n FROM events",
    "numbers": "SELECT server, sum(duration_us) AS s, avg(duration_us) AS a, min(duration_us) AS b,"
    " max(duration_us) AS c,"
    " count(duration_us) AS n, count(DISTINCT target) AS d, sum(duration_us // 7) AS e, sum(duration_us"
    " % 7) AS f,"
    " sum(severity) AS g, max(duration_us) / 4 AS h, sum(abs(duration_us - 25)) AS i"
    " FROM events GROUP BY server HAVING count(*) > 1 ORDER BY server",
    "times": "SELECT date_trunc('hour', time) AS hour, day, count(*) AS n, min(epoch_us(time)) AS e,"
    " max(time + interval '90' minute) AS t FROM events WHERE time >= '2026-09-19T00:00:00.000001Z' AND"
    " day < '2026-09-21'"
    " GROUP BY 1, 2 ORDER BY 1, 2",
    "windows": "SELECT id, rank() OVER (PARTITION BY server ORDER BY duration_us DESC) AS r,"
    " dense_rank() OVER (PARTITION BY server ORDER BY duration_us) AS d,"
    " lag(target, 2) OVER (PARTITION BY actor ORDER BY time, id) AS before,"
    " sum(duration_us) OVER (PARTITION BY actor ORDER BY time, id) AS running,"
    " count(*) OVER (PARTITION BY outcome) AS n FROM events ORDER BY r, id LIMIT 2000",
    "nulls": "SELECT a.id, b.id AS other, b.duration_us FROM events AS a LEFT JOIN events AS b"
    " ON a.id = b.id AND b.duration_us > 40 WHERE a.kind = 'registry.pin.changed' ORDER BY b.duration_us"
    " DESC, a.id",
    "sets": "WITH few AS (SELECT actor, server FROM events WHERE outcome = 'ask' GROUP BY actor, server)"
    " SELECT actor AS name FROM few UNION SELECT server FROM events WHERE server IN (SELECT server FROM few)"
    " AND (SELECT count(*) FROM few) > 1 ORDER BY name DESC",
    "none": "SELECT count(*) AS n, sum(duration_us) AS s, max(time) AS t, avg(status) AS a FROM events"
    " WHERE actor = 'x'",
}
"""Whatever else the subset has."""


class Here:
    """The table, and our own answer to every query."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.table, some = hunting_table.build(folder)
        self.prepared: dict[str, Prepared] = {}
        for name, hunt in HUNTS.items():
            said = samples(hunt.parameters) | SAID.get(name, {}) | ({"id": some.id} if name == "event_by_id" else {})
            self.prepared[name] = _prepare(hunt.sql, RANGES.get(name, Range()), said)
        self.prepared |= {name: _prepare(sql, Range(), {}) for name, sql in PROBES.items()}
        self.rows = {name: self._rows(one) for name, one in self.prepared.items()}

    def _rows(self, prepared: Prepared) -> list[list[Any]]:
        builder = QueryBuilder().register("lake_0", self.table)
        reader = builder.execute(dialects.write(rewrite(prepared, ("lake_0",)), "datafusion"))
        names = reader.schema.names
        kinds = {name: child._kind(str(reader.schema.field(name).type)) for name in names}
        return [row for batch in reader for part in child._parts(batch, kinds) for row in part]


def _prepare(sql: str, asked: Range, said: dict[str, Value]) -> Prepared:
    return prepare(sql, tenant="a", now=NOW, asked=asked, parameters=dict(said))


@pytest.fixture(scope="module")
def here(tmp_path_factory: pytest.TempPathFactory) -> Here:
    return Here(tmp_path_factory.mktemp("elsewhere") / "events")


def differences(here: Here, theirs: dict[str, list[list[Any]]]) -> list[str]:
    told = []
    for name, mine in here.rows.items():
        pairs = [(at, a, b) for at, (a, b) in enumerate(zip(mine, theirs[name], strict=False)) if a != b]
        if pairs or len(mine) != len(theirs[name]):
            told.append(f"{name}: {len(mine)} rows here, {len(theirs[name])} there; first difference {pairs[:1]}")
    return told


@pytest.mark.behaviour("hunts.same-rows-elsewhere")
def test_the_comparison_has_something_to_compare(here: Here) -> None:
    assert {name for name, rows in here.rows.items() if not rows} == set()
    assert sum(map(len, here.rows.values())) > 5_000


def _from_clickhouse(value: Any, kind: str) -> Any:
    if value is None:
        return None
    if "Int" in kind and "Array" not in kind:
        return int(value)
    if "DateTime" in kind:
        text = value.replace(" ", "T")
        return f"{text}Z" if "." in text else f"{text}.000000Z"
    return bool(value) if kind in ("Bool", "Nullable(Bool)") else value


@pytest.mark.behaviour("hunts.same-rows-elsewhere")
def test_embedded_clickhouse_reads_the_table_itself_and_finds_the_same_rows(here: Here) -> None:
    pytest.importorskip("chdb", reason="embedded ClickHouse is not installed")

    def table(_: str) -> Any:
        call = exp.Anonymous(this="deltaLakeLocal", expressions=[exp.Literal.string(str(here.folder))])
        return exp.Table(this=call)

    queries = {
        name: dialects.write(rewrite(one, ("lake",), table), "clickhouse") for name, one in here.prepared.items()
    }
    done = subprocess.run(
        [sys.executable, HERE / "clickhouse_child.py"],
        input=json.dumps(queries),
        capture_output=True,
        text=True,
        cwd=here.folder.parent,
        check=False,
        env=os.environ | {"TZ": "UTC"},
    )
    assert done.returncode == 0, done.stderr[-3000:]
    answers = {
        name: [
            [_from_clickhouse(value, kind) for value, kind in zip(row, answer["types"], strict=True)]
            for row in answer["rows"]
        ]
        for name, answer in json.loads(done.stdout).items()
    }
    for rows in (answers["texts"],):  # ClickHouse has no type for true and false of its own functions
        for row in rows:
            row[5], row[6], row[12] = map(bool, (row[5], row[6], row[12]))
    assert differences(here, answers) == []


OPENED = [f"--add-opens=java.base/{name}=ALL-UNNAMED" for name in ("java.lang", "java.nio", "java.util", "sun.nio.ch")]
NO_REST = ["-Dspark.master.rest.enabled=false"]
"""Its port would be a fixed one."""
SPARK_TYPES = {"Utf8": "string", "Int32": "int", "Int64": "bigint", "Date32": "date", "Timestamp": "timestamp"}


def _schema() -> str:
    """The columns in Spark's words."""
    words = []
    for name, (kind, _, _) in COLUMNS.items():
        text = str(kind).removeprefix("arro3.core.DataType<").strip()
        simple = next((theirs for ours, theirs in SPARK_TYPES.items() if text.startswith(ours)), "array<string>")
        words.append(f"`{name}` {simple}")
    return ", ".join(words)


@contextmanager
def cluster(folder: Path) -> Iterator[str]:
    """A standalone master and two workers on loopback, each a process of its own."""
    spark = Path(__import__("pyspark").__file__).parent
    scala = next(spark.glob("jars/scala-library-*.jar")).stem.split("-")[2].rpartition(".")[0]
    with ExitStack() as stack:

        def start(*words: str) -> Path:
            log = folder / f"{words[0].rsplit('.', 1)[1]}-{len(list(folder.glob('*.log')))}.log"
            environment = os.environ | {
                "SPARK_HOME": str(spark),
                "SPARK_SCALA_VERSION": scala,
                "SPARK_LOCAL_IP": "127.0.0.1",
                "SPARK_WORKER_DIR": str(folder / "work"),
                "TZ": "UTC",
            }
            # Spark's own script would start a Java to find out how to start this one
            command = ["java", *SHORT_LIVED.split(), *OPENED, "-Xmx256m", *NO_REST, "-cp", f"{spark}/jars/*", *words]
            with log.open("w") as out:
                process = subprocess.Popen(command, stdout=out, stderr=subprocess.STDOUT, env=environment)
            stack.callback(process.wait, 30)
            stack.callback(process.terminate)
            return log

        deploy = "org.apache.spark.deploy"
        log = start(f"{deploy}.master.Master", "--host", "127.0.0.1", "--port", "0", "--webui-port", "0")
        url = _said_in(log, "Starting Spark master at ")
        worker = ["--host", "127.0.0.1", "--cores", "1", "--memory", "768m", "--webui-port", "0", url]
        for _ in range(2):
            start(f"{deploy}.worker.Worker", *worker)
        yield url  # the driver waits for both


def _said_in(log: Path, words: str) -> str:
    """What follows these words in a log, once they are there."""
    tail = subprocess.Popen(
        ["tail", "-n", "+1", "-F", log], stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True
    )
    try:
        assert tail.stdout is not None
        for line in tail.stdout:  # bounded by the test's own limit
            if words in line:
                return line.split(words)[1].split()[0]
    finally:
        tail.kill()
        tail.wait()
        if tail.stdout is not None:
            tail.stdout.close()
    raise AssertionError(log.read_text())


@pytest.mark.behaviour("hunts.same-rows-elsewhere")
def test_a_spark_cluster_over_the_tables_files_finds_the_same_rows(here: Here, tmp_path: Path) -> None:
    """Spark's own reader of Delta is a jar that is not shipped here: it reads the files that the table lists."""
    pytest.importorskip("pyspark", reason="Spark is not installed")
    if shutil.which("java") is None:
        pytest.skip("Spark needs a Java, and there is none")
    queries = {
        name: dialects.write(rewrite(one, ("events",), dialects.table("events")), "spark")
        for name, one in here.prepared.items()
    }
    with cluster(tmp_path) as master:
        asked = {
            "master": master,
            "root": str(here.folder),
            "schema": _schema(),
            "files": DeltaTable(here.folder).file_uris(),
            "queries": queries,
        }
        done = subprocess.run(
            [sys.executable, HERE / "spark_child.py"],
            input=json.dumps(asked),
            capture_output=True,
            text=True,
            check=False,
            env=os.environ | {"TZ": "UTC", "SPARK_LOCAL_IP": "127.0.0.1"},
        )
    assert done.returncode == 0, done.stderr[-3000:]
    told = json.loads(done.stdout.splitlines()[-1])
    assert told["executors"] == 2
    assert differences(here, told["answers"]) == []
