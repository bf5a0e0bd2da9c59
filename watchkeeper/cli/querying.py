"""What `events sql` and `hunt run` share: their options, the plan before a long scan, progress, and the answer."""

from __future__ import annotations

import functools
import re
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import click
import msgspec

from watchkeeper.cli import output
from watchkeeper.core.clock import to_iso
from watchkeeper.core.errors import Conflict, Invalid
from watchkeeper.events.lake.sql.export import FORMATS, as_csv, write_parquet
from watchkeeper.events.lake.sql.model import Answer, Limits, Plan, Range
from watchkeeper.events.lake.sql.rewriting import Prepared
from watchkeeper.events.lake.sql.running import Lake, Progress
from watchkeeper.events.query.language import parse_time

_SIZES = {"K": 1024, "M": 1024**2, "G": 1024**3}
_DEFAULT = Limits()


class Asked(msgspec.Struct, frozen=True):
    """What the options say."""

    form: str
    out: Path | None
    limits: Limits
    only_plan: bool
    yes: bool


def options_of_a_query(command: Callable[..., None]) -> Callable[..., None]:
    """The options; the command gets them together as `asked`."""

    @functools.wraps(command)
    def gathered(**given: Any) -> None:
        limits = Limits(
            rows=given.pop("limit"),
            seconds=given.pop("timeout"),
            memory=_bytes(given.pop("memory")),
            ask_above=_bytes(given.pop("ask_above")),
        )
        form = given.pop("form")
        if given.get("as_json"):
            form = "json"
        asked = Asked(form, given.pop("out"), limits, given.pop("only_plan"), given.pop("yes"))
        if form == "parquet" and asked.out is None and not asked.only_plan:
            raise Invalid("Parquet is no text for a terminal", hint="say --out FILE")
        command(asked=asked, **given)

    for option in reversed(_OPTIONS):
        gathered = option(gathered)
    return gathered


_OPTIONS = (
    click.option(
        "--format", "form", type=click.Choice(FORMATS), default="table", show_default=True, help="Of the answer."
    ),
    click.option("--out", type=click.Path(path_type=Path, dir_okay=False), default=None, help="Write it to this file."),
    click.option(
        "--limit", default=_DEFAULT.rows, show_default=True, type=click.IntRange(1, 1_000_000), help="Rows at most."
    ),
    click.option("--plan", "only_plan", is_flag=True, help="Say what would be read, and read nothing."),
    click.option("--yes", is_flag=True, help="Do not ask before a long scan."),
    click.option(
        "--ask-above",
        default="2G",
        show_default=True,
        help="Size of the files above which the plan is asked for first.",
    ),
    click.option(
        "--timeout",
        default=_DEFAULT.seconds,
        show_default=True,
        type=click.FloatRange(0.1, 86_400),
        help="Seconds at most.",
    ),
    click.option("--memory", default="2G", show_default=True, help="Memory that the query may use: 512M, 4G."),
)


def range_of(since: str, until: str, now: int) -> Range | None:
    """The range that was said, `None` where none was. Raises `Invalid`."""
    if not since and not until:
        return None
    begin = parse_time(since, now) if since and since != "all" else None
    end = parse_time(until, now) if until else None
    if begin is not None and end is not None and begin >= end:
        raise Invalid(f"the range ends before it begins: {since} until {until}", hint="exchange --since and --until")
    return Range(begin, end)


def answer(lake: Lake, prepared: Prepared, asked: Asked) -> Answer | None:
    """Plan, ask, run, tell; what was found, unless only the plan was wanted."""
    plan = lake.plan(prepared)
    if asked.only_plan:
        if asked.form == "json":
            output.as_json(plan)
        else:
            output.text(said(plan))
        return None
    if plan.bytes > asked.limits.ask_above and not asked.yes:
        _ask(plan)
    found = lake.run(prepared, asked.limits, tell=_teller(plan))
    _tell(found, asked)
    return found


def _ask(plan: Plan) -> None:
    output.text(said(plan), err=True)
    if not sys.stdin.isatty():
        raise Conflict("this is a long scan, and nobody can be asked", hint="narrow it with --since, or say --yes")
    if not click.confirm("Run it?", err=True):
        raise Conflict("not run", hint="narrow it with --since, or raise --ask-above")


def said(plan: Plan) -> str:
    """A plan for people."""
    begin = "the beginning" if plan.range.since is None else output.moment(plan.range.since)
    end = "now" if plan.range.until is None else output.moment(plan.range.until)
    default = " (the last 24 hours, as nothing else was said)" if plan.is_default_range else ""
    days = f"{plan.days} days, {plan.first_day} to {plan.last_day}" if plan.days > 1 else plan.first_day or "no day"
    lines = [
        f"range   {begin} to {end}{default}",
        f"reads   {plan.files:,} of {plan.of_files:,} files, {plan.bytes / 1e6:,.1f} MB, {plan.rows:,} rows ({days})",
    ]
    if plan.journal:
        lines.append(f"        and {plan.journal:,} records of the journal that the lake does not hold")
    if plan.is_unbounded:
        lines.append("        no beginning: every day that the lake holds")
    if plan.references > 1:
        lines.append(f"        the query reads events {plan.references} times, and each is counted")
    if plan.note:
        lines.append(f"note    {plan.note}; the journal answers alone")
    return "\n".join(lines)


def _teller(plan: Plan) -> Callable[[Progress], None] | None:
    """A line that is written over, once it takes longer than a second."""
    if not sys.stderr.isatty():
        return None

    def tell(progress: Progress) -> None:
        if progress.seconds > 1:
            click.echo(f"\r{told(progress, plan)} (Ctrl-C ends it)\033[K", nl=False, err=True)

    return tell


def told(progress: Progress, plan: Plan) -> str:
    """How far it has come: first through the journal's part, then through the files."""
    looked, of = progress.journal
    words = [f"{progress.seconds:,.0f} s"]
    if looked < of:
        words.append(f"{looked:,} of {of:,} records of the journal")
    elif progress.bytes_read and plan.bytes:
        words.append(f"{progress.bytes_read / 1e6:,.0f} of at most {plan.bytes / 1e6:,.0f} MB")
    return ", ".join(words)


def _tell(found: Answer, asked: Asked) -> None:
    if sys.stderr.isatty() and found.seconds > 1:
        click.echo("\r\033[K", nl=False, err=True)
    _notes(found)
    if asked.form == "parquet":
        assert asked.out is not None
        write_parquet(found, asked.out)
    elif asked.out is not None:
        asked.out.write_text(_text(found, asked.form), encoding="utf-8", newline="")
    elif asked.form == "table":
        rows = [[_shown(value, kind) for value, kind in zip(row, found.types, strict=True)] for row in found.rows]
        output.table(found.columns, rows, empty=_nothing(found.plan))
    else:
        click.echo(_text(found, asked.form), nl=False)
    if asked.out is not None:
        output.text(f"wrote {len(found.rows):,} rows to {asked.out}")
    if found.is_cut:
        click.echo(f"\nThe first {len(found.rows):,} rows only; narrow the query, or raise --limit.", err=True)


def _notes(found: Answer) -> None:
    if found.plan.note and found.plan.note != "there is no lake yet":
        output.text(f"note: {found.plan.note}; the journal answered alone", err=True)
    if found.unreadable:
        click.echo(f"note: {found.unreadable} records cannot be read any more (erased)", err=True)
    if found.missing:
        output.text(f"note: {found.missing}", err=True)
    if found.plan.is_default_range and found.plan.range.since is not None:
        click.echo(
            f"note: the last 24 hours (since {to_iso(found.plan.range.since)[:19]}Z); --since says more", err=True
        )


def _text(found: Answer, form: str) -> str:
    if form == "csv":
        return as_csv(found)
    if form == "json":
        return "".join(output.inert(msgspec.json.encode(row).decode()) + "\n" for row in found.records())
    width = [[name.upper() for name in found.columns], *[[_shown(v, "") for v in row] for row in found.rows]]
    return "".join("\t".join(row) + "\n" for row in width)


def _shown(value: Any, kind: str) -> str:
    if value is None:
        return "-"
    if kind == "time":
        return f"{value[:-4]}Z"
    if isinstance(value, list):
        return ", ".join(value)
    return f"{value:g}" if isinstance(value, float) else str(value)


def _nothing(plan: Plan) -> str:
    return (
        "Nothing matches."
        if plan.is_unbounded
        else f"Nothing matches since {output.moment(plan.range.since or 0)}. Widen the range with --since all."
    )


def _bytes(text: str) -> int:
    found = re.fullmatch(r"([0-9]{1,9})([KMG])(i?B)?", text.strip().upper().replace("IB", ""))
    if not found or not int(found[1]):
        raise Invalid(f"not a size: {text!r}", hint="write 512M or 4G")
    return int(found[1]) * _SIZES[found[2]]
