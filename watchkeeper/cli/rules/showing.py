"""`watchkeeper rules show`: one rule in full, as it stands in its file."""

from __future__ import annotations

from pathlib import Path

import click

from watchkeeper.cli import options, output
from watchkeeper.cli.rules.choosing import find, folders_option, rules_in
from watchkeeper.cli.rules.listing import brief


@click.command("show")
@click.argument("rule")
@folders_option
@options.as_json
@options.errors_told
def command(rule: str, folders: tuple[Path, ...], as_json: bool) -> None:
    """Show one rule: its file, and what the engine made of it.

    RULE is a name or an id.
    """
    found = find(rules_in(folders), rule)
    text = Path(found.source).read_text(encoding="utf-8")
    if as_json:
        output.as_json(brief(found) | {"reads": sorted(found.reads), "text": text})
        return
    kinds = "all kinds" if found.kinds is None else ", ".join(sorted(found.kinds))
    output.text(f"# {found.source}\n# looks at {found.domain or 'every domain'}, {kinds}\n\n{text.rstrip()}")
