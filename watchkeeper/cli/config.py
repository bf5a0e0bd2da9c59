"""`watchkeeper config`: what is set, and whether it can work."""

from __future__ import annotations

from pathlib import Path

import click

from watchkeeper.app.blinding import blinded, reads_of
from watchkeeper.app.capturing import captures
from watchkeeper.app.checking import check_quickly
from watchkeeper.app.reading import check_thoroughly
from watchkeeper.app.settings import as_toml, data_folder, load
from watchkeeper.cli import options, output
from watchkeeper.gateway.aggregate.settings import members_of


@click.group(short_help="What is set, and whether it can work.")
def config() -> None:
    """Settings: a TOML file, overridden by WATCHKEEPER_<SECTION>_<FIELD>."""


@config.command()
@options.config
@options.data
@options.as_json
@options.errors_told
def check(config: Path | None, data: Path | None, as_json: bool) -> None:
    """Read the settings and say whether they can work.

    Also looked at: every program and folder that they name, every policy, rule and playbook.
    """
    loaded = load(config, data_folder(data))
    servers = check_thoroughly(loaded)
    if as_json:
        told = {"servers": sorted(servers), "endpoints": sorted(loaded.settings.endpoints)}
        output.as_json({"ok": True, "file": str(loaded.path or ""), **told})
        return
    where = loaded.path or "no file: defaults and environment only"
    output.text(f"The settings can work ({where}).")
    none = "" if loaded.settings.servers else " (none configured, so `up` fronts the packaged ones)"
    output.text(f"Servers: {', '.join(sorted(servers))}{none}")
    for name, endpoint in sorted(loaded.settings.endpoints.items()):
        output.text(f"Endpoint {name}: {', '.join(members_of(endpoint, servers))}, as one")


@config.command()
@options.config
@options.data
@options.as_json
@options.errors_told
def show(config: Path | None, data: Path | None, as_json: bool) -> None:
    """Print every setting with its value and meaning; secrets are masked."""
    loaded = load(config, data_folder(data))
    if as_json:
        output.as_json(loaded.masked())
    else:
        output.text(as_toml(loaded))


@config.command()
@options.config
@options.data
@options.as_json
@options.errors_told
def capture(config: Path | None, data: Path | None, as_json: bool) -> None:
    """Say what of others' words events keep, for each server and class of text.

    Secrets are never kept. What an event left out is said in it, in `body.capture`. A detection rule that reads what a
    server's events do not keep cannot fire there, and is named.
    """
    loaded = load(config, data_folder(data))
    kept = captures(loaded, check_quickly(loaded))
    blind = blinded(kept, reads_of(loaded))
    if as_json:
        output.as_json({"servers": kept, "blinded": blind})
        return
    rows = [[server, name, said] for server, classes in kept.items() for name, said in classes.items()]
    output.table(["server", "text", "kept"], rows, empty="No server is configured, so nothing is kept.")
    full = sorted({server for server, _, said in rows if said.startswith("full")})
    if full:
        output.text(f"In full, secrets apart: {', '.join(full)}. Personal data stays readable there.", err=True)
    for one in blind:
        where = f"{one['text']} of {one['server']}"
        output.text(
            f"The rule {one['rule']} reads {one['field']}, and {where} are not kept: it is blind there.", err=True
        )
