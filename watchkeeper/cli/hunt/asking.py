"""What every command about a hunt takes: folders of one's own, parameters, a range, a tenant; and the query of it."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import click

from watchkeeper.app.lakes import lake_in
from watchkeeper.app.settings import data_folder
from watchkeeper.cli.querying import range_of
from watchkeeper.core.clock import SystemClock
from watchkeeper.detect.hunts.loading import find
from watchkeeper.detect.hunts.model import Hunt
from watchkeeper.detect.hunts.own import known_hunts
from watchkeeper.detect.hunts.parameters import from_words, values
from watchkeeper.events.lake.sql.model import Answer, Limits
from watchkeeper.events.lake.sql.rewriting import Prepared
from watchkeeper.events.lake.sql.running import Lake

folder = click.option(
    "--folder",
    "folders",
    multiple=True,
    type=click.Path(path_type=Path, file_okay=False),
    help="A folder of your own hunts beside ours and the saved ones; may be repeated.",
)
parameters = click.option(
    "--param", "words", multiple=True, metavar="NAME=VALUE", help="A parameter; a list's are given one by one."
)
since = click.option("--since", default="", help="An age (24h, 7d), a time, or `all`. Default: as the hunt says.")
until = click.option("--until", default="", help="The same; default: now.")
tenant = click.option("--tenant", default="default", show_default=True, help="Whose events.")


def hunt_called(name: str, data: Path | None, folders: Sequence[Path] = ()) -> Hunt:
    """Raises `NotFound`."""
    return find(known_hunts(data_folder(data), folders), name)


def prepared_of(
    hunt: Hunt, data: Path | None, words: Sequence[str], since: str, until: str, tenant: str
) -> tuple[Lake, Prepared]:
    """The hunt's query, ready to be run. Raises `Invalid`."""
    lake = lake_in(data_folder(data), tenant)
    asked = range_of(since or ("" if until else hunt.range), until, SystemClock().now())
    return lake, lake.prepare(hunt.sql, asked, dict(values(hunt, from_words(hunt, words))))


def answer_of(hunt: Hunt, data: Path | None, words: Sequence[str], since: str, until: str, tenant: str) -> Answer:
    """Its rows, at most a thousand."""
    lake, prepared = prepared_of(hunt, data, words, since, until, tenant)
    return lake.run(prepared, Limits(rows=1000))


def shown(value: Any) -> str:
    """A parameter's value for people."""
    return value if isinstance(value, str) else ", ".join(value) if isinstance(value, tuple) else str(value)
