"""`watchkeeper events sql`: the lake asked in SQL."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import click

from watchkeeper.app.lakes import lake_in
from watchkeeper.app.settings import data_folder, require_journal
from watchkeeper.cli import options
from watchkeeper.cli.querying import answer, options_of_a_query, range_of
from watchkeeper.core.clock import SystemClock


@click.command()
@click.argument("query")
@click.option(
    "--since",
    default="",
    help="A time (2026-11-22T16:00Z), an age (15m, 24h, 7d), or `all`. Default: what the query says of `time` or "
    "`day`, else 24h.",
)
@click.option("--until", default="", help="The same; default: now.")
@click.option("--tenant", default="default", show_default=True, help="Whose events.")
@options.data
@options.as_json
@options.errors_told
@options_of_a_query
def sql(query: str, since: str, until: str, tenant: str, data: Path | None, asked: Any, **_: Any) -> None:
    """Ask in SQL: one SELECT over the table `events`, read-only, one tenant's rows.

    QUERY is DuckDB's dialect within a stated subset (docs/concepts/sql.md), or `-` to read it from standard input. It
    is answered from the lake and from what of the journal the lake does not hold yet.

    `--json` prints one object a line.
    """
    folder, now = data_folder(data), SystemClock().now()
    text = sys.stdin.read() if query == "-" else query
    lake = lake_in(folder, tenant)
    prepared = lake.prepare(text, range_of(since, until, now))
    require_journal(folder)
    answer(lake, prepared, asked)
