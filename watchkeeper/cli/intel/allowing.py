"""`watchkeeper intel allow`: what is never an indicator, and what each entry costs."""

from __future__ import annotations

from pathlib import Path

import click

from watchkeeper.app.settings import current_operator
from watchkeeper.cli import options, output
from watchkeeper.cli.intel.common import meant, note_change, opened, type_option
from watchkeeper.core.clock import SystemClock
from watchkeeper.detect.intelligence.keeping.allowing import BUILT_IN, Allowed


@click.group()
def allow() -> None:
    """What is never looked for: private networks, names for documentation, and what you add."""


@allow.command("list")
@click.option("--all", "everything", is_flag=True, help="Also built-in entries that silence nothing.")
@options.config
@options.data
@options.as_json
@options.errors_told
def list_(everything: bool, config: Path | None, data: Path | None, as_json: bool) -> None:
    """List the entries, each with how many indicators it silences."""
    _, library = opened(config, data)
    silenced = library.open().head.silenced
    own = library.allowed.own()
    entries = [*own, *(one for one in BUILT_IN if everything or silenced.get(one.key))]
    rows = [(one, silenced.get(one.key, 0)) for one in entries]
    if as_json:
        output.lines(
            [{"type": one.type.value, "value": one.value, "why": one.why, "by": one.by, "added": one.added,
              "silences": count} for one, count in rows]
        )  # fmt: skip
        return
    output.table(
        ["type", "value", "silences", "by", "why"],
        [[one.type.value, one.value, count, one.by, one.why] for one, count in rows],
        empty=f"No indicator is silenced. {len(BUILT_IN)} entries are built in (--all shows them); add your own with "
        "`watchkeeper intel allow add VALUE --why …`.",
        below=("why",),
    )


@allow.command()
@click.argument("value")
@type_option
@click.option("--why", required=True, help="The reason, for whoever reads the list.")
@options.config
@options.data
@options.errors_told
def add(value: str, kind: str, why: str, config: Path | None, data: Path | None) -> None:
    """Never look for a value again: a name covers the names under it, a network what lies in it."""
    loaded, library = opened(config, data)
    named, normal = meant(kind, value)
    entry = Allowed(type=named, value=normal, why=why[:300], by=current_operator(), added=SystemClock().now())
    library.allow([entry])
    count = library.open().head.silenced.get(entry.key, 0)
    note_change(loaded, "allowed", entry.key, why[:300])
    output.text(f"{normal} is allowed; it silences {count} indicators")


@allow.command()
@click.argument("value")
@type_option
@options.config
@options.data
@options.errors_told
def remove(value: str, kind: str, config: Path | None, data: Path | None) -> None:
    """Take a value off the list: it is looked for again."""
    loaded, library = opened(config, data)
    gone = library.forbid(*meant(kind, value))
    note_change(loaded, "not_allowed", gone.key)
    output.text(f"{gone.value} is not allowed any more")
