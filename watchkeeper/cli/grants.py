"""`watchkeeper grants`: what persons granted, so that a client may act for them at a server."""

from __future__ import annotations

import webbrowser
from pathlib import Path
from typing import TYPE_CHECKING

import click

from watchkeeper.app.administration import Administration
from watchkeeper.app.settings import data_folder, load
from watchkeeper.cli import options, output

if TYPE_CHECKING:
    from watchkeeper.gateway.credentials.signin.login import Invitation

client = click.option(
    "--client",
    required=True,
    help="The client that acts: a client of `clients list`, or ISSUER/SUBJECT for a sign-in there.",
)


@click.group(short_help="Servers that clients reach with a person's own grant.")
def grants() -> None:
    """Grants: a person signs in at a server's issuer, and one client may act for them there, and nobody else."""


@grants.command("list")
@click.option("--all", "everything", is_flag=True, help="Ended ones, too.")
@options.data
@options.as_json
@options.errors_told
def list_(everything: bool, data: Path | None, as_json: bool) -> None:
    """List the grants in force. Tokens are sealed and cannot be shown."""
    rows = [row for row in Administration.at(data).call("grants.list") if everything or not row["ended_at"]]
    if as_json:
        output.as_json(rows)
        return
    output.table(
        ["server", "client", "issuer", "scopes", "granted", "renewed", "state"],
        [
            [
                r["server"],
                r["principal"],
                r["issuer"],
                r["scope"] or "-",
                output.moment(r["created_at"]),
                output.moment(r["renewed_at"]),
                f"ended by {r['ended_by']}" if r["ended_at"] else "in force",
            ]
            for r in rows
        ],
        empty="No grant is in force: `watchkeeper grants add SERVER --client NAME` asks a person for one.",
        below=("issuer", "scopes", "renewed"),
    )


@grants.command()
@click.argument("server")
@client
@click.option("--open", "opens", is_flag=True, help="Open the address in this machine's browser.")
@click.option("--paste", "pastes", is_flag=True, help="The browser runs elsewhere: paste the address it is sent to.")
@options.config
@options.data
@options.as_json
@options.errors_told
def add(
    server: str, client: str, opens: bool, pastes: bool, config: Path | None, data: Path | None, as_json: bool
) -> None:
    """Sign in at a server's issuer, so that a client may act for you there.

    The browser runs on this machine: it comes back to a page on 127.0.0.1, which is open for five minutes. With --paste
    it runs elsewhere, ends on an address that does not answer, and you paste that address here.
    """
    from watchkeeper.app.grants import add_grant  # noqa: PLC0415 — sockets and TLS, for this command only

    def invite(invitation: Invitation) -> None:
        output.text(
            f"Who signs in lets the client {client} act for them, until the grant is revoked.\n\n"
            f"  server   {server}\n  issuer   {invitation.issuer}\n  for      {invitation.resource}\n"
            f"  scopes   {invitation.scopes or 'what the issuer gives by default'}\n\n"
            f"Open this address in a browser{'' if pastes else ' on this machine'}:\n\n  {invitation.url}\n",
            err=True,
        )
        if opens:
            webbrowser.open(invitation.url)

    def paste() -> str:
        # not shown while it is typed: it holds a code that is good for a minute
        return str(click.prompt("The address that the browser was sent to", hide_input=True, err=True))

    made = add_grant(load(config, data_folder(data)), server, client, invite, paste if pastes else None)
    if as_json:
        output.as_json(made)
        return
    output.text(f"{client} may now act for you at {server}; scopes: {made['scope'] or 'none told'}.")
    if not made["renews"]:
        output.text("The issuer gave no refresh token: sign in again when the grant has run out.")


@grants.command()
@click.argument("server")
@client
@options.config
@options.data
@options.as_json
@options.errors_told
def revoke(server: str, client: str, config: Path | None, data: Path | None, as_json: bool) -> None:
    """End a grant: gateways stop using it within a second, and its issuer is told."""
    from watchkeeper.app.grants import end_grant  # noqa: PLC0415 — sockets and TLS, for this command only

    ended = end_grant(load(config, data_folder(data)), server, client)
    if as_json:
        output.as_json(ended)
    else:
        output.text(f"ended the grant of {client} for {server}; at {ended['issuer']}: {ended['at_issuer']}")


@grants.command()
@click.argument("server")
@options.config
@options.data
@options.errors_told
def document(server: str, config: Path | None, data: Path | None) -> None:
    """Print the client id metadata document to publish at the server's `oauth.client_id`."""
    from watchkeeper.app.grants import document_of  # noqa: PLC0415 — sockets and TLS, for this command only

    output.as_json(document_of(load(config, data_folder(data)), server))
