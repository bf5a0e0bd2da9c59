"""`watchkeeper journal status|seal|prune`: how much disk the record takes, and how long it keeps what."""

from __future__ import annotations

from pathlib import Path

import click
import msgspec

from watchkeeper.app.settings import data_folder, load, require_journal
from watchkeeper.app.upkeep import Turn, keep_now, look, plan
from watchkeeper.cli import options, output
from watchkeeper.events.journal.keeping import RetentionSettings
from watchkeeper.events.journal.upkeep import LogStatus

_FORMS = ("pruned", "sealed", "plain", "open")


@click.command("status")
@options.data
@options.as_json
@options.errors_told
def status(data: Path | None, as_json: bool) -> None:
    """Say what the logs' files are: how many are sealed and pruned, and how many bytes a record takes.

    Reads the files' ends, not their records, and may run beside a live service; to check them, use `verify`.
    """
    folder = data_folder(data)
    require_journal(folder)
    found = look(folder)
    if as_json:
        output.as_json(found)
        return
    output.table(
        ("log", "records", "removed", "bytes", "bytes/record", *_FORMS),
        [_row(log) for log in found],
        empty="no process has recorded anything yet; `watchkeeper up` or `watchkeeper demo` begins a journal",
    )


@click.command("seal")
@options.data
@options.as_json
@options.errors_told
def seal(data: Path | None, as_json: bool) -> None:
    """Join and compress full files now. The services do it by themselves, each for its own log.

    Nothing is lost by it: the same records, salts and proofs, in fewer bytes.
    """
    folder = data_folder(data)
    require_journal(folder)
    _tell(keep_now(folder, RetentionSettings()), as_json=as_json)


@click.command("prune")
@click.option("--days", type=click.IntRange(min=1), help="Instead of `[journal.retention] days`.")
@click.option("--megabytes", type=click.IntRange(min=1), help="Instead of `[journal.retention] megabytes`.")
@click.option("--dry-run", is_flag=True, help="Say for each file what would become of it and why; change nothing.")
@options.config
@options.data
@options.as_json
@options.errors_told
def prune(
    days: int | None, megabytes: int | None, dry_run: bool, config: Path | None, data: Path | None, as_json: bool
) -> None:
    """Remove records that are past their time, as `[journal.retention]` says; their proofs stand.

    Kept are: what is under a legal hold, what the lake, detection or a sink has not read yet (for a while), and what is
    not sealed. Removed records cannot be brought back.
    """
    folder = data_folder(data)
    require_journal(folder)
    settings = load(config, folder).settings.journal.retention
    if days is not None or megabytes is not None:
        settings = msgspec.structs.replace(settings, days=days or 0, megabytes=megabytes or 0)
    _tell(plan(folder, settings) if dry_run else keep_now(folder, settings), as_json=as_json)


def _row(log: LogStatus) -> tuple[object, ...]:
    kept = log.records - log.removed
    counts = [sum(file.form == form for file in log.files) for form in _FORMS]
    return (log.writer, log.records, log.removed, log.bytes, f"{log.bytes / max(1, kept or log.records):.0f}", *counts)


def _tell(turns: list[Turn], *, as_json: bool) -> None:
    if as_json:
        output.as_json(turns)
        return
    for turn in turns:
        if turn.skipped:
            output.text(f"{turn.writer:10} left alone: {turn.skipped}")
        for done in turn.sealed:
            output.text(f"{turn.writer:10} sealed {done.file}: {done.before} bytes are {done.after} now")
        for done in turn.pruned:
            output.text(f"{turn.writer:10} pruned {done.file}: {done.records} records removed, their proofs stand")
        for ruling in turn.rulings:
            verb = "would lose its records" if ruling.is_removed else "keeps its records"
            output.text(f"{turn.writer:10} {ruling.file} {verb}: {ruling.reason}{_losses(ruling.loses)}")
        if not (turn.skipped or turn.sealed or turn.pruned or turn.rulings):
            output.text(f"{turn.writer:10} nothing to do")


def _losses(loses: dict[str, int]) -> str:
    return "".join(f"; {name} has not read {count} of them" for name, count in sorted(loses.items()))
