"""`watchkeeper limits`: what is used of each limit, and which limits a message falls under."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from watchkeeper.app import consumption
from watchkeeper.app.settings import data_folder
from watchkeeper.cli import options, output


@click.group(short_help="What is used of each limit, and whom a limit speaks of.")
def limits() -> None:
    """Limits on calls, bytes, concurrency and cost, as the running gateway counts them."""


@limits.command()
@options.data
@options.as_json
@options.errors_told
def show(data: Path | None, as_json: bool) -> None:
    """Show what is used now of each limit, the fullest first."""
    rows = consumption.show(data_folder(data))
    if as_json:
        output.as_json(rows)
        return
    output.table(
        ["limit", "for", "used", "of it", "within"],
        [[r["limit"], _whose(r), _amounts(r), f"{r['share']:.0%}", f"{r['seconds']:g} s"] for r in rows],
        empty="Nothing is used of any limit now. [limits.NAME] in the settings sets one.",
        below=("used",),
    )


@limits.command()
@click.argument("principal")
@click.argument("server")
@click.argument("tool", default="")
@click.option("--method", default="tools/call", show_default=True, help="The message's method.")
@click.option("--group", "groups", multiple=True, help="A group of the client, if its credential says so.")
@click.option("--tenant", default="default", show_default=True, help="The client's tenant.")
@options.data
@options.as_json
@options.errors_told
def check(
    principal: str,
    server: str,
    tool: str,
    *,
    method: str,
    groups: tuple[str, ...],
    tenant: str,
    data: Path | None,
    as_json: bool,
) -> None:
    """Say which limits a message of PRINCIPAL to SERVER (to its TOOL) falls under, and how they stand."""
    caller: dict[str, Any] = {"principal": principal, "server": server, "tool": tool, "method": method}
    caller |= {"tenant": tenant, **({"groups": groups} if groups else {})}
    rows = consumption.check(data_folder(data), **caller)
    if as_json:
        output.as_json(rows)
        return
    output.table(
        ["limit", "matches", "used", "a call costs"],
        [
            [r["limit"], "yes", _amounts(r), f"{r['price']:g}" if "cost" in r["amounts"] else "-"]
            if r["matches"]
            else [r["limit"], f"no: {r['why']}", "-", "-"]
            for r in rows
        ],
        empty="There are no limits. [limits.NAME] in the settings sets one.",
    )


def _whose(row: dict[str, Any]) -> str:
    return ", ".join(f"{whose} {value}" for whose, value in row["for"].items()) or "everybody together"


def _amounts(row: dict[str, Any]) -> str:
    return ", ".join(f"{name} {one['used']:g}/{one['limit']:g}" for name, one in row["amounts"].items())
