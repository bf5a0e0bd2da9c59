"""The driver of a Spark cluster: the master's URL, the table's files and queries in, rows out."""

from __future__ import annotations

import datetime
import json
import sys
import time
from typing import Any

SHORT_LIVED = "-XX:TieredStopAtLevel=1 -XX:+UseSerialGC"
"""A Java that lives for a minute: what compiling well would win it never gets back."""


def main() -> None:
    from pyspark.sql import SparkSession  # not everywhere; the options above are read without it

    asked = json.load(sys.stdin)
    spark = (
        SparkSession.builder.master(asked["master"])
        .config("spark.driver.host", "127.0.0.1")
        .config("spark.driver.bindAddress", "127.0.0.1")
        .config("spark.driver.memory", "512m")
        .config("spark.executor.memory", "512m")
        .config("spark.executor.cores", "1")
        .config("spark.cores.max", "2")
        .config("spark.sql.session.timeZone", "UTC")
        .config("spark.sql.shuffle.partitions", "2")
        .config("spark.sql.adaptive.enabled", "false")  # it makes a job of every shuffle
        .config("spark.driver.extraJavaOptions", SHORT_LIVED)
        .config("spark.executor.extraJavaOptions", SHORT_LIVED)
        .config("spark.ui.enabled", "false")
        .getOrCreate()
    )
    spark.sparkContext.setLogLevel("ERROR")
    frame = spark.read.schema(asked["schema"]).option("basePath", asked["root"]).parquet(*asked["files"])
    frame.createOrReplaceTempView("events")
    executors = _executors(spark)
    answers = {
        name: [[_plain(value) for value in row] for row in spark.sql(sql).collect()]
        for name, sql in asked["queries"].items()
    }
    json.dump({"executors": executors, "version": spark.version, "answers": answers}, sys.stdout)
    spark.stop()


def _executors(spark: Any) -> int:
    """How many there are once both are; the driver counts as one there."""
    end = time.monotonic() + 240
    while True:
        found = int(spark.sparkContext._jsc.sc().getExecutorMemoryStatus().size()) - 1
        if found >= 2 or time.monotonic() > end:
            return found
        time.sleep(0.1)


def _plain(value: Any) -> Any:
    if isinstance(value, datetime.datetime):  # the process runs in UTC
        return f"{value:%Y-%m-%dT%H:%M:%S.%f}Z"
    if isinstance(value, datetime.date):
        return value.isoformat()
    return list(value) if isinstance(value, list) else value


if __name__ == "__main__":
    main()
