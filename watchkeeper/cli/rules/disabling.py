"""`watchkeeper rules disable`: from now on a rule raises nothing."""

from __future__ import annotations

from pathlib import Path

import click

from watchkeeper.app.administration import Administration
from watchkeeper.cli import options, output
from watchkeeper.cli.rules.given import headings_of, named, of_estate, said_of, settings_of


@click.command("disable")
@click.argument("rule")
@click.option("--reason", required=True, help="Why; goes into the journal.")
@options.config
@options.data
@options.as_json
@options.errors_told
def command(rule: str, reason: str, config: Path | None, data: Path | None, as_json: bool) -> None:
    """Let a rule raise nothing, also one that comes with the product. RULE is a name or an id.

    What it covers is a gap from then on, and `rules coverage` lists it as one.
    """
    loaded = settings_of(config, data)
    found = named(headings_of(of_estate(loaded)), rule)
    done = Administration(loaded.data_dir).call("rules.disable", **said_of(found), reason=reason)
    if as_json:
        output.as_json(done)
    else:
        output.text(f"disabled {found.name}")
