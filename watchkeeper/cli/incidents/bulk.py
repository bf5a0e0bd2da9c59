"""Incidents out and in: exports that go on where the last one ended, imports that report every line."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import click

from watchkeeper.cli import output
from watchkeeper.cli.incidents import asking
from watchkeeper.cli.incidents.asking import asked, call
from watchkeeper.core.errors import Conflict, Invalid
from watchkeeper.core.files import write_private
from watchkeeper.core.text import visible
from watchkeeper.respond.cases.importing import LONGEST_RECORD
from watchkeeper.respond.exports import FORMATS

LARGEST = 256 * 1024 * 1024
"""Bytes of a file that is imported."""
_BATCH_LINES, _BATCH_BYTES = 200, 4 * 1024 * 1024
_REFUSED = ("refused", "differs")


@click.command()
@click.argument("incident", required=False, default="")
@click.option("--since", default="", help="A time, a span such as 7d, or the cursor of an earlier export.")
@click.option("--format", "form", type=click.Choice(list(FORMATS)), default="jsonl", show_default=True, help="As what.")
@click.option(
    "--cursor-file",
    type=click.Path(path_type=Path, dir_okay=False),
    default=None,
    help="Go on behind the cursor in this file, and leave the new one there.",
)
@asked
def export(incident: str, since: str, form: str, cursor_file: Path | None, **rest: Any) -> None:
    """Write incidents as JSON lines, in the order of their changes; with INCIDENT only that one.

    What changes while it runs comes with the next: an incident may come again, and the last line counts. The cursor
    behind the last line goes to standard error.
    """
    rest.pop("as_json")
    if cursor_file is not None and (since or incident):
        raise Invalid("--cursor-file says where to begin", hint="leave out INCIDENT and --since")
    cursor = _kept(cursor_file) if cursor_file else since if since.startswith("c1-") else ""
    moment = asking.moment("" if cursor else since)
    while True:
        page = call("export", incident=incident, cursor=cursor, since=moment, format=form, **rest)
        output.lines(page["lines"])
        cursor = page["cursor"]
        if page["is_last"]:
            break
    if cursor_file is not None:
        write_private(cursor_file, f"{cursor}\n".encode())
    elif cursor:
        click.echo(f"cursor: {cursor}", err=True)


@click.command("import")
@click.argument("file", type=click.Path(path_type=Path, dir_okay=False, exists=True))
@click.option("--source", required=True, help="The system that they come from; with external_id it is their name.")
@click.option("--dry-run", is_flag=True, help="Say what would be done, and do nothing.")
@click.option(
    "--refused",
    type=click.Path(path_type=Path, dir_okay=False),
    default=None,
    help="Write the lines that were not taken into this new file.",
)
@asked
def import_(file: Path, source: str, dry_run: bool, refused: Path | None, as_json: bool, **rest: Any) -> None:
    """Take over incidents of another system, one JSON object a line.

    Each line is taken whole or reported with its number; a line that was taken before is known. The exit code is not 0
    when a line was refused.
    """
    if file.stat().st_size > LARGEST:
        raise Invalid(f"{file} is larger than {LARGEST >> 20} MB", hint="split it: what is taken is known afterwards")
    counts: Counter[str] = Counter()
    reports: list[dict[str, Any]] = []
    lost: list[bytes] = []
    for batch in _batches(file):
        sent, outcomes = _readable(batch)
        if sent:
            outcomes += call("import", source=source, lines=sent, dry_run=dry_run, **rest)
        outcomes.sort(key=lambda one: int(one["line"]))
        counts.update(one["what"] for one in outcomes)
        bad = [one for one in outcomes if one["what"] in _REFUSED]
        reports += bad
        known = dict(batch)
        lost += [known[one["line"]] for one in bad]
    if refused is not None and lost:
        with refused.open("xb") as out:
            out.write(b"".join(line + b"\n" for line in lost))
    if as_json:
        output.as_json({"counts": dict(counts), "reports": reports})
    else:
        for one in reports:
            output.text(f"line {one['line']}: {one['what']}: {visible(one['why'])}", err=True)
        click.echo(", ".join(f"{count} {what}" for what, count in sorted(counts.items())) or "The file is empty.")
    if reports:
        hint = f"mend {refused} and import it" if refused else "mend them and import the file again"
        raise Conflict(f"{len(reports)} of {counts.total()} lines were not taken", hint=hint)


def _batches(file: Path) -> Iterator[list[tuple[int, bytes]]]:
    batch: list[tuple[int, bytes]] = []
    size = 0
    with file.open("rb") as lines:
        for number, whole in enumerate(lines, 1):
            line = whole.rstrip(b"\r\n")
            if not line.strip():
                continue
            if batch and (len(batch) >= _BATCH_LINES or size + len(line) > _BATCH_BYTES):
                yield batch
                batch, size = [], 0
            batch.append((number, line))
            size += len(line)
    if batch:
        yield batch


def _readable(batch: list[tuple[int, bytes]]) -> tuple[list[tuple[int, str]], list[dict[str, Any]]]:
    """The lines that can be sent, and what is said of the others."""
    sent: list[tuple[int, str]] = []
    refused: list[dict[str, Any]] = []
    for number, line in batch:
        why = f"the line is longer than {LONGEST_RECORD // 1024} KB" if len(line) > LONGEST_RECORD else ""
        try:
            text = line.decode()
        except UnicodeDecodeError:
            why = why or "the line is not UTF-8"
        if why:
            refused.append({"line": number, "what": "refused", "why": why, "number": ""})
        else:
            sent.append((number, text))
    return sent, refused


def _kept(file: Path) -> str:
    try:
        return file.read_text(encoding="ascii").strip()
    except FileNotFoundError:
        return ""
    except UnicodeDecodeError as error:
        raise Invalid(f"{file} holds no cursor", hint="take another file, or remove it to begin anew") from error


COMMANDS = (export, import_)
