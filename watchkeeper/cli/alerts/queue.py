"""The queue on the command line: list, show, take on, close, and how often rules are right."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from watchkeeper.app.administration import Administration
from watchkeeper.app.settings import current_operator
from watchkeeper.cli import options, output
from watchkeeper.cli.alerts.exceptions import exceptions
from watchkeeper.cli.alerts.telling import SHORT, page, rate
from watchkeeper.events.model import SEVERITIES

STATES = ("open", "new", "acknowledged", "assigned", "closed", "all")
DISPOSITIONS = ("true-positive", "benign-true-positive", "false-positive", "duplicate")
_EMPTY = (
    "No alert waits for anybody. Rules raise them: `watchkeeper rules` lists them, `watchkeeper demo` shows one. "
    "`alerts list --state all` shows what was closed."
)
_NONE = "No alert is like that. `alerts list --state all` shows all of them."

ids = click.argument("ids", metavar="ID...", nargs=-1, required=True)
note = click.option("--note", default="", help="In your words; goes into the journal.")


@click.group(short_help="What rules found, and what people made of it.")
def alerts() -> None:
    """Alerts: what rules found, whose it is, and what it was.

    What was said of an alert counts: `alerts precision` shows how often each rule is right. An ID may be cut to its
    first six characters.
    """


alerts.add_command(exceptions)


@alerts.command("list")
@click.option("--state", type=click.Choice(STATES), default="open", show_default=True, help="Only these.")
@click.option("--severity", type=click.Choice(list(SEVERITIES.values())), default=None, help="At least so severe.")
@click.option("--rule", default="", help="Of this rule, by name or id.")
@click.option("--server", default="", help="About this server.")
@click.option("--principal", default="", help="About this principal, such as agent:NAME.")
@click.option("--assignee", default="", help="Of this operator, or `nobody`.")
@click.option("--excepted", is_flag=True, help="Those that exceptions hold back, instead.")
@click.option("--words", default="", help="With all of these words.")
@click.option("--limit", type=click.IntRange(1, 500), default=50, show_default=True, help="So many, the newest.")
@options.data
@options.token_file
@options.as_json
@options.errors_told
def list_(data: Path | None, token_file: Path | None, as_json: bool, limit: int, **asked: Any) -> None:
    """List alerts, the newest first."""
    levels = {word: level for level, word in SEVERITIES.items()}
    wanted = {
        **{name: asked[name] for name in ("state", "rule", "server", "principal", "assignee", "words")},
        "severity": levels.get(asked["severity"] or "", 1),
        "kind": "excepted" if asked["excepted"] else "",
    }
    if asked["excepted"]:
        wanted["state"] = "all"
    found = Administration.by_token(data, token_file).call("alerts.list", filter=wanted, limit=limit)
    if as_json:
        output.as_json(found)
        return
    is_plain = wanted == {**dict.fromkeys(wanted, ""), "state": "open", "severity": 1}
    output.table(
        ["alert", "severity", "state", "raised", "times", "title", "about", "principal"],
        [
            [
                row["id"][:SHORT],
                SEVERITIES[row["severity"]],
                row["state"] if row["kind"] == "raised" else row["kind"],
                output.moment(row["time"]),
                row["count"],
                row["title"],
                row["group"],
                row["principal"],
            ]
            for row in found["alerts"]
        ],
        empty=_EMPTY if is_plain else _NONE,
        below=("title", "about", "principal"),
    )
    if found["total"] > len(found["alerts"]):
        click.echo(f"{len(found['alerts'])} of {found['total']}: `--limit` shows more.")


@alerts.command()
@click.argument("alert", metavar="ID")
@options.data
@options.token_file
@options.as_json
@options.errors_told
def show(alert: str, data: Path | None, token_file: Path | None, as_json: bool) -> None:
    """Show why one was raised, what is known about it, and what was made of it."""
    found = Administration.by_token(data, token_file).call("alerts.show", alert=alert)
    if as_json:
        output.as_json(found)
    else:
        output.text("\n".join(page(found)))


@alerts.command()
@ids
@note
@options.data
@options.token_file
@options.as_json
@options.errors_told
def ack(ids: tuple[str, ...], note: str, data: Path | None, token_file: Path | None, as_json: bool) -> None:
    """Say that you have seen them."""
    _assess(data, token_file, as_json, alerts=ids, act="acknowledge", note=note)


@alerts.command()
@ids
@click.option("--to", default="", help="Whose they shall be, by name; yours without it.")
@click.option("--nobody", is_flag=True, help="Nobody's any more.")
@note
@options.data
@options.token_file
@options.as_json
@options.errors_told
def assign(ids: tuple[str, ...], data: Path | None, token_file: Path | None, as_json: bool, **asked: Any) -> None:
    """Make them yours, or somebody else's."""
    to = f"operator:{asked['to'].removeprefix('operator:')}" if asked["to"] else current_operator()
    whose = "" if asked["nobody"] else to
    _assess(data, token_file, as_json, alerts=ids, act="assign", to=whose, note=asked["note"])


@alerts.command()
@ids
@click.option(
    "--as",
    "disposition",
    type=click.Choice(DISPOSITIONS),
    required=True,
    help="An attack; what the rule describes, and meant to be; not what the rule describes; said by another alert.",
)
@note
@options.data
@options.token_file
@options.as_json
@options.errors_told
def close(
    ids: tuple[str, ...], disposition: str, data: Path | None, token_file: Path | None, as_json: bool, note: str
) -> None:
    """Say what they were. The rule's precision follows from it."""
    said = disposition.replace("-", "_")
    _assess(data, token_file, as_json, alerts=ids, act="close", disposition=said, note=note)


@alerts.command()
@ids
@note
@options.data
@options.token_file
@options.as_json
@options.errors_told
def reopen(ids: tuple[str, ...], note: str, data: Path | None, token_file: Path | None, as_json: bool) -> None:
    """Take back that they are closed."""
    _assess(data, token_file, as_json, alerts=ids, act="reopen", note=note)


@alerts.command()
@click.option("--rule", default="", help="Of this rule alone, by name or id.")
@click.option(
    "--days", type=click.FloatRange(min=0.01), default=90.0, show_default=True, help="Alerts of so many days."
)
@options.data
@options.token_file
@options.as_json
@options.errors_told
def precision(rule: str, days: float, data: Path | None, token_file: Path | None, as_json: bool) -> None:
    """Show how often each rule is right, as far as people said, with its 95 % interval (Wilson) and n."""
    rows = Administration.by_token(data, token_file).call("alerts.precision", rule=rule, days=days)
    if as_json:
        output.as_json(rows)
        return
    output.table(
        ["rule", "right", "an attack", "true", "benign", "false", "duplicate", "not assessed"],
        [
            [
                row["title"],
                rate(row["right"]),
                rate(row["worth"]),
                row["true_positive"],
                row["benign_true_positive"],
                row["false_positive"],
                row["duplicate"],
                row["open"],
            ]
            for row in rows
        ],
        empty="No rule has raised an alert in these days. What rules are worth is known once alerts are closed.",
    )


def _assess(data: Path | None, token_file: Path | None, as_json: bool, /, **asked: Any) -> None:
    done = Administration.by_token(data, token_file).call("alerts.assess", **asked)
    if as_json:
        output.as_json(done)
        return
    for row in done:
        what = row["disposition"].replace("_", " ") or row["assignee"]
        output.text(f"{row['id'][:SHORT]} is {row['state']}" + (f" ({what})" if what else "") + f": {row['title']}")
