"""`watchkeeper hunt draft-rule`: a rule with drafted tests, from rows that a hunt found."""

from __future__ import annotations

import uuid
from pathlib import Path

import click

from watchkeeper.app.lakes import search_in
from watchkeeper.app.settings import data_folder, require_journal
from watchkeeper.cli import options, output
from watchkeeper.cli.hunt import asking
from watchkeeper.core.errors import Conflict, Invalid
from watchkeeper.detect.hunts.behind import beside, events_behind
from watchkeeper.detect.hunts.drafting import draft
from watchkeeper.detect.hunts.standing.findings import heading_of
from watchkeeper.detect.hunts.standing.model import LEVELS


@click.command()
@click.argument("name")
@click.option("--row", "numbers", type=click.IntRange(1), multiple=True, help="A row; may be repeated. Default: all.")
@click.option("--level", type=click.Choice(LEVELS[1:]), default="medium", show_default=True, help="Of its alerts.")
@click.option("--out", type=click.Path(path_type=Path, dir_okay=False), help="Write it to this new file.")
@asking.parameters
@asking.since
@asking.until
@asking.tenant
@asking.folder
@options.data
@options.errors_told
def draft_rule(
    name: str, numbers: tuple[int, ...], level: str, out: Path | None, words: tuple[str, ...], since: str, until: str,
    tenant: str, folders: tuple[Path, ...], data: Path | None,
) -> None:  # fmt: skip
    """Run a hunt and draft a rule that tells its events from what went on beside them.

    The events become its `match` tests, their neighbours its `clean` ones. It is a beginning: read it, then
    `watchkeeper rules test`, `backtest` and `simulate` it.
    """
    hunt = asking.hunt_called(name, data, folders)
    folder = data_folder(data)
    require_journal(folder)
    if out is not None and out.exists():
        raise Conflict(f"{out} exists", hint="choose another name")
    found = asking.answer_of(hunt, data, words, since, until, tenant)
    rows = list(found.records())
    if not rows or max(numbers, default=1) > len(rows):
        raise Invalid(f"the hunt found {len(rows)} rows", hint="widen the range with --since, or choose other rows")
    chosen = [rows[number - 1] for number in numbers] or rows
    search = search_in(folder)
    events = events_behind(search, chosen, dict(zip(found.columns, found.types, strict=True)), tenant)
    near = beside(search, events, rows, tenant) if events else []
    text = draft(heading_of(hunt, level), events, near, str(uuid.uuid4()))
    if out is None:
        click.echo(output.inert(text), nl=False)
        return
    out.write_text(text, encoding="utf-8")
    output.text(f"wrote {out}: {len(events)} events it matches, {len(near)} neighbours it does not")
