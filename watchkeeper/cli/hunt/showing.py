"""`watchkeeper hunt list` and `hunt show`."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click
import msgspec

from watchkeeper.app.settings import data_folder
from watchkeeper.cli import options, output
from watchkeeper.cli.hunt import asking
from watchkeeper.cli.querying import range_of
from watchkeeper.core.clock import SystemClock
from watchkeeper.detect.hunts.model import Hunt
from watchkeeper.detect.hunts.own import known_hunts
from watchkeeper.detect.hunts.parameters import from_words, samples, values
from watchkeeper.events.lake.sql import dialects
from watchkeeper.events.lake.sql.rewriting import prepare, rewrite


@click.command("list")
@asking.folder
@options.data
@options.as_json
@options.errors_told
def list_(folders: tuple[Path, ...], data: Path | None, as_json: bool) -> None:
    """List every hunt with what it looks for."""
    found = known_hunts(data_folder(data), folders)
    if as_json:
        output.lines([_brief(hunt) for hunt in found.values()])
        return
    output.table(
        ["hunt", "looks for", "techniques", "range"],
        [[one.name, one.title, " ".join(one.techniques) or "-", one.range] for one in found.values()],
        empty="There are no hunts. Put one into a folder and name it with --folder.",
        below=("looks for", "techniques"),
    )


@click.command()
@click.argument("name")
@click.option("--dialect", default="", type=click.Choice(["", *dialects.names()]), metavar="DIALECT",
              help=f"For another engine over the same files: {', '.join(dialects.names())}.")  # fmt: skip
@click.option("--table", default="events", show_default=True, help="What the lake's table is called there.")
@asking.parameters
@asking.since
@asking.until
@asking.tenant
@asking.folder
@options.data
@options.as_json
@options.errors_told
def show(
    name: str, dialect: str, table: str, folders: tuple[Path, ...], data: Path | None, as_json: bool, **said: Any
) -> None:
    """Show one hunt: why, its parameters, and its SQL.

    With `--dialect` the SQL alone, bound to the tenant and the range, as that engine needs it.
    """
    hunt = asking.hunt_called(name, data, folders)
    if dialect:
        text = _carried(hunt, dialect, table, **said)
        if as_json:
            output.as_json({"hunt": name, "dialect": dialect, "sql": text})
        else:
            output.text(text)
        return
    if as_json:
        output.as_json(hunt)
        return
    output.text(f"{hunt.title}\n\n{hunt.why}\n")
    output.text(f"techniques  {' '.join(hunt.techniques) or '-'}\nrange       {hunt.range}")
    for key, one in hunt.parameters.items():
        given = "must be given" if one.default is None else f"default {asking.shown(one.default)}"
        output.text(f"parameter   {key} ({one.type}): {one.says} {given}")
    output.text(f"\n{hunt.sql}")


def _carried(hunt: Hunt, dialect: str, table: str, words: tuple[str, ...], since: str, until: str, tenant: str) -> str:
    now = SystemClock().now()
    said = samples(hunt.parameters) | values(hunt, samples(hunt.parameters) | from_words(hunt, words))
    asked = range_of(since or ("" if until else hunt.range), until, now)
    prepared = prepare(hunt.sql, tenant=tenant, now=now, asked=asked, parameters=dict(said))
    return dialects.write(rewrite(prepared, ("events",), dialects.table(table)), dialect)


def _brief(hunt: Hunt) -> dict[str, Any]:
    parameters = msgspec.to_builtins(hunt.parameters)
    return {
        "name": hunt.name,
        "title": hunt.title,
        "why": hunt.why,
        "techniques": hunt.techniques,
        "range": hunt.range,
        "parameters": parameters,
    }
