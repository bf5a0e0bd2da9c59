"""`watchkeeper wrap`: between a desktop client and the stdio server it would start itself."""

from __future__ import annotations

import sys
from pathlib import Path

import click

from watchkeeper.app.wrapping import Asked, plan, run_wrap
from watchkeeper.cli import options
from watchkeeper.core import logs


@click.command(short_help="Between a desktop client and a server over stdio.")
@click.option("--name", metavar="NAME", default="", help="The server's name in policies, pins and events.")
@click.option("--client", metavar="NAME", default="", help="Who calls, in policies and events. Default: wrap-NAME.")
@click.option("--observe", is_flag=True, help="Stop nothing; record what would have been stopped.")
@click.option("--env", metavar="VARIABLE", multiple=True, help="A variable that the server gets, too. Again for more.")
@click.option("--read", metavar="PATH", multiple=True, help="What the server may read. Again for more.")
@click.option("--write", metavar="PATH", multiple=True, help="What the server may read and change. Again for more.")
@click.option("--cwd", metavar="PATH", default="", help="Where the server runs. Default: a private, empty folder.")
@click.option("--no-network", is_flag=True, help="Keep the server off the network.")
@click.option("--sandbox", type=click.Choice(["auto", "require", "off"]), default=None, help="Whether it is confined.")
@options.config
@options.data
@click.argument("command", nargs=-1, type=click.UNPROCESSED)
@options.errors_told
def wrap(
    name: str,
    client: str,
    observe: bool,
    env: tuple[str, ...],
    read: tuple[str, ...],
    write: tuple[str, ...],
    cwd: str,
    no_network: bool,
    sandbox: str | None,
    config: Path | None,
    data: Path | None,
    command: tuple[str, ...],
) -> None:
    """Stand between the client that runs this and a server over stdio: watchkeeper wrap [OPTIONS] -- COMMAND …

    Messages pass standard input and output, judged and recorded like any other; nothing else is ever written there.
    Without COMMAND, the command of [servers.NAME] is started. The server gets its own environment, and of ours what
    `--env` names.

    Exit code: the server's own; 0 when the client left and the server ended in peace.
    """
    logs.configure("warning")
    asked = Asked(
        command=command,
        name=name,
        client=client,
        observe=observe,
        env=env,
        cwd=cwd,
        sandbox=sandbox or "",
        read=read,
        write=write,
        no_network=no_network,
        data=data,
        config=config,
    )
    sys.exit(run_wrap(plan(asked)))
