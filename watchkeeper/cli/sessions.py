"""`watchkeeper sessions`: what agents have open, and holding it, ending it, draining a server."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import Any, TypeVar

import click

from watchkeeper.app.administration import Administration
from watchkeeper.cli import options, output

_PATIENCE = 90.0
F = TypeVar("F", bound=Callable[..., Any])

reason = click.option("--reason", required=True, help="Why; goes into the journal.")


def _subject(command: F) -> F:
    """The options that say what is meant."""
    for option in (
        click.option("--server", default="", help="The server; of a client only this one. Default: all of a client's."),
        click.option("--session", default="", help="A session of the older era: its digest, or its id."),
        click.option("--task", default="", help="A task, by its id."),
        click.option("--client", "principal", default="", help="A client: in the modern era there are no sessions."),
    ):
        command = option(command)
    return command


@click.group(short_help="What agents have open at servers: see, hold, end, drain.")
def sessions() -> None:
    """What agents have open at servers: sessions of the older era, and in the modern one what a client has open."""


@sessions.command("list")
@options.token_file
@options.data
@options.as_json
@options.errors_told
def list_(data: Path | None, token_file: Path | None, as_json: bool) -> None:
    """List what is live in every gateway."""
    said = Administration.by_token(data, token_file).call("sessions.list")
    if as_json:
        output.as_json(said)
        return
    output.table(
        ["server", "client", "session", "calls", "streams", "tasks", "processes", "gateway", "state"],
        [_row(row) for row in said["sessions"]],
        empty="Nothing is open: no agent has a session, a call or a server of its own just now."
        if said["gateways"]
        else "No gateway runs: nobody can say what is open. `watchkeeper status` says what runs.",
        below=("processes", "gateway"),
    )
    for gateway, why in sorted(said["silent"].items()):
        output.text(f"gateway {gateway} did not answer: {why}", err=True)


def _row(row: Mapping[str, Any]) -> list[str]:
    return [
        row["server"],
        row["principal"],
        row["session"] or "-",
        str(row["calls"]),
        str(row["streams"]),
        str(row["tasks"]),
        " ".join(map(str, row["processes"])) or "-",
        row["gateway"],
        "held" if row["held"] else "open",
    ]


@sessions.command()
@_subject
@reason
@options.token_file
@options.data
@options.as_json
@options.errors_told
def hold(data: Path | None, token_file: Path | None, as_json: bool, **named: str) -> None:
    """Hold a session, task or client: it does nothing more, is not ended, and stays readable."""
    held = Administration.by_token(data, token_file).call("sessions.hold", **named)
    if as_json:
        output.as_json(held)
        return
    gateways = len(held["acknowledged"])
    output.text(f"held {held['order']['target']} by order {held['order']['id']}; in force in {gateways} gateways")


@sessions.command()
@_subject
@reason
@options.token_file
@options.data
@options.as_json
@options.errors_told
def release(data: Path | None, token_file: Path | None, as_json: bool, **named: str) -> None:
    """Release what is held."""
    lifted = Administration.by_token(data, token_file).call("sessions.release", **named)
    if as_json:
        output.as_json(lifted)
    else:
        output.text(f"released {lifted['target']}")


@sessions.command()
@_subject
@reason
@options.token_file
@options.data
@options.as_json
@options.errors_told
def kill(data: Path | None, token_file: Path | None, as_json: bool, **named: str) -> None:
    """End a session, task or client's connection, with its tasks, streams and servers. There is no way back.

    It is no hold: whoever was ended may begin anew. Hold them first to keep them out.
    """
    ask = Administration.by_token(data, token_file)
    ask.patience = _PATIENCE
    said = ask.call("sessions.kill", **named)
    if as_json:
        output.as_json(said)
    else:
        output.text(_told(said))
    if said["left"] or said["silent"] or any(one["doubts"] for one in said["ended"].values()):
        raise SystemExit(1)


def _told(said: Mapping[str, Any]) -> str:
    ended = said["ended"].values()
    lines = [
        f"{said['subject']}: ended {_sum(ended, 'sessions')} sessions, {_sum(ended, 'calls')} calls, "
        f"{_sum(ended, 'streams')} streams, {sum(len(e['processes']) for e in ended)} processes, "
        f"{_sum(ended, 'cancelled')} tasks"
    ]
    lines += [f"in doubt: {doubt}" for one in ended for doubt in one["doubts"]]
    lines += [f"gateway {gateway} did not answer: {why}" for gateway, why in sorted(said["silent"].items())]
    lines += [f"still live in gateway {gateway}: {left}" for gateway, left in sorted(said["left"].items())]
    return "\n".join(lines)


def _sum(ended: Iterable[Mapping[str, Any]], what: str) -> int:
    return sum(int(one[what]) for one in ended)


@sessions.command()
@click.argument("server")
@click.option("--within", default=10.0, show_default=True, help="Seconds that what is under way may take.")
@reason
@options.token_file
@options.data
@options.as_json
@options.errors_told
def drain(server: str, within: float, reason: str, data: Path | None, token_file: Path | None, as_json: bool) -> None:
    """End every session at a server, start or reach it anew, and let clients in again once it answers."""
    ask = Administration.by_token(data, token_file)
    ask.patience = _PATIENCE + within
    said = ask.call("sessions.drain", server=server, within=within, reason=reason)
    if as_json:
        output.as_json(said)
        return
    ended = [one["ended"] for one in said["drained"].values()]
    output.text(
        f"drained {server}: {sum(e['sessions'] for e in ended)} sessions and "
        f"{sum(len(e['processes']) for e in ended)} processes ended; it answers, and takes new sessions"
    )
