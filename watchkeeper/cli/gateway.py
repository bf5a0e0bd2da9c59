"""`watchkeeper gateway`: the gateway alone, in front of one server, or of those of a settings file."""

from __future__ import annotations

import sys
from pathlib import Path

import click

from watchkeeper.app.alone import Asked, folder_for, run_alone
from watchkeeper.app.process import refuse
from watchkeeper.cli import options, output
from watchkeeper.core import logs
from watchkeeper.core.errors import WatchkeeperError


@click.command(short_help="The gateway alone, without watch and console.")
@click.option("--upstream", metavar="URL", default="", help="The server to stand in front of, over HTTP.")
@click.option("--stdio", metavar="COMMAND", default="", help="The server to start and to stand in front of; no shell.")
@click.option("--listen", metavar="HOST:PORT", default="", help="Where to listen. Port 0 takes a free one.")
@click.option("--name", metavar="NAME", default="", help="The server's name in policies, pins and events.")
@click.option("--workers", type=click.IntRange(1, 64), default=None, help="Processes that share the port (Linux).")
@click.option("--observe", is_flag=True, help="Stop nothing; record what would have been stopped.")
@click.option("--ephemeral", is_flag=True, help="A data folder that is removed in the end: the record is thrown away.")
@click.option("--print-token", is_flag=True, help="Put the client's token itself into the ready line.")
@options.config
@options.data
def gateway(
    upstream: str,
    stdio: str,
    listen: str,
    name: str,
    workers: int | None,
    observe: bool,
    ephemeral: bool,
    print_token: bool,
    config: Path | None,
    data: Path | None,
) -> None:
    """Run the gateway alone in the foreground, until SIGTERM or Ctrl-C; then it drains.

    Everything is on that is on by default. Prints one JSON line when it serves, `{"ready": "gateway", "servers":
    {NAME: URL}, "clients": [{"name", "token_file"}], …}` or `{"error": {…}}`, then logs to standard error.
    """
    asked = Asked(
        upstream=upstream,
        stdio=stdio,
        listen=listen,
        name=name,
        observe=observe,
        data=data,
        ephemeral=ephemeral,
        config=config,
        print_token=print_token,
        workers=workers or 0,
    )
    logs.configure()
    try:
        with folder_for(asked) as folder:
            run_alone(asked, folder)
    except WatchkeeperError as error:
        refuse(error)
        output.said(error)
    sys.exit(0)
