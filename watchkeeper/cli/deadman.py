"""`watchkeeper deadman`: who is silent, planned maintenance, and the outside half."""

from __future__ import annotations

import asyncio
import sys
from pathlib import Path

import click

from watchkeeper.app.administration import Administration
from watchkeeper.app.overview import deadman as deadman_of
from watchkeeper.app.process import refuse
from watchkeeper.app.services import run_service
from watchkeeper.app.settings import data_folder, load
from watchkeeper.cli import options, output
from watchkeeper.cli.oncall import seconds_of
from watchkeeper.cli.status import deadman_said
from watchkeeper.core import logs
from watchkeeper.core.errors import Misconfigured, NotFound, Unavailable, WatchkeeperError

_OFF = (
    "The dead-man's switch is off: when all this is silent, nobody is told. Name somebody outside in [deadman.pages], "
    "and another host or a cron monitor in deadman.ping_url; then `up` starts it. See docs/concepts/deadman.md."
)


@click.group(invoke_without_command=True, short_help="Pages when all this is silent.")
@click.option("--supervised", is_flag=True, help="Stop when standard input ends: whoever started this is gone.")
@options.config
@options.data
@click.pass_context
def deadman(ctx: click.Context, supervised: bool, config: Path | None, data: Path | None) -> None:
    """The dead-man's switch: a silent gateway, watch, sink or rule pages somebody outside within a minute.

    Without a command it runs in the foreground; `watchkeeper up` starts it by itself where the settings name somebody.
    """
    if ctx.invoked_subcommand is not None:
        return
    logs.configure()
    try:
        run_service("deadman", load(config, data_folder(data)), supervised=supervised, demo=False)
    except WatchkeeperError as error:
        refuse(error)
        sys.exit(error.exit_code)


@deadman.command()
@options.data
@options.as_json
@options.errors_told
def status(data: Path | None, as_json: bool) -> None:
    """Say what the switch hears and what is silent. Exit code 0 if it runs and nothing is silent, else 1."""
    found = deadman_of(data_folder(data))
    silent = [one for one in found.get("sources", ()) if one["state"] == "silent"]
    is_well = found["known"] and not silent and not found["unsent"]
    if as_json:
        output.as_json({"well": is_well, **found})
        sys.exit(0 if is_well else 1)
    if not found["is_on"]:
        output.text(_OFF)
        sys.exit(1)
    output.text(deadman_said(found))
    if found["known"]:
        click.echo()
        output.table(
            ["source", "state", "not heard for", "why"],
            [
                [one["name"], one["state"], f"{one['quiet_seconds']:.0f} s", one["why"] or "-"]
                for one in found["sources"]
            ],
            empty="It has not looked yet.",
            below=("why",),
        )
    sys.exit(0 if is_well else 1)


@deadman.command()
@click.option("--for", "lasting", required=True, help="How long: 30m, 2h; four hours at most. It ends by itself.")
@click.option("--reason", required=True, help="Why; goes into the journal.")
@options.token_file
@options.data
@options.as_json
@options.errors_told
def pause(lasting: str, reason: str, data: Path | None, token_file: Path | None, as_json: bool) -> None:
    """Page nobody for a while: planned maintenance. Acts on this host only; no token is good for it."""
    made = Administration.by_token(data, token_file).call("deadman.pause", seconds=seconds_of(lasting), reason=reason)
    if as_json:
        output.as_json(made)
    else:
        output.text(f"paused until {output.moment(made['ends_at'])}; `watchkeeper deadman resume` ends it before")


@deadman.command()
@options.token_file
@options.data
@options.as_json
@options.errors_told
def resume(data: Path | None, token_file: Path | None, as_json: bool) -> None:
    """End a pause before its time."""
    ended = Administration.by_token(data, token_file).call("deadman.resume")
    if as_json:
        output.as_json(ended)
    else:
        output.text("the switch pages again")


@deadman.command()
@options.config
@options.data
@options.as_json
@options.errors_told
def test(config: Path | None, data: Path | None, as_json: bool) -> None:
    """Page everybody who would be, saying that it is a test. Exit code 0 if all channels took it, else 75."""
    from watchkeeper.app.deadman import test_pages  # noqa: PLC0415 — everything that sends, needed here only

    loaded = load(config, data_folder(data))
    if not loaded.settings.deadman.pages:
        raise NotFound("nobody would be paged", hint="name somebody in [deadman.pages]; see docs/concepts/deadman.md")
    tried = test_pages(loaded)
    if as_json:
        output.as_json(tried)
    else:
        for name, why in tried.items():
            output.text(f"{name}: {f'NOT taken: {why}' if why else 'taken'}")
    sys.exit(Unavailable.exit_code if any(tried.values()) else 0)


@deadman.command()
@click.option("--supervised", is_flag=True, help="Stop when standard input ends: whoever started this is gone.")
@options.config
@options.data
def listen(supervised: bool, config: Path | None, data: Path | None) -> None:
    """Run the outside half, on another host: page when an installation's heartbeat stops.

    Prints one JSON line when it listens. Whose heartbeats are expected stands in [deadman.listen.instances].
    """
    from watchkeeper.app.deadman import run_listener  # noqa: PLC0415 — everything that sends, needed here only

    logs.configure()
    try:
        folder = data_folder(data)
        loaded = load(config, folder)
        if loaded.path is None:
            raise Misconfigured(
                "there are no settings", hint=f"write {folder}/watchkeeper.toml, or name a file: --config"
            )
        asyncio.run(run_listener(loaded, supervised=supervised))
    except WatchkeeperError as error:
        refuse(error)
        sys.exit(error.exit_code)
