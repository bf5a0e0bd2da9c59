"""`watchkeeper quarantine`: orders in force, giving them and lifting them."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from watchkeeper.app.administration import Administration
from watchkeeper.cli import options, output
from watchkeeper.gateway.containment import OrderKind


@click.group(short_help="What is contained, and containing more.")
def quarantine() -> None:
    """Containment orders: given by playbooks and by you, in force until lifted."""


SHORT = 8
"""Characters of an order's id in a list: enough to name it by."""


def _asker(row: dict[str, Any]) -> str:
    """Who gave it; for what response gave, which playbook or person had it do that."""
    asked = [one for one in row["asked_by"] if one != row["issued_by"]]
    return str(asked[0] if asked and row["issued_by"].startswith("system:") else row["issued_by"])


@quarantine.command("list")
@click.option("--all", "everything", is_flag=True, help="Lifted ones, too.")
@options.token_file
@options.data
@options.as_json
@options.errors_told
def list_(everything: bool, data: Path | None, token_file: Path | None, as_json: bool) -> None:
    """List the orders in force."""
    rows = Administration.by_token(data, token_file).call("quarantine.list", everything=everything)
    if as_json:
        output.as_json(rows)
        return
    output.table(
        ["order", "what", "target", "state", "incident", "since", "by", "reason"],
        [
            [
                r["id"][:SHORT],
                r["kind"],
                r["target"],
                f"lifted by {r['lifted_by']}" if r["lifted_by"] else "in force",
                r["incident_number"] or "-",
                output.moment(r["issued_at"]),
                _asker(r),
                r["reason"],
            ]
            for r in rows
        ],
        empty="No order is in force: nothing is contained. `watchkeeper quarantine add --help` says what can be.",
        below=("since", "by", "reason"),
    )


@quarantine.command()
@click.argument("order")
@options.token_file
@options.data
@options.as_json
@options.errors_told
def show(order: str, data: Path | None, token_file: Path | None, as_json: bool) -> None:
    """Show one order: what it contains, why, and who asked for it. The first characters of its id are enough."""
    found = Administration.by_token(data, token_file).call("quarantine.show", order=order)
    if as_json:
        output.as_json(found)
        return
    lifted = f"lifted by {found['lifted_by']}, {output.moment(found['lifted_at'])}" if found["lifted_by"] else ""
    for name, value in (
        ("order", found["id"]),
        ("what", f"{found['kind']} {found['target']}"),
        ("state", lifted or "in force"),
        ("since", output.moment(found["issued_at"])),
        ("by", found["issued_by"]),
        ("asked by", ", ".join(found["asked_by"]) or "-"),
        ("incident", found["incident_number"] or "-"),
        ("run", found["run"] or "-"),
        ("reason", found["reason"]),
    ):
        output.text(f"{name:9} {value}")


@quarantine.command()
@click.argument("kind", type=click.Choice(sorted(kind.value for kind in OrderKind)), metavar="KIND")
@click.argument("target")
@click.option("--reason", required=True, help="Why; goes into the journal and into the order.")
@click.option("--incident", default="", help="The incident that it is given for, such as INC-2026-0001.")
@options.token_file
@options.data
@options.as_json
@options.errors_told
def add(
    kind: str, target: str, reason: str, incident: str, data: Path | None, token_file: Path | None, as_json: bool
) -> None:
    """Give an order, and say whether every live gateway was seen to obey it.

    \b
    hold_tool             SERVER/TOOL    nobody calls it, it is not listed
    block_tool_hash       sha256:…       the same for a definition, of any server
    block_server          SERVER         nobody reaches it
    block_version         SERVER@RANGE   nobody reaches it while it is 1.2.3, or >=1.0,<1.4
    set_read_only         SERVER         only what is known to read is used
    taint_source          SERVER[/NAME]  who got content from it needs an approval to act
    deny_egress           [SERVER/]HOST  nothing goes to this host, pattern or network
    quarantine_principal  CLIENT         it sends nothing and gets nothing
    """
    given = Administration.by_token(data, token_file).call(
        "quarantine.add", kind=kind, target=target, reason=reason, incident=incident
    )
    if as_json:
        output.as_json(given)
        return
    output.text(f"ordered {given['id']}: {given['kind']} {given['target']}")
    proven = "contained" if given["is_verified"] else "NOT PROVEN"
    output.text(f"{proven}: {given['proof']}")
    if given["doubt"]:
        output.text(f"LOOK AGAIN: {given['doubt']}")
    output.text(f'take it back: watchkeeper quarantine lift {given["id"]} --reason "…"')


@quarantine.command()
@click.argument("order")
@click.option("--reason", required=True, help="Why it may be lifted; goes into the journal.")
@options.token_file
@options.data
@options.as_json
@options.errors_told
def lift(order: str, reason: str, data: Path | None, token_file: Path | None, as_json: bool) -> None:
    """Lift an order, named by the first characters of its id.

    A held definition stays held until it is approved (`pins approve`).
    """
    lifted = Administration.by_token(data, token_file).call("quarantine.lift", order=order, reason=reason)
    if as_json:
        output.as_json(lifted)
    else:
        output.text(f"lifted {lifted['id']}: {lifted['kind']} {lifted['target']}")
