"""`watchkeeper rules enable`: from now on a rule may wake people."""

from __future__ import annotations

from pathlib import Path

import click

from watchkeeper.app.administration import Administration
from watchkeeper.cli import options, output
from watchkeeper.cli.rules.given import headings_of, named, of_estate, outcomes_of, said_of, settings_of


@click.command("enable")
@click.argument("rule")
@click.option("--reason", required=True, help="Why; goes into the journal.")
@click.option("--anyway", is_flag=True, help="Though it was not simulated, or its tests fail.")
@options.config
@options.data
@options.as_json
@options.errors_told
def command(rule: str, reason: str, anyway: bool, config: Path | None, data: Path | None, as_json: bool) -> None:
    """Let a rule raise alerts, which open incidents. RULE is a name or an id.

    It must pass its own tests, and must have been simulated as it is now. It takes effect within a second or two.
    """
    loaded = settings_of(config, data)
    detections = of_estate(loaded)
    found = named(headings_of(detections), rule)
    ask = Administration(loaded.data_dir)
    passes = not outcomes_of(detections)[found.id].wrong
    done = ask.call("rules.enable", **said_of(found), reason=reason, passes=passes, anyway=anyway)
    if as_json:
        output.as_json(done)
        return
    wakes = done["wakes"] if done["simulated"] == found.version else None
    tried = f"it would have called somebody {wakes} times in {done['days']} days" if wakes is not None else "untried"
    output.text(f"enabled {found.name}: {tried}")
