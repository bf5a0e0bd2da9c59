"""`watchkeeper pins`: what each server's tools are trusted to be."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from watchkeeper.app.administration import Administration
from watchkeeper.cli import options, output
from watchkeeper.core.text import visible

KINDS = "tool, prompt, resource, resource_template or instructions."


@click.group()
def pins() -> None:
    """Definitions of tools, and which of them are trusted.

    A definition is inspected when first seen and trusted on first use, until a person approves it. A changed
    definition is held: not listed, not callable, until it is approved or the old one returns.
    """


@pins.command("list")
@click.option("--server", default="", help="Only this server.")
@options.data
@options.as_json
@options.errors_told
def list_(server: str, data: Path | None, as_json: bool) -> None:
    """List pins with their state."""
    rows = Administration.at(data).call("pins.list", server=server)
    if as_json:
        output.as_json(rows)
        return
    output.table(
        ["server", "kind", "name", "state", "change", "fingerprint", "first seen", "approved by", "labels"],
        [
            [
                r["server"],
                r["kind"],
                r["name"],
                r["state"],
                r["change"] or "-",
                r["seen"][:19],
                output.moment(r["first_seen"]),
                r["approved_by"] or "-",
                _labelled(r),
            ]
            for r in rows
        ],
        empty=(f"Nothing was seen of {visible(server)} yet" if server else "No definition was seen yet")
        + ": a server's tools appear here once a client lists them through the gateway.",
        below=("fingerprint", "first seen", "approved by", "labels"),
    )


def _labelled(row: dict[str, Any]) -> str:
    """What is to be said of a pin beside its state; where it came from is named."""
    labels = [f"{label} from {row['origin_of']}" if label == row["origin"] else label for label in row["labels"]]
    return ", ".join(labels) or "-"


@pins.command()
@click.argument("server")
@click.argument("name")
@click.option("--kind", default="tool", show_default=True, help=KINDS)
@options.data
@options.as_json
@options.errors_told
def diff(server: str, name: str, kind: str, data: Path | None, as_json: bool) -> None:
    """Show what changed between the pinned and the held definition.

    First in words, with the class of the change: `cosmetic` is what no model can act on (white space, a full stop, a
    title's letter case), everything else is `semantic`. Then line by line.
    """
    found = Administration.at(data).call("pins.diff", server=server, name=name, kind=kind)
    if as_json:
        output.as_json(found)
    elif found["diff"]:
        if found["summary"]:
            output.text(f"{found['class'] or 'changed'}:")
            output.text("\n".join(f"  {line}" for line in found["summary"]) + "\n")
        output.text(found["diff"])
    else:
        output.text(f"{server}/{name}: the definition that is shown is the pinned one.")


@pins.command()
@click.argument("server")
@click.argument("name")
@click.option("--kind", default="tool", show_default=True, help=KINDS)
@options.data
@options.as_json
@options.errors_told
def history(server: str, name: str, kind: str, data: Path | None, as_json: bool) -> None:
    """Show every definition that a name has had, and how each differs from the one before."""
    found = Administration.at(data).call("pins.history", server=server, name=name, kind=kind)
    if as_json:
        output.as_json(found)
        return
    for shown in found["shown"]:
        words = [shown["change"], *shown["marks"], *(f"found: {label}" for label in shown["findings"])]
        output.text(f"{output.moment(shown['first_seen'])}  {shown['fingerprint']}  {', '.join(filter(None, words))}")
        for line in shown["summary"]:
            output.text(f"    {line}")
    if found["pruned"]:
        output.text(f"{found['pruned']} definitions in between are no longer kept here; the journal has them.")


@pins.command()
@click.argument("server")
@click.argument("name", required=False, default="")
@click.option("--kind", default="tool", show_default=True, help=KINDS)
@click.option("--fingerprint", default="", help="Approve only if the definition is still this one (from `pins diff`).")
@click.option("--all", "everything", is_flag=True, help="Approve every definition of the server.")
@click.option("--cosmetic", is_flag=True, help="With --all: only those held for a cosmetic change.")
@options.data
@options.as_json
@options.errors_told
def approve(
    server: str,
    name: str,
    kind: str,
    fingerprint: str,
    everything: bool,
    cosmetic: bool,
    data: Path | None,
    as_json: bool,
) -> None:
    """Approve a definition, after looking at it with `pins diff`."""
    if bool(name) == everything or (cosmetic and not everything):
        raise click.UsageError("name a tool, or say --all, or --all --cosmetic")
    approved = Administration.at(data).call(
        "pins.approve",
        server=server,
        name=name,
        kind=kind,
        fingerprint=fingerprint,
        everything=everything,
        cosmetic=cosmetic,
    )
    if as_json:
        output.as_json(approved)
        return
    if not approved:
        output.text(
            f"Nothing of {server} is held for a cosmetic change alone."
            if cosmetic
            else f"Every definition of {server} was approved before."
        )
    for row in approved:
        output.text(f"approved {row['server']}/{row['name']} ({row['fingerprint']})")
