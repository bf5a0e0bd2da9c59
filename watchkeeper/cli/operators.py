"""`watchkeeper operators`: the persons who operate, their roles, and tokens for their programs."""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import click

from watchkeeper.app.administration import Administration
from watchkeeper.cli import options, output
from watchkeeper.core.clock import SystemClock
from watchkeeper.core.errors import Invalid, NotFound
from watchkeeper.operators.model import SCOPES, Role

_UNITS = {"h": 3600, "d": 86_400, "w": 604_800}
_EMPTY = (
    "Nobody was invited. Whoever may use the data folder is an admin; for anybody else: "
    "`watchkeeper operators invite NAME --role responder`."
)
role = click.option(
    "--role", type=click.Choice([one.value for one in Role]), required=True, help="What they are here for."
)
name = click.argument("name")


@click.group(short_help="Persons who operate, with roles and tokens.")
def operators() -> None:
    """Persons who look, decide and administer; agents are `clients`.

    Whoever may use the data folder is an admin without being invited.
    """


@operators.command()
@name
@role
@options.data
@options.token_file
@options.as_json
@options.errors_told
def invite(name: str, role: str, data: Path | None, token_file: Path | None, as_json: bool) -> None:
    """Make somebody an operator, and print the link by which they enter the console, once, within 24 hours."""
    ask = Administration.by_token(data, token_file)
    invited = ask.call("operators.invite", name=name, role_name=role)
    try:
        url = str(ask.call("console.link", name=name, enrols=True)["url"])
    except NotFound as error:
        url, why = "", error.reason
    if as_json:
        output.as_json({**invited, "url": url})
        return
    output.text(f"{name} is an operator now, as {role}.")
    if url:
        output.text(f"Give them this link; it works once, within 24 hours:\n\n  {url}")
    else:
        output.text(f"There is no link yet, for {why}. Later: `watchkeeper console link --name {name}`.")


@operators.command("list")
@options.data
@options.token_file
@options.as_json
@options.errors_told
def list_(data: Path | None, token_file: Path | None, as_json: bool) -> None:
    """List operators, also those who were revoked."""
    rows = Administration.by_token(data, token_file).call("operators.list")
    if as_json:
        output.as_json(rows)
        return
    output.table(["operator", "role", "invited", "by", "state"], [_row(row) for row in rows], empty=_EMPTY)


@operators.command("role")
@name
@click.argument("role", type=click.Choice([one.value for one in Role]))
@options.data
@options.token_file
@options.as_json
@options.errors_told
def role_(name: str, role: str, data: Path | None, token_file: Path | None, as_json: bool) -> None:
    """Give an operator another role; sessions and tokens follow at once."""
    changed = Administration.by_token(data, token_file).call("operators.role", name=name, role_name=role)
    _said(changed, f"{name} acts as {role} from now on.", as_json)


@operators.command()
@name
@options.data
@options.token_file
@options.as_json
@options.errors_told
def revoke(name: str, data: Path | None, token_file: Path | None, as_json: bool) -> None:
    """Let somebody operate no longer; sessions, links and tokens end at once."""
    revoked = Administration.by_token(data, token_file).call("operators.revoke", name=name)
    _said(revoked, f"{name} is no operator any more.", as_json)


@operators.command()
@name
@click.option(
    "--scope", "scopes", multiple=True, required=True, type=click.Choice(list(SCOPES)), help="May be repeated."
)
@click.option("--expires", default="30d", show_default=True, help="When it ends: in 12h, 30d or 8w; a year at most.")
@options.data
@options.token_file
@options.as_json
@options.errors_told
def token(
    name: str, scopes: tuple[str, ...], expires: str, data: Path | None, token_file: Path | None, as_json: bool
) -> None:
    """Make a token by which an operator's programs act. It is shown once."""
    ask = Administration.by_token(data, token_file)
    made = ask.call("operators.token", name=name, scopes=scopes, seconds=_seconds(expires))
    if as_json:
        output.as_json(made)
        return
    output.text(f"Token of {name}, shown this once:\n\n  {made['token']}\n")
    output.text(f"It is {made['id']}, good for {' '.join(made['scopes'])} until {output.moment(made['expires_at'])}.")


@operators.command()
@click.argument("name", default="")
@options.data
@options.token_file
@options.as_json
@options.errors_told
def tokens(name: str, data: Path | None, token_file: Path | None, as_json: bool) -> None:
    """List tokens, of one operator or of all. They are kept as hashes and cannot be shown again."""
    rows = Administration.by_token(data, token_file).call("operators.tokens", name=name)
    if as_json:
        output.as_json(rows)
        return
    output.table(
        ["token", "operator", "scopes", "expires", "last used", "state"],
        [_token_row(row) for row in rows],
        empty="There is none: `watchkeeper operators token NAME --scope approvals:decide` makes one.",
    )


@operators.command()
@click.argument("token_id", metavar="ID")
@options.data
@options.token_file
@options.as_json
@options.errors_told
def revoke_token(token_id: str, data: Path | None, token_file: Path | None, as_json: bool) -> None:
    """Revoke one token; ID as `operators tokens` shows it."""
    ended = Administration.by_token(data, token_file).call("operators.end_token", id=token_id)
    _said(ended, f"{token_id} is good for nothing any more.", as_json)


def _said(row: Mapping[str, Any], words: str, as_json: bool) -> None:
    if as_json:
        output.as_json(row)
    else:
        output.text(words)


def _row(row: Mapping[str, Any]) -> list[str]:
    state = f"revoked {output.moment(row['revoked_at'])}" if row["revoked_at"] else "active"
    return [row["name"], row["role"], output.moment(row["invited_at"]), row["invited_by"], state]


def _token_row(row: Mapping[str, Any]) -> list[str]:
    is_over = row["expires_at"] <= SystemClock().now()
    return [
        row["id"],
        row["operator"],
        " ".join(row["scopes"]),
        output.moment(row["expires_at"]),
        output.moment(row["used_at"]) if row["used_at"] else "never",
        "revoked" if row["revoked_at"] else "expired" if is_over else "active",
    ]


def _seconds(text: str) -> int:
    found = re.fullmatch(r"([1-9][0-9]{0,4})([hdw])", text.strip())
    if found is None:
        raise Invalid(f"--expires: {text!a} is no span of time", hint="write 12h, 30d or 8w")
    return int(found[1]) * _UNITS[found[2]]
