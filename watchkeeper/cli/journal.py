"""`watchkeeper journal`: is the record whole, and can this event be proven?"""

from __future__ import annotations

import sys
from pathlib import Path

import click
import msgspec

from watchkeeper.app.anchoring import anchors_of, copy_once, with_anchors
from watchkeeper.app.settings import data_folder, load, require_journal
from watchkeeper.cli import keeping, options, output
from watchkeeper.core.files import write_private
from watchkeeper.events.anchors.comparing import compare
from watchkeeper.events.anchors.model import Compared
from watchkeeper.events.journal import Report, verifier
from watchkeeper.events.journal import prove as prove_event
from watchkeeper.events.journal import verify as verify_journal
from watchkeeper.events.journal.tiles.export import export

VERDICTS = {0: "intact", 1: "TAMPERED", 2: "unusable", 3: "intact up to a point; the tail is not covered"}


@click.group()
def journal() -> None:
    """The append-only record: verify it, prove an event of it."""


@journal.command()
@click.argument("data_dir", type=click.Path(path_type=Path, file_okay=False), required=False)
@click.option("--anchors", "compares", is_flag=True, help="Also compare with the copies in `[journal.anchors]`.")
@options.data
@options.config
@options.as_json
@options.errors_told
def verify(data_dir: Path | None, compares: bool, data: Path | None, config: Path | None, as_json: bool) -> None:
    """Check every entry, tree head and signature of DATA_DIR; may run beside a live service.

    Exit codes: 0 intact · 1 tampered, or a copied checkpoint contradicts a log · 2 unusable (nothing to verify, or it
    cannot be read; with --anchors also: a place does not answer) · 3 intact up to a point, the tail is not covered
    (torn by a crash, or cut).
    """
    folder = data_folder(data_dir or data)
    places = anchors_of(load(config, folder)) if compares else []
    shows_progress = sys.stderr.isatty() and not as_json

    def progress(writer: str, done: int, total: int) -> None:
        if shows_progress:
            click.echo(f"\rverifying {writer}: {done * 100 // max(1, total):3d} %", nl=False, err=True)

    report = verify_journal(folder, progress=progress)
    compared = compare(folder, places, progress) if places else []
    if shows_progress:
        click.echo("\r", nl=False, err=True)
    code = with_anchors(report.code, compared)
    if as_json:
        said = msgspec.to_builtins(report)
        output.as_json(said | {"code": code, "anchors": compared} if compares else said)
    else:
        _tell(report)
        for one in compared:
            _tell_compared(one)
    sys.exit(code)


@journal.command("anchors")
@click.option("--copy", "copies", is_flag=True, help="First copy each log's newest checkpoint to every place.")
@options.data
@options.config
@options.as_json
@options.errors_told
def list_anchors(copies: bool, data: Path | None, config: Path | None, as_json: bool) -> None:
    """Say which checkpoints lie at the places of `[journal.anchors]`, and whether the logs still fit them.

    The watch copies and compares by itself; with --copy this does it once, where no watch runs. Exit codes: 0 all fit ·
    1 a copy contradicts a log · 2 a place or a log could not be read.
    """
    folder = data_folder(data)
    require_journal(folder)
    places = anchors_of(load(config, folder))
    failures = copy_once(folder, places) if copies else []
    compared = compare(folder, places)
    if as_json:
        output.as_json({"anchors": compared, "failures": failures})
    else:
        for one in compared:
            _tell_compared(one)
        for failure in failures:
            output.text(f"not copied: {failure}")
    sys.exit(max(with_anchors(0, compared), 0) or (2 if failures else 0))


@journal.command()
@click.argument("event_id")
@click.option(
    "--out", type=click.Path(path_type=Path, dir_okay=False), help="Write the proof here instead of printing it."
)
@options.data
@options.errors_told
def prove(event_id: str, out: Path | None, data: Path | None) -> None:
    """Make a proof that an event is in the journal.

    Anyone can check it with Python alone: `watchkeeper journal verifier > verifier.py`, then `python verifier.py
    PROOF`.
    """
    folder = data_folder(data)
    require_journal(folder)
    proof = prove_event(folder, event_id)
    text = msgspec.json.format(msgspec.json.encode(proof), indent=2)
    if out is None:
        click.echo(output.inert(text.decode()))
        return
    write_private(out, text + b"\n")
    click.echo(f"wrote {out}; check it: watchkeeper journal verifier > verifier.py && python3 verifier.py {out}")


@journal.command("verifier")
def print_verifier() -> None:
    """Print the stand-alone verifier: one file, Python's standard library only."""
    click.echo(Path(verifier.__file__).read_text(encoding="utf-8"), nl=False)


@journal.command("tiles")
@click.option(
    "--export",
    "folder",
    type=click.Path(path_type=Path, file_okay=False),
    required=True,
    help="Folder that gets (or keeps) one subfolder for each log.",
)
@options.data
@options.as_json
@options.errors_told
def write_tiles(folder: Path, data: Path | None, as_json: bool) -> None:
    """Write every log as C2SP tiles, for verifiers outside: static files, fit for any web server or object store.

    Run it again to add what is new; full tiles never change. To serve them from here, set `[journal.tiles] listen`.
    Nobody can read a record in them: they hold salted hashes, and so disclose only how many there are.
    """
    root = data_folder(data)
    require_journal(root)
    shows_progress = sys.stderr.isatty() and not as_json

    def progress(writer: str, done: int, total: int) -> None:
        if shows_progress:
            click.echo(f"\rwriting {writer}: {done * 100 // max(1, total):3d} %", nl=False, err=True)

    written = export(root, folder.absolute(), progress)
    if shows_progress:
        click.echo("\r", nl=False, err=True)
    if as_json:
        output.as_json(written)
        return
    for log in written:
        output.text(f"{log.writer:10} {log.size} records → {log.folder}")
    output.text("check one from anywhere: python3 verifier.py --tiles FOLDER_OR_URL --key public.vkey")


journal.add_command(keeping.status)
journal.add_command(keeping.seal)
journal.add_command(keeping.prune)


def _tell_compared(one: Compared) -> None:
    where = f"{one.place}/{one.writer}"
    if one.contradictions:
        output.text(f"{where:20} CONTRADICTED by {len(one.contradictions)} of {one.copies} copies")
        output.text(f"{'':20} {one.contradictions[0].reason}")
    elif one.failure:
        output.text(f"{where:20} not known: {one.failure}")
    elif not one.copies:
        output.text(f"{where:20} nothing was copied yet")
    else:
        output.text(f"{where:20} all {one.copies} copies fit; the newest covers {one.newest} of {one.log} records")
    if one.unreadable:
        output.text(f"{'':20} {one.unreadable} copies are damaged: they fit no key, and prove nothing")
    if one.not_compared:
        output.text(f"{'':20} {one.not_compared} copies are about records whose hashes were dropped")


def _tell(report: Report) -> None:
    for log in report.logs:
        output.text(f"{log.writer:10} {VERDICTS[log.code]}: {log.records} records in {log.commits} commits")
        if log.reason:
            output.text(f"{'':10} {log.reason}" + (f" ({log.file} at byte {log.offset})" if log.file else ""))
        if log.erased:
            output.text(f"{'':10} {log.erased} of them are erased: proven unchanged, unreadable for ever")
        if log.removed:
            output.text(f"{'':10} {log.removed} of them were removed by retention: their entries are proven")
        if log.root:
            output.text(f"{'':10} root {log.root}\n{'':10} key  {log.key}")
    output.text(f"{VERDICTS[report.code]}{': ' + report.reason if report.reason else ''}")
