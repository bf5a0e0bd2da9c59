"""What waits for a person, and the person's word."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from watchkeeper.app.administration import Administration
from watchkeeper.cli import options, output
from watchkeeper.cli.playbooks.seeing import SHORT

gate = click.argument("gate", metavar="ID")
comment = click.option("--comment", required=True, help="Why; goes into the journal and the incident's timeline.")
plan = click.option(
    "--plan", "binding", default="", help="Only if it is still this: the `binding` of `approvals --json`."
)


@click.command()
@options.data
@options.token_file
@options.as_json
@options.errors_told
def approvals(data: Path | None, token_file: Path | None, as_json: bool) -> None:
    """List what runs wait for: approvals, and things to do by hand. The oldest first."""
    rows = Administration.by_token(data, token_file).call("playbooks.approvals")
    if as_json:
        output.as_json(rows)
        return
    output.table(
        ["id", "kind", "incident", "playbook", "for", "more", "until", "what"],
        [
            [
                row["id"][:SHORT],
                row["kind"],
                row["number"],
                row["playbook"],
                ", ".join(row["voters"]),
                row["lacking"] or "-",
                output.moment(row["due_at"]),
                row["spec"]["what"],
            ]
            for row in rows
        ],
        empty="No run waits for a person. Calls of agents that do are in `watchkeeper approvals list`.",
        below=("what", "until"),
    )


def _say(choice: str, gate: str, comment: str, binding: str, rest: dict[str, Any]) -> None:
    ask = Administration.by_token(rest["data"], rest["token_file"])
    row = ask.call("playbooks.say", gate=gate, choice=choice, comment=comment, binding=binding)
    if rest["as_json"]:
        output.as_json(row)
    elif row["lacking"]:
        output.text(f"{row['id'][:SHORT]}: your approval counts; {row['lacking']} more of {', '.join(row['voters'])}.")
    else:
        output.text(f"{row['id'][:SHORT]} is {row['state']}; the run goes on.")


@click.command()
@gate
@comment
@plan
@options.data
@options.token_file
@options.as_json
@options.errors_told
def approve(gate: str, comment: str, binding: str, **rest: Any) -> None:
    """Agree that a step, or a playbook, is carried out as it was planned."""
    _say("approve", gate, comment, binding, rest)


@click.command()
@gate
@comment
@plan
@options.data
@options.token_file
@options.as_json
@options.errors_told
def decline(gate: str, comment: str, binding: str, **rest: Any) -> None:
    """Say no, or take an approval back that others have not completed yet."""
    _say("decline", gate, comment, binding, rest)


@click.command()
@gate
@click.argument("how", type=click.Choice(["done", "failed"]))
@comment
@options.data
@options.token_file
@options.as_json
@options.errors_told
def answer(gate: str, how: str, comment: str, **rest: Any) -> None:
    """Say how something went that a run waits for you to do."""
    _say(how, gate, comment, "", rest)


COMMANDS = (approvals, approve, decline, answer)
