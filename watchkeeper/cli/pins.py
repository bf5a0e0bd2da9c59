"""`watchkeeper pins`: what each server's tools are trusted to be."""

from __future__ import annotations

from pathlib import Path

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
        ["server", "kind", "name", "state", "fingerprint", "first seen", "approved by"],
        [
            [
                r["server"],
                r["kind"],
                r["name"],
                r["state"],
                r["seen"][:19],
                output.moment(r["first_seen"]),
                r["approved_by"] or "-",
            ]
            for r in rows
        ],
        empty=(f"Nothing was seen of {visible(server)} yet" if server else "No definition was seen yet")
        + ": a server's tools appear here once a client lists them through the gateway.",
        below=("fingerprint", "first seen", "approved by"),
    )


@pins.command()
@click.argument("server")
@click.argument("name")
@click.option("--kind", default="tool", show_default=True, help=KINDS)
@options.data
@options.as_json
@options.errors_told
def diff(server: str, name: str, kind: str, data: Path | None, as_json: bool) -> None:
    """Show what changed between the pinned and the held definition."""
    found = Administration.at(data).call("pins.diff", server=server, name=name, kind=kind)
    if as_json:
        output.as_json(found)
    elif found["diff"]:
        output.text(found["diff"])
    else:
        output.text(f"{server}/{name}: the definition that is shown is the pinned one.")


@pins.command()
@click.argument("server")
@click.argument("name", required=False, default="")
@click.option("--kind", default="tool", show_default=True, help=KINDS)
@click.option("--fingerprint", default="", help="Approve only if the definition is still this one (from `pins diff`).")
@click.option("--all", "everything", is_flag=True, help="Approve every definition of the server.")
@options.data
@options.as_json
@options.errors_told
def approve(
    server: str, name: str, kind: str, fingerprint: str, everything: bool, data: Path | None, as_json: bool
) -> None:
    """Approve a definition, after looking at it with `pins diff`."""
    if bool(name) == everything:
        raise click.UsageError("name a tool, or say --all")
    approved = Administration.at(data).call(
        "pins.approve", server=server, name=name, kind=kind, fingerprint=fingerprint, everything=everything
    )
    if as_json:
        output.as_json(approved)
        return
    if not approved:
        output.text(f"Every definition of {server} was approved before.")
    for row in approved:
        output.text(f"approved {row['server']}/{row['name']} ({row['fingerprint']})")
