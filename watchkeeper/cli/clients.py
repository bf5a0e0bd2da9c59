"""`watchkeeper clients`: one bearer token per client; that is the principal."""

from __future__ import annotations

from pathlib import Path

import click

from watchkeeper.app.administration import Administration
from watchkeeper.cli import options, output


@click.group()
def clients() -> None:
    """Clients (agents) and their tokens."""


@clients.command("list")
@options.data
@options.as_json
@options.errors_told
def list_(data: Path | None, as_json: bool) -> None:
    """List clients. Tokens are stored as hashes and cannot be shown again."""
    rows = Administration.at(data).call("clients.list")
    if as_json:
        output.as_json(rows)
        return
    output.table(
        ["client", "created", "state"],
        [[r["name"], output.moment(r["created_at"]), "revoked" if r["revoked_at"] else "active"] for r in rows],
        empty="No client yet: `watchkeeper clients add NAME` mints a token.",
    )


@clients.command()
@click.argument("name")
@options.data
@options.as_json
@options.errors_told
def add(name: str, data: Path | None, as_json: bool) -> None:
    """Mint a token for a client. It is shown once."""
    minted = Administration.at(data).call("clients.add", name=name)
    if as_json:
        output.as_json(minted)
        return
    click.echo(f"Token of {minted['name']}, shown this once:\n\n  {minted['token']}\n")
    click.echo("Send it as `Authorization: Bearer TOKEN`.")


@clients.command()
@click.argument("name")
@options.data
@options.as_json
@options.errors_told
def revoke(name: str, data: Path | None, as_json: bool) -> None:
    """Revoke a client's token; running gateways refuse it within a second."""
    revoked = Administration.at(data).call("clients.revoke", name=name)
    if as_json:
        output.as_json(revoked)
    else:
        output.text(f"revoked {revoked['name']}")
