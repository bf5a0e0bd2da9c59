"""`watchkeeper clients`: one bearer token per client, with terms if it is not to be good for everything."""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import click

from watchkeeper.app.administration import Administration
from watchkeeper.cli import options, output
from watchkeeper.core.clock import SECOND, SystemClock, from_iso
from watchkeeper.core.errors import Invalid
from watchkeeper.gateway.caller import DEFAULT

_UNITS = {"h": 3600, "d": 86_400, "w": 604_800}


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
        ["client", "groups", "scopes", "servers", "expires", "created", "state"],
        [_row(row) for row in rows],
        empty="No client yet: `watchkeeper clients add NAME` mints a token.",
    )


def _row(client: Mapping[str, Any]) -> list[str]:
    terms = client["terms"]
    tenant = "" if terms["tenant"] == DEFAULT else f"{terms['tenant']}:"
    expires = terms["expires_at"]
    is_over = 0 < expires <= SystemClock().now()
    return [
        f"{tenant}{client['name']}",
        " ".join(client["groups"]) or "-",
        "any" if terms["scopes"] is None else " ".join(terms["scopes"]) or "none",
        "all" if terms["servers"] is None else " ".join(terms["servers"]),
        output.moment(expires) if expires else "never",
        output.moment(client["created_at"]),
        "revoked" if client["revoked_at"] else "expired" if is_over else "active",
    ]


@clients.command()
@click.argument("name")
@click.option("--group", "groups", multiple=True, help="A group for policies and limits; may be repeated.")
@click.option("--scope", "scopes", multiple=True, help="Only these scopes; may be repeated. Default: any.")
@click.option("--server", "servers", multiple=True, help="Only these servers; may be repeated. Default: all.")
@click.option("--expires", default="", help="When it ends: in 12h, 30d or 8w, or at a time. Default: never.")
@click.option("--tenant", default=DEFAULT, show_default=True, help="The tenant it belongs to.")
@options.data
@options.as_json
@options.errors_told
def add(name: str, data: Path | None, as_json: bool, expires: str, groups: tuple[str, ...], **terms: Any) -> None:
    """Mint a token for a client. It is shown once."""
    limits = {"tenant": terms["tenant"], "expires_at": end_of(expires)}
    limits |= {what: terms[what] for what in ("scopes", "servers") if terms[what]}
    minted = Administration.at(data).call("clients.add", name=name, groups=groups, terms=limits)
    if as_json:
        output.as_json(minted)
        return
    click.echo(f"Token of {minted['name']}, shown this once:\n\n  {minted['token']}\n")
    click.echo("Send it as `Authorization: Bearer TOKEN`.")


def end_of(text: str) -> int:
    """Microseconds since the epoch; 0 for never. Raises `Invalid`."""
    if not text:
        return 0
    now = SystemClock().now()
    later = re.fullmatch(r"([1-9][0-9]{0,5})([hdw])", text.strip())
    if later:
        return now + int(later[1]) * _UNITS[later[2]] * SECOND
    try:
        return from_iso(text.strip())
    except Invalid as error:
        raise Invalid(error.reason, hint="write 12h, 30d, 8w, or 2026-12-31T00:00:00Z") from error


@clients.command()
@click.argument("name")
@click.option("--tenant", default=DEFAULT, show_default=True, help="The tenant it belongs to.")
@options.data
@options.as_json
@options.errors_told
def revoke(name: str, tenant: str, data: Path | None, as_json: bool) -> None:
    """Revoke a client's token; running gateways refuse it within a second."""
    revoked = Administration.at(data).call("clients.revoke", name=name, tenant=tenant)
    if as_json:
        output.as_json(revoked)
    else:
        output.text(f"revoked {revoked['name']}")
