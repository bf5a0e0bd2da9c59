"""`watchkeeper quarantine`: orders in force, and lifting them."""

from __future__ import annotations

from pathlib import Path

import click

from watchkeeper.app.administration import Administration
from watchkeeper.cli import options, output


@click.group(short_help="Held tools, quarantined clients and servers.")
def quarantine() -> None:
    """Containment orders: held tools, quarantined clients and servers."""


@quarantine.command("list")
@click.option("--all", "everything", is_flag=True, help="Lifted ones, too.")
@options.data
@options.as_json
@options.errors_told
def list_(everything: bool, data: Path | None, as_json: bool) -> None:
    """List the orders in force."""
    rows = Administration.at(data).call("quarantine.list", everything=everything)
    if as_json:
        output.as_json(rows)
        return
    output.table(
        ["order", "what", "target", "since", "by", "incident", "state"],
        [
            [
                r["id"],
                r["kind"],
                r["target"],
                output.moment(r["issued_at"]),
                r["issued_by"],
                r["incident"] or "-",
                f"lifted by {r['lifted_by']}" if r["lifted_by"] else "in force",
            ]
            for r in rows
        ],
        empty="No order is in force: nothing is held or quarantined.",
        below=("since", "by", "incident"),
    )


@quarantine.command()
@click.argument("order")
@click.option("--reason", required=True, help="Why it may be lifted; goes into the journal.")
@options.data
@options.as_json
@options.errors_told
def lift(order: str, reason: str, data: Path | None, as_json: bool) -> None:
    """Lift an order. A held definition stays held until it is approved (`pins approve`)."""
    lifted = Administration.at(data).call("quarantine.lift", order=order, reason=reason)
    if as_json:
        output.as_json(lifted)
    else:
        output.text(f"lifted {lifted['id']}: {lifted['kind']} {lifted['target']}")
