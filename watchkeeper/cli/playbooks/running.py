"""Having a playbook run, and ending a run."""

from __future__ import annotations

from pathlib import Path

import click

from watchkeeper.app.administration import Administration
from watchkeeper.cli import options, output
from watchkeeper.cli.playbooks.seeing import SHORT
from watchkeeper.core.errors import Invalid

inputs = click.option(
    "--input",
    "given",
    multiple=True,
    metavar="NAME=VALUE",
    help="What only a person knows, such as version=1.4.2; `playbooks show` names what a playbook asks for.",
)
_because = click.option("--reason", required=True, help="Why; goes into the journal.")


@click.command()
@click.argument("playbook")
@click.option("--incident", required=True, help="For this incident.")
@_because
@inputs
@options.data
@options.token_file
@options.as_json
@options.errors_told
def run(
    playbook: str,
    incident: str,
    reason: str,
    given: tuple[str, ...],
    data: Path | None,
    token_file: Path | None,
    as_json: bool,
) -> None:
    """Have a playbook run for an incident, whether it is due or not.

    What must be approved still must be: somebody else than you has to approve it, too.
    """
    ask = Administration.by_token(data, token_file)
    asked = {"playbook": playbook, "incident": incident, "reason": reason, "inputs": named(given)}
    begun = ask.call("playbooks.run", **asked)
    if as_json:
        output.as_json(begun)
    else:
        state = "waits for a watch" if ask.was_alone else "is begun"
        output.text(f"{begun['run'][:SHORT]} {state}: {begun['playbook']} for {begun['incident']}.")
        output.text(f"See it: watchkeeper playbooks run-show {begun['run'][:SHORT]}")
        if ask.was_alone:
            output.text("No watch runs here: nothing of it is done until `watchkeeper up` runs.")


@click.command()
@click.argument("run")
@click.option("--undo", is_flag=True, help="Take back what it did, last first.")
@_because
@options.data
@options.token_file
@options.as_json
@options.errors_told
def cancel(run: str, undo: bool, reason: str, data: Path | None, token_file: Path | None, as_json: bool) -> None:
    """End a run before its next step; what it did stays, unless --undo."""
    ended = Administration.by_token(data, token_file).call("playbooks.cancel", run=run, undo=undo, reason=reason)
    if as_json:
        output.as_json(ended)
    else:
        output.text(f"{ended['run'][:SHORT]} ends" + (", and what it did is taken back." if undo else "."))


def named(given: tuple[str, ...]) -> dict[str, str]:
    """`NAME=VALUE` as members. Raises `Invalid`."""
    found: dict[str, str] = {}
    for one in given:
        name, is_said, value = one.partition("=")
        if not is_said or name in found:
            raise Invalid(
                f"--input {one[:80]!r} is not NAME=VALUE, or names one twice", hint="write --input version=1.4.2"
            )
        found[name] = value
    return found


COMMANDS = (run, cancel)
