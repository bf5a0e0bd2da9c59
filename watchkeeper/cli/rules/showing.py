"""`watchkeeper rules show`: one rule in full, as it stands in its file."""

from __future__ import annotations

from pathlib import Path

import click

from watchkeeper.cli import options, output
from watchkeeper.cli.rules.choosing import detections_in, find, folders_option
from watchkeeper.cli.rules.listing import brief, brief_of_correlation
from watchkeeper.detect.model import Rule


@click.command("show")
@click.argument("rule")
@folders_option
@options.config
@options.data
@options.as_json
@options.errors_told
def command(rule: str, folders: tuple[Path, ...], config: Path | None, data: Path | None, as_json: bool) -> None:
    """Show one rule: its file, and what the engine made of it.

    RULE is a name or an id.
    """
    detections = detections_in(folders, config, data)
    headings = [*detections.rules, *(one.heading for one in detections.correlations)]
    found = find(headings, rule)
    text = Path(found.source).read_text(encoding="utf-8")
    if isinstance(found, Rule):
        told = brief(found) | {"reads": sorted(found.reads)}
        kinds = "all kinds" if found.kinds is None else ", ".join(sorted(found.kinds))
        says = f"looks at {found.domain or 'every domain'}, {kinds}"
    else:
        (one,) = (one for one in detections.correlations if one.heading is found)
        told = brief_of_correlation(one)
        says = f"{one.type} of {', '.join(find(headings, id).name for id in (*one.rules, *one.missing))}"
    if as_json:
        output.as_json(told | {"text": text})
        return
    output.text(f"# {found.source}\n# {says}\n\n{text.rstrip()}")
