"""Playbooks for other tools, and theirs for us: CACAO 2.0."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import click
import msgspec

from watchkeeper.cli import options, output
from watchkeeper.cli.playbooks.proving import files_of
from watchkeeper.core.errors import Invalid, Misconfigured, NotFound
from watchkeeper.core.files import write_private
from watchkeeper.respond.cacao import Authorship, exported, imported
from watchkeeper.respond.cacao.reading import MAX_BYTES
from watchkeeper.respond.service import load_actions
from watchkeeper.respond.shelf import load_file

_TIME = "%Y-%m-%dT%H:%M:%S"
out = click.option(
    "--out", type=click.Path(path_type=Path, dir_okay=False), default=None, help="Write it to this file."
)


@click.command()
@click.argument("playbook")
@out
@options.config
@options.data
@options.errors_told
def export(playbook: str, out: Path | None, config: Path | None, data: Path | None) -> None:
    """Hand a playbook to other tools as CACAO 2.0 JSON.

    PLAYBOOK is its id, or a file. What only Watchkeeper carries out stands in an extension; each step also says in
    words what a person would do.
    """
    actions = load_actions()
    path = Path(playbook)
    chosen = [path] if path.suffix == ".yaml" else files_of((), config, data)
    found = [
        (one, file) for file in chosen for one in [load_file(file, actions).playbook] if _is(one.id, playbook, path)
    ]
    if not found:
        raise NotFound(f"there is no playbook {playbook}", hint="see `watchkeeper playbooks list`")
    one, file = found[0]
    moment = datetime.fromtimestamp(file.stat().st_mtime, UTC)
    when = f"{moment.strftime(_TIME)}.{moment.microsecond // 1000:03d}Z"
    document = exported(one, actions, Authorship(created=when, modified=when))
    _write(msgspec.json.format(msgspec.json.encode(document), indent=2) + b"\n", out)


@click.command("import")
@click.argument("file", type=click.Path(path_type=Path, dir_okay=False))
@out
@options.as_json
@options.errors_told
def import_(file: Path, out: Path | None, as_json: bool) -> None:
    """Make a playbook of a CACAO 2.0 document.

    Nothing that a foreign document says is ever carried out by a machine: its commands become steps for a person.
    What could not be carried over as it was is told. The file that comes out is yours to change; put it into the
    folder `respond.playbooks` when it is right.
    """
    try:
        found = imported(_read(file), load_actions(), name=file.name)
    except Misconfigured as error:  # nobody's settings: what came in
        raise Invalid(error.reason, hint=error.hint) from error
    if as_json:
        output.as_json({"id": found.id, "notes": found.notes, "text": found.text})
        return
    for note in found.notes:
        output.text(f"note: {note}", err=True)
    _write(found.text.encode(), out)


def _is(id: str, wanted: str, path: Path) -> bool:
    return id == wanted or path.suffix == ".yaml"


def _read(file: Path) -> bytes:
    try:
        with file.open("rb") as opened:
            return opened.read(MAX_BYTES + 1)
    except FileNotFoundError as error:
        raise NotFound(f"there is no file {file}", hint="check the path") from error
    except OSError as error:
        raise Invalid(f"cannot read {file}: {error.strerror}", hint="check the path and its mode") from error


def _write(data: bytes, out: Path | None) -> None:
    if out is None:
        click.echo(data.decode(), nl=False)
        return
    write_private(out, data, exclusive=True)
    output.text(f"wrote {out}")


COMMANDS: tuple[Any, ...] = (export, import_)
