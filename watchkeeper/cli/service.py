"""`watchkeeper service`: one process of `up` on its own, for a process manager such as systemd."""

from __future__ import annotations

import sys
from pathlib import Path

import click

from watchkeeper.app.process import refuse
from watchkeeper.app.services import SERVICES, run_service, stand_by
from watchkeeper.app.settings import data_folder, load
from watchkeeper.cli import options
from watchkeeper.core import logs
from watchkeeper.core.errors import WatchkeeperError


@click.command(short_help="One process of `up`, for a process manager.")
@click.argument("name", type=click.Choice(sorted(SERVICES)))
@click.option("--supervised", is_flag=True, help="Stop when standard input ends: whoever started this is gone.")
@click.option("--demo", is_flag=True, help="Also front the training server, for exercises.")
@click.option("--free-ports", is_flag=True, help="Let the system choose every port; no settings file is read.")
@click.option("--spare", is_flag=True, help="Stand by, ready to begin when a line comes on standard input.")
@options.config
@options.data
def service(
    name: str, supervised: bool, demo: bool, free_ports: bool, spare: bool, config: Path | None, data: Path | None
) -> None:
    """Run one service in the foreground: gateway, watch, console or deadman.

    Prints one JSON line when it is ready, `{"ready": NAME, …}` or `{"error": {…}}`, then logs to standard error.
    """
    logs.configure()
    if spare and not stand_by(name):
        return
    try:
        run_service(name, load(config, data_folder(data), free_ports=free_ports), supervised=supervised, demo=demo)
    except WatchkeeperError as error:
        refuse(error)
        sys.exit(error.exit_code)
