"""`watchkeeper demo`: one attack, seen, stopped, contained and proven."""

from __future__ import annotations

import sys
import tempfile
from pathlib import Path

import click

from watchkeeper.app.settings import load
from watchkeeper.app.up import Up
from watchkeeper.cli import options, output
from watchkeeper.core.text import visible
from watchkeeper.exercise.model import Step


def tell(step: Step) -> None:
    """One line a step, as it ends."""
    mark = "✓ seen    " if step.seen else "✗ NOT SEEN"
    click.echo(f"  {mark} {step.ms:8.0f} ms  {step.title}")
    if step.detail:
        click.echo(f"                          {visible(step.detail, limit=150)}")


@click.command(short_help="One attack: seen, stopped, contained and proven.")
@click.option(
    "--data",
    type=click.Path(path_type=Path, file_okay=False),
    default=None,
    help="The data folder. Default: a temporary one.",
)
@options.as_json
@options.errors_told
def demo(data: Path | None, as_json: bool) -> None:
    """Attack real MCP servers through the gateway and watch it being stopped.

    A real client calls real servers in both eras; then a tool's description changes after approval, a result hides an
    instruction, and a call carries a secret out. Everything is labelled as exercise. Without --data, a temporary
    folder is used and removed.

    Exit code 0 only if every expected step was seen, else 1.
    """
    if data is None:
        with tempfile.TemporaryDirectory(prefix="watchkeeper-demo-") as folder:
            passed = _run(Path(folder, "data"), as_json=as_json)
    else:
        passed = _run(data.absolute(), as_json=as_json)
        if not as_json:
            click.echo(f"Its incident, labelled exercise, is left open: watchkeeper incidents list --data {data}")
    sys.exit(0 if passed else 1)


def _run(folder: Path, *, as_json: bool) -> bool:
    if not as_json:
        click.echo("Starting the gateway, the watch and the console on loopback …\n")
    with Up(load(None, folder, free_ports=True), demo=True, told=lambda _: None) as running:
        report = running.exercise((lambda _: None) if as_json else tell)
    if as_json:
        output.as_json({"steps": report.steps, "passed": report.passed})
    elif report.passed:
        click.echo("\nEvery step was seen. `watchkeeper up` does the same in front of your own servers.")
    else:
        click.echo("\nNot every step was seen; the lines marked ✗ say which.")
    return report.passed
