"""`watchkeeper integrations`: other systems that are told, paged and asked for incidents, and how that goes."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import click
import msgspec

from watchkeeper.app.administration import WATCH
from watchkeeper.app.settings import current_operator, data_folder, load, operator_token
from watchkeeper.cli import options, output
from watchkeeper.core import control
from watchkeeper.core.errors import Unavailable
from watchkeeper.core.files import socket_path

_NONE = (
    "No integration: people are told on the console only. A section [respond.integrations.NAME] in the settings "
    "reaches chat, mail, pagers, trackers and repositories: see docs/guides/integrations.md."
)
_TEST_WITHIN = 180.0
integration_name = click.argument("name")


@click.group(short_help="Other systems that are told, paged and asked.")
def integrations() -> None:
    """Integrations: chat, mail, pagers, trackers and repositories that incidents reach."""


@integrations.command("list")
@options.config
@options.token_file
@options.data
@options.as_json
@options.errors_told
def list_(config: Path | None, data: Path | None, token_file: Path | None, as_json: bool) -> None:
    """List the integrations of the settings, and how each of them stands.

    Exit code 0 if every one that is switched on is well and nothing lies aside or is unverified; else 1.
    """
    folder = data_folder(data)
    try:
        rows = control.ask(socket_path(folder, WATCH), "integrations.status", _asked(token_file))
    except control.NoService:
        from watchkeeper.app.integrations import at_rest  # noqa: PLC0415 — all that reaches others, needed here only

        rows = msgspec.to_builtins(at_rest(load(config, folder)))
    if as_json:
        output.as_json(rows)
    else:
        output.table(
            ["integration", "type", "state", "sent", "waiting", "unverified", "aside", "last sent", "error"],
            [_row(row) for row in rows],
            empty=_NONE,
            below=("error",),
        )
        for row in rows:
            if row["aside"]:
                said = f"{row['aside']} given up; `watchkeeper integrations retry {row['name']}` sends them again"
                output.text(f"  {row['name']}: {said}", err=True)
    sys.exit(0 if all(_is_well(row) for row in rows) else 1)


@integrations.command()
@integration_name
@options.config
@options.token_file
@options.data
@options.as_json
@options.errors_told
def test(name: str, config: Path | None, data: Path | None, token_file: Path | None, as_json: bool) -> None:
    """Really send one marked message, page or ticket by the integration NAME, and say what came back.

    A page is resolved and a ticket closed at once; of a repository nothing is changed. The running watch sends it;
    where none runs, this command does. Exit code 0 if it was taken, else 75.
    """
    folder = data_folder(data)
    try:
        asked = _asked(token_file, integration=name)
        tried = control.ask(socket_path(folder, WATCH), "integrations.test", asked, timeout=_TEST_WITHIN)
    except control.NoService:
        from watchkeeper.app.integrations import try_integration  # noqa: PLC0415 — as above

        tried = msgspec.to_builtins(try_integration(load(config, folder), name))
    if as_json:
        output.as_json(tried)
    else:
        how = {True: "taken, and verified", None: "taken", False: "NOT taken"}
        output.text(f"{name}: {how[tried['verified']] if tried['taken'] else 'NOT taken'}")
        output.text(f"  it says: {tried['said']}")
        output.text(f"  what to do: {tried['next']}")
    sys.exit(0 if tried["taken"] else Unavailable.exit_code)


@integrations.command()
@integration_name
@options.token_file
@options.data
@options.as_json
@options.errors_told
def retry(name: str, data: Path | None, token_file: Path | None, as_json: bool) -> None:
    """Send again what the integration NAME gave up, under the same keys; the running watch does it."""
    asked = _asked(token_file, integration=name)
    done = control.ask(socket_path(data_folder(data), WATCH), "integrations.retry", asked)
    if as_json:
        output.as_json(done)
    else:
        output.text(f"{name}: {done['again']} are sent again" if done["again"] else f"{name}: nothing lay aside")


def _asked(token_file: Path | None, **members: str) -> dict[str, str]:
    credential = operator_token(token_file)
    return members | {"by": current_operator()} | ({"credential": credential} if credential else {})


def _row(row: dict[str, Any]) -> list[Any]:
    last = output.moment(row["last_sent_at"]) if row["last_sent_at"] else "-"
    numbers = [row["sent"], row["waiting"], row["unverified"], row["aside"]]
    return [row["name"], row["type"], row["state"], *map(str, numbers), last, row["error"]]


def _is_well(row: dict[str, Any]) -> bool:
    return row["state"] in ("well", "stopped", "off") and not row["unverified"] and not row["aside"]
