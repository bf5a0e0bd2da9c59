"""`watchkeeper approvals`: calls that wait for a person, and the person's decision."""

from __future__ import annotations

import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import click

from watchkeeper.app.administration import Administration
from watchkeeper.cli import options, output
from watchkeeper.core.text import visible

STATES = ("pending", "granted", "consumed", "denied", "expired", "voided")
_EMPTY = (
    'Nothing waits for a person. A policy asks for one with @effect("ask"): see docs/guides/approvals.md. '
    "`approvals list --all` shows what was decided."
)
_LOOK = 1.0
"""Seconds between two looks of `watch`."""

reason = click.option("--reason", default="", help="Why; the agent's model reads the reason of a denial.")
approval_id = click.argument("approval_id", metavar="ID")


@click.group(short_help="Calls that wait for a person.")
def approvals() -> None:
    """Calls that a policy leaves to a person.

    An approval is for exactly one call: this client, this tool as it is defined now, these arguments, these policies.
    It is used once, and ends by itself when it is not used.
    """


@approvals.command("list")
@click.option("--state", type=click.Choice(STATES), default="pending", show_default=True, help="Only these.")
@click.option("--all", "everything", is_flag=True, help="In whatever state.")
@options.data
@options.token_file
@options.as_json
@options.errors_told
def list_(state: str, everything: bool, data: Path | None, token_file: Path | None, as_json: bool) -> None:
    """List what waits, the newest first."""
    rows = Administration.by_token(data, token_file).call("approvals.list", state="" if everything else state)
    if as_json:
        output.as_json(rows)
        return
    output.table(
        ["approval", "state", "client", "server", "target", "asked", "until", "times", "policies"],
        [
            [
                row["id"],
                _state(row),
                row["principal"],
                row["server"],
                row["target"] or row["method"],
                output.moment(row["requested_at"]),
                output.moment(row["expires_at"]),
                row["count"],
                ", ".join(row["rules"]),
            ]
            for row in rows
        ],
        empty=_EMPTY if state == "pending" and not everything else "There is none.",
        below=("asked", "until", "policies"),
    )


@approvals.command()
@approval_id
@options.data
@options.token_file
@options.as_json
@options.errors_told
def show(approval_id: str, data: Path | None, token_file: Path | None, as_json: bool) -> None:
    """Show everything that is needed to decide."""
    found = Administration.by_token(data, token_file).call("approvals.show", approval=approval_id)
    if as_json:
        output.as_json(found)
    else:
        output.text("\n".join(map(visible, _page(found))))  # line by line: no value makes lines of its own


@approvals.command()
@approval_id
@reason
@options.data
@options.token_file
@options.as_json
@options.errors_told
def approve(approval_id: str, reason: str, data: Path | None, token_file: Path | None, as_json: bool) -> None:
    """Let exactly this call pass once, after looking at it with `approvals show`."""
    ask = Administration.by_token(data, token_file)
    decided = ask.call("approvals.decide", approval=approval_id, choice="approve", reason=reason)
    if as_json:
        output.as_json(decided)
    elif decided["missing"]:
        output.text(f"{approval_id}: your approval counts; still missing: {_lacking(decided)}.")
    else:
        output.text(f"{approval_id} is approved: the call passes once, until {output.moment(decided['expires_at'])}.")


@approvals.command()
@approval_id
@reason
@options.data
@options.token_file
@options.as_json
@options.errors_told
def deny(approval_id: str, reason: str, data: Path | None, token_file: Path | None, as_json: bool) -> None:
    """Say no, or take an approval back that was not used yet."""
    ask = Administration.by_token(data, token_file)
    decided = ask.call("approvals.decide", approval=approval_id, choice="deny", reason=reason)
    if as_json:
        output.as_json(decided)
    else:
        output.text(f"{approval_id} is denied.")


@approvals.command()
@click.option("--for", "seconds", type=click.FloatRange(min=0), default=None, help="Stop after so many seconds.")
@options.data
@options.token_file
@options.as_json
@options.errors_told
def watch(seconds: float | None, data: Path | None, token_file: Path | None, as_json: bool) -> None:
    """Print each request as it comes, until Ctrl-C; those that wait already first."""
    ask, told = Administration.by_token(data, token_file), set[str]()
    until = None if seconds is None else time.monotonic() + seconds
    while True:
        for row in reversed(ask.call("approvals.list", state="pending")):
            if row["id"] not in told:
                told.add(row["id"])
                _tell(row, as_json)
        if until is not None and time.monotonic() >= until:
            return
        time.sleep(_LOOK if until is None else max(0.0, min(_LOOK, until - time.monotonic())))


def _tell(row: Mapping[str, Any], as_json: bool) -> None:
    if as_json:
        output.lines([row])
        return
    who, what = row["principal"], f"{row['server']}/{row['target'] or row['method']}"
    output.text(f"{row['id']}  {who} wants {what}, until {output.moment(row['expires_at'])}: {row['reason']}")


def _state(row: Mapping[str, Any]) -> str:
    votes = sum(vote["choice"] == "approve" for vote in row["votes"])
    return f"{row['state']} ({votes} for)" if row["missing"] and votes else str(row["state"])


def _lacking(row: Mapping[str, Any]) -> str:
    roles = {one["policy"]: one["role"] for one in row["requirements"]}
    return ", ".join(f"{count} of role {roles[policy]} for {policy}" for policy, count in row["missing"].items())


def _page(row: Mapping[str, Any]) -> list[str]:
    needed = [f"{one['policy']} ({one['quorum']} of role {one['role']})" for one in row["requirements"]]
    lines = [
        f"{row['id']}: {row['state']}" + (f" ({row['because']})" if row["because"] else ""),
        "",
        f"  client      {row['principal']}",
        f"  server      {row['server']}",
        f"  {row['method']}  {row['target']}".rstrip(),
        f"  definition  {_definition(row)}",
        f"  asked by    {'; '.join(needed)}",
        f"  because     {row['reason']}",
        f"  asked       {output.moment(row['requested_at'])}, {row['count']} time(s)",
        f"  until       {output.moment(row['expires_at'])}",
        "",
        "  parameters, secrets taken out:",
        f"    {row['arguments']}",
    ]
    if diff := row["definition_now"]["diff"]:
        lines += ["", "  the definition has changed since:", *(f"    {line}" for line in diff.split("\n"))]
    if row["votes"]:
        lines += ["", "  said so far:", *(f"    {_said(vote)}" for vote in row["votes"])]
    if row["missing"]:
        lines += ["", f"  still missing: {_lacking(row)}"]
    if row["earlier"]:
        lines += ["", "  decided before about the same:", *(f"    {_before(one)}" for one in row["earlier"])]
    return lines


def _definition(row: Mapping[str, Any]) -> str:
    now = row["definition_now"]
    said = str(now["state"])
    if now.get("approved_by"):
        said += f" by {now['approved_by']}"
    return f"{said}; NOT the one that this was asked for" if now["changed"] else said


def _said(vote: Mapping[str, Any]) -> str:
    why = f": {vote['reason']}" if vote["reason"] else ""
    named = f", naming {vote['claimed']} (not verified)" if vote["claimed"] else ""
    return f"{output.moment(vote['at'])}  {vote['operator']} ({vote['role']}{named}) {vote['choice']}{why}"


def _before(row: Mapping[str, Any]) -> str:
    by = ", ".join(vote["operator"] for vote in row["votes"])
    return f"{output.moment(row['requested_at'])}  {row['state']} by {by}: {visible(row['arguments'], limit=120)}"
