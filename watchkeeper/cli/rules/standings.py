"""`watchkeeper rules states`: what each rule may do here, and why not more."""

from __future__ import annotations

from pathlib import Path

import click

from watchkeeper.cli import options, output
from watchkeeper.cli.rules.given import of_estate, settings_of
from watchkeeper.cli.rules.standing import Stands, stands_of


@click.command("states")
@click.option("--all", "everything", is_flag=True, help="Also ours that are enabled, as all of them are at first.")
@options.config
@options.data
@options.as_json
@options.errors_told
def command(everything: bool, config: Path | None, data: Path | None, as_json: bool) -> None:
    """Say of each rule whether it is enabled, silent or disabled here, and why.

    Rules of your own are silent at first: their matches are recorded (`detect.alert.silenced`) and wake nobody.
    """
    loaded = settings_of(config, data)
    stands = stands_of(loaded, of_estate(loaded))
    shown = [one for one in stands if everything or one.is_own or one.state != "enabled"]
    if as_json:
        output.lines(shown)
        return
    output.table(
        ["rule", "state", "why", "simulated"],
        [[one.name, one.state, one.why or "-", _simulated(one)] for one in shown],
        empty=f"All {len(stands)} rules come with the product and are enabled; --all lists them.",
        below=("why",),
    )


def _simulated(one: Stands) -> str:
    if not one.simulated_at:
        return "never"
    told = f"{one.wakes} calls in {one.days} days"
    return told if one.is_current else f"{told}, as it was before"
