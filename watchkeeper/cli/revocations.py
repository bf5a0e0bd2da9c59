"""`watchkeeper revocations`: tokens of authorization servers that our doors refuse before their end."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import click
import msgspec

from watchkeeper.app.administration import Administration
from watchkeeper.app.barring import wanted_of
from watchkeeper.app.settings import environment
from watchkeeper.cli import options, output
from watchkeeper.cli.clients import end_of
from watchkeeper.core.errors import Invalid
from watchkeeper.core.secrets import SecretReader
from watchkeeper.gateway.revocations.model import Wanted, What


@click.group(short_help="Tokens of authorization servers that are refused before their end.")
def revocations() -> None:
    """Revoked access tokens (JWT): refused at every door from the next request on, until they expire or are restored.

    A client of ours is ended by `watchkeeper clients revoke`.
    """


@revocations.command("list")
@click.option("--all", "everything", is_flag=True, help="Lifted ones, too.")
@options.token_file
@options.data
@options.as_json
@options.errors_told
def list_(everything: bool, data: Path | None, token_file: Path | None, as_json: bool) -> None:
    """List what is refused."""
    rows = Administration.by_token(data, token_file).call("revocations.list", everything=everything)
    if as_json:
        output.as_json(rows)
        return
    output.table(
        ["revocation", "what", "name", "until", "since", "by", "reason", "state"],
        [_row(row) for row in rows],
        empty="No token is revoked here. `watchkeeper revocations add --help` says how one is.",
        below=("since", "by", "reason"),
    )


def _row(row: Mapping[str, Any]) -> list[str]:
    what = f"issued until {output.moment(row['before'])}" if row["before"] else row["what"]
    return [
        row["id"],
        what,
        row["name"][:16] if row["what"] == What.TOKEN else row["name"],
        output.moment(row["expires_at"]) if row["expires_at"] else "lifted",
        output.moment(row["revoked_at"]),
        row["revoked_by"],
        row["reason"],
        f"lifted by {row['lifted_by']}" if row["lifted_by"] else "in force",
    ]


@revocations.command()
@click.option("--token", default="", help="This token, by reference: env:NAME or file:PATH. It is read here only.")
@click.option("--jti", default="", help="The token of this ISSUER/JTI; the issuer as in [issuers.NAME].")
@click.option("--principal", default="", help="Everything that ISSUER/SUBJECT was issued until now.")
@click.option("--expires", default="", help="With --jti: when it ends by itself: in 12h, 30d, 8w, or at a time.")
@click.option("--reason", required=True, help="Why; goes into the journal.")
@click.option("--incident", default="", help="The id of the incident that it is done for.")
@options.token_file
@options.data
@options.as_json
@options.errors_told
def add(reason: str, incident: str, data: Path | None, token_file: Path | None, as_json: bool, **named: str) -> None:
    """Revoke a token, or everything that a principal was issued, at our own doors.

    Its issuer is told by a playbook (`revoke_token`) or by you; other resources take it until then.
    """
    wanted = msgspec.to_builtins(_wanted(**named))
    ask = Administration.by_token(data, token_file)
    given = ask.call("revocations.add", wanted=wanted, reason=reason, incident=incident)
    if as_json:
        output.as_json(given)
        return
    output.text(f"revoked {given['target']} ({given['id']})")
    behind = ", ".join(f"{gateway}: {why}" for gateway, why in given["behind"].items())
    output.text(f"NOT PROVEN: {behind}" if behind else "every live gateway refuses it")
    output.text(f'take it again: watchkeeper revocations lift {given["id"]} --reason "…"')


def _wanted(token: str, jti: str, principal: str, expires: str) -> Wanted:
    """Raises `Invalid`, `Misconfigured`."""
    if sum(map(bool, (token, jti, principal))) != 1:
        raise Invalid("name one of --token, --jti and --principal", hint="see `watchkeeper revocations add --help`")
    if expires and not jti:
        raise Invalid("--expires goes with --jti", hint="a token says itself when it ends, and a principal has no end")
    if token:
        return wanted_of(SecretReader(environment()).read("--token", token).reveal())
    return Wanted(What.ID, jti, expires_at=end_of(expires)) if jti else Wanted(What.PRINCIPAL, principal)


@revocations.command()
@click.argument("revocation")
@click.option("--reason", required=True, help="Why such tokens may be taken again; goes into the journal.")
@options.token_file
@options.data
@options.as_json
@options.errors_told
def lift(revocation: str, reason: str, data: Path | None, token_file: Path | None, as_json: bool) -> None:
    """Take such tokens again, as far as they have not expired."""
    lifted = Administration.by_token(data, token_file).call("revocations.lift", revocation=revocation, reason=reason)
    if as_json:
        output.as_json(lifted)
    else:
        output.text(f"lifted {lifted['id']}")
