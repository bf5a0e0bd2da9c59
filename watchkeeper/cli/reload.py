"""`watchkeeper reload`: a running gateway takes its settings anew, without dropping a call."""

from __future__ import annotations

from pathlib import Path

import click

from watchkeeper.app.reloading import ask_reload
from watchkeeper.app.settings import data_folder
from watchkeeper.cli import options, output


@click.command()
@options.data
@options.as_json
@options.errors_told
def reload(data: Path | None, as_json: bool) -> None:
    """Have the gateway read its settings and policies again.

    They are checked completely first. Settings that cannot work are refused and recorded, and those in force stay.
    No connection is dropped, and calls under way finish. SIGHUP does the same.
    """
    told = ask_reload(data_folder(data))
    if as_json:
        output.as_json(told)
        return
    changed = ", ".join(told["changed"]) or "nothing but what the policies' files say"
    output.text(f"In force now ({told['file'] or 'no file: defaults and environment only'}).")
    output.text(f"Changed: {changed}")
    if told["waits_for_restart"]:
        output.text(f"Waits for a restart: {', '.join(told['waits_for_restart'])}")
