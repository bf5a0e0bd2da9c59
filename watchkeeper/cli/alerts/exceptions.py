"""Exceptions on the command line: what nobody need be woken for, tried against the past before it holds."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import click

from watchkeeper.app.administration import Administration
from watchkeeper.cli import options, output
from watchkeeper.cli.alerts.telling import condition, impact
from watchkeeper.core.errors import Invalid

_EMPTY = (
    "No exception is, or was, in force: every alert reaches the queue. "
    "`alerts exceptions test --rule NAME --where FIELD=VALUE` shows what one would have held back."
)

where = click.option(
    "--where",
    "fields",
    multiple=True,
    required=True,
    metavar="FIELD=VALUE",
    help="What must hold of the event, as in a Sigma selection (`actor|startswith=agent:ci-`). The same field again: "
    "one of the values. Another field: that, too.",
)
rule = click.option("--rule", default="", help="For this rule alone, by name or id; else for all rules.")
critical = click.option("--critical", "over_critical", is_flag=True, help="Hold back what is critical, too.")


@click.group(short_help="What nobody need be woken for.")
def exceptions() -> None:
    """What nobody need be woken for, each with a reason and an end.

    What an exception holds back is recorded and counted: `alerts list --excepted`.
    """


@exceptions.command("list")
@click.option("--rule", default="", help="That this rule's alerts meet, by name or id.")
@click.option("--all", "everything", is_flag=True, help="Also those that have ended.")
@options.data
@options.token_file
@options.as_json
@options.errors_told
def list_(rule: str, everything: bool, data: Path | None, token_file: Path | None, as_json: bool) -> None:
    """List exceptions, the newest first."""
    rows = Administration.by_token(data, token_file).call("alerts.exceptions", rule=rule)
    rows = [row for row in rows if everything or row["state"] == "in force"]
    if as_json:
        output.as_json(rows)
        return
    output.table(
        ["exception", "state", "rule", "held", "until", "by", "where", "reason"],
        [
            [
                row["id"],
                row["state"],
                row["rule"] or "all rules",
                row["held"],
                output.moment(row["expires_at"]),
                row["author"],
                condition(row["where"]) + (" (critical, too)" if row["over_critical"] else ""),
                row["reason"],
            ]
            for row in rows
        ],
        empty=_EMPTY if not everything else "There never was one.",
        below=("rule", "until", "by", "where", "reason"),
    )


@exceptions.command()
@rule
@where
@critical
@click.option("--past", type=click.FloatRange(min=0.01), default=30.0, show_default=True, help="Days to look back.")
@options.data
@options.token_file
@options.as_json
@options.errors_told
def test(data: Path | None, token_file: Path | None, as_json: bool, **asked: Any) -> None:
    """Show which alerts of the past one would have held back; nothing is changed."""
    found = Administration.by_token(data, token_file).call(
        "alerts.try",
        rule=asked["rule"],
        where=_where(asked["fields"]),
        over_critical=asked["over_critical"],
        past_days=asked["past"],
    )
    if as_json:
        output.as_json(found)
    else:
        output.text("\n".join(impact(found)))


@exceptions.command()
@rule
@where
@critical
@click.option("--reason", required=True, help="Why nobody need be woken; goes into the journal.")
@click.option("--days", type=click.FloatRange(min=0.01, max=366), required=True, help="It ends by itself after these.")
@options.data
@options.token_file
@options.as_json
@options.errors_told
def add(data: Path | None, token_file: Path | None, as_json: bool, **asked: Any) -> None:
    """Put one in force, and show what it would have held back."""
    made = Administration.by_token(data, token_file).call(
        "alerts.except",
        rule=asked["rule"],
        where=_where(asked["fields"]),
        over_critical=asked["over_critical"],
        reason=asked["reason"],
        days=asked["days"],
    )
    if as_json:
        output.as_json(made)
        return
    one = made["exception"]
    output.text("\n".join(impact(made["impact"])))
    output.text(f"{one['id']} holds until {output.moment(one['expires_at'])}.")


@exceptions.command()
@click.argument("exception", metavar="ID")
@click.option("--because", default="", help="Why; goes into the journal.")
@options.data
@options.token_file
@options.as_json
@options.errors_told
def remove(exception: str, because: str, data: Path | None, token_file: Path | None, as_json: bool) -> None:
    """End one now: what it is about wakes people again."""
    done = Administration.by_token(data, token_file).call("alerts.unexcept", exception=exception, because=because)
    if as_json:
        output.as_json(done)
    else:
        output.text(f"{done['id']} holds nothing any more; it held {done['held']} back.")


def _where(fields: tuple[str, ...]) -> Mapping[str, Any]:
    """Raises `Invalid` for what is no FIELD=VALUE."""
    found: dict[str, list[str]] = {}
    for field in fields:
        name, equals, value = field.partition("=")
        if not (name and equals):
            raise Invalid(f"{field[:80]!a} is no FIELD=VALUE", hint='for example --where "server=files"')
        found.setdefault(name, []).append(value)
    return {name: values[0] if len(values) == 1 else values for name, values in found.items()}
