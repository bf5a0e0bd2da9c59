"""`watchkeeper events`: every fact of the estate, searched while the service runs. One module a command."""

from __future__ import annotations

import click

from watchkeeper.cli.events.export import export
from watchkeeper.cli.events.kinds import kinds
from watchkeeper.cli.events.search import search
from watchkeeper.cli.events.show import conversation, show
from watchkeeper.cli.events.sql import sql
from watchkeeper.cli.events.stats import stats
from watchkeeper.cli.events.tail import tail


@click.group()
def events() -> None:
    """Recorded events: search, follow, count, ask in SQL, export.

    QUERY is the language of `watchkeeper events search --help` everywhere but in `sql`.
    """


for command in (search, tail, stats, show, conversation, export, kinds, sql):
    events.add_command(command)
