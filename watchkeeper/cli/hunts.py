"""`watchkeeper hunts`: questions to the lake that come with their reasons and their tests."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click
import msgspec

from watchkeeper.app.lakes import lake_in
from watchkeeper.app.settings import data_folder, require_journal
from watchkeeper.cli import options, output
from watchkeeper.cli.querying import answer, options_of_a_query, range_of
from watchkeeper.core.clock import SystemClock
from watchkeeper.core.content import content_folder
from watchkeeper.core.errors import Invalid
from watchkeeper.detect.hunts.loading import find, load_hunts
from watchkeeper.detect.hunts.model import Hunt
from watchkeeper.detect.hunts.parameters import from_words, samples, values
from watchkeeper.detect.hunts.trials import test_hunt
from watchkeeper.events.lake.sql import dialects
from watchkeeper.events.lake.sql.rewriting import prepare, rewrite

_folder = click.option(
    "--folder",
    "folders",
    multiple=True,
    type=click.Path(path_type=Path, file_okay=False),
    help="A folder of your own hunts beside ours; may be repeated.",
)
_parameters = click.option(
    "--param", "words", multiple=True, metavar="NAME=VALUE", help="A parameter; a list's are given one by one."
)
_since = click.option("--since", default="", help="An age (24h, 7d), a time, or `all`. Default: as the hunt says.")
_until = click.option("--until", default="", help="The same; default: now.")
_tenant = click.option("--tenant", default="default", show_default=True, help="Whose events.")


def _hunts(folders: tuple[Path, ...]) -> dict[str, Hunt]:
    return load_hunts([content_folder("hunts"), *folders])


@click.group()
def hunts() -> None:
    """Hunts: list, show, run and test them."""


@hunts.command("list")
@_folder
@options.as_json
@options.errors_told
def list_(folders: tuple[Path, ...], as_json: bool) -> None:
    """List every hunt with what it looks for."""
    found = _hunts(folders)
    if as_json:
        output.lines([_brief(hunt) for hunt in found.values()])
        return
    output.table(
        ["hunt", "looks for", "techniques", "range"],
        [[one.name, one.title, " ".join(one.techniques) or "-", one.range] for one in found.values()],
        empty="There are no hunts. Put one into a folder and name it with --folder.",
        below=("looks for", "techniques"),
    )


@hunts.command()
@click.argument("name")
@click.option("--dialect", default="", type=click.Choice(["", *dialects.names()]), metavar="DIALECT",
              help=f"For another engine over the same files: {', '.join(dialects.names())}.")  # fmt: skip
@click.option("--table", default="events", show_default=True, help="What the lake's table is called there.")
@_parameters
@_since
@_until
@_tenant
@_folder
@options.as_json
@options.errors_told
def show(name: str, dialect: str, table: str, folders: tuple[Path, ...], as_json: bool, **said: Any) -> None:
    """Show one hunt: why, its parameters, and its SQL.

    With `--dialect` the SQL alone, bound to the tenant and the range, as that engine needs it.
    """
    hunt = find(_hunts(folders), name)
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
        given = "must be given" if one.default is None else f"default {_default(one.default)}"
        output.text(f"parameter   {key} ({one.type}): {one.says} {given}")
    output.text(f"\n{hunt.sql}")


@hunts.command()
@click.argument("name")
@_parameters
@_since
@_until
@_tenant
@_folder
@options.data
@options.as_json
@options.errors_told
@options_of_a_query
def run(
    name: str, words: tuple[str, ...], since: str, until: str, tenant: str, folders: tuple[Path, ...],
    data: Path | None, asked: Any, **_: Any,
) -> None:  # fmt: skip
    """Run one hunt over the lake and the journal's newest."""
    folder, now = data_folder(data), SystemClock().now()
    hunt = find(_hunts(folders), name)
    lake = lake_in(folder, tenant)
    said = values(hunt, given := from_words(hunt, words))
    for key, one in hunt.parameters.items():
        if key not in given and not asked.only_plan:
            output.text(f"note: {key} is {_default(one.default)}; --param {key}=… says another", err=True)
    prepared = lake.prepare(hunt.sql, range_of(since or ("" if until else hunt.range), until, now), dict(said))
    require_journal(folder)
    answer(lake, prepared, asked)


@hunts.command()
@click.argument("names", nargs=-1)
@_folder
@options.as_json
@options.errors_told
def test(names: tuple[str, ...], folders: tuple[Path, ...], as_json: bool) -> None:
    """Run the tests inside of hunts: events given, rows expected, on the real engine.

    Exit code 65 when one fails.
    """
    found = _hunts(folders)
    chosen = [find(found, name) for name in names] or list(found.values())
    wrong = {hunt.name: test_hunt(hunt) for hunt in chosen}
    if as_json:
        output.lines([{"hunt": name, "wrong": faults} for name, faults in wrong.items()])
    else:
        for name, faults in wrong.items():
            output.text("\n".join([f"{'FAIL' if faults else 'ok  '} {name}", *(f"     {fault}" for fault in faults)]))
    failed = [name for name, faults in wrong.items() if faults]
    if failed:
        raise Invalid(f"{len(failed)} of {len(wrong)} hunts fail their tests: {', '.join(failed)}")


def _carried(hunt: Hunt, dialect: str, table: str, words: tuple[str, ...], since: str, until: str, tenant: str) -> str:
    now = SystemClock().now()
    said = samples(hunt.parameters) | values(hunt, samples(hunt.parameters) | from_words(hunt, words))
    asked = range_of(since or ("" if until else hunt.range), until, now)
    prepared = prepare(hunt.sql, tenant=tenant, now=now, asked=asked, parameters=dict(said))
    return dialects.write(rewrite(prepared, ("events",), dialects.table(table)), dialect)


def _default(value: Any) -> str:
    return value if isinstance(value, str) else ", ".join(value) if isinstance(value, tuple) else str(value)


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
