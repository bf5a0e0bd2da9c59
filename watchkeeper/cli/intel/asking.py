"""`watchkeeper intel list|show|search|status`: what is kept, what is looked for, and what is said of a value."""

from __future__ import annotations

from itertools import islice
from pathlib import Path
from typing import Any

import click
import msgspec

from watchkeeper.cli import options, output
from watchkeeper.cli.intel.common import TYPES, meant, opened, type_option
from watchkeeper.core.clock import SystemClock
from watchkeeper.core.errors import NotFound
from watchkeeper.detect.intelligence.keeping.library import Library
from watchkeeper.detect.intelligence.looking.finding import found_in
from watchkeeper.detect.intelligence.model import Indicator
from watchkeeper.detect.intelligence.retro import Progress, progress_of


@click.command("list")
@click.option("--type", "kind", type=click.Choice(["", *TYPES]), default="", metavar="TYPE", help="Of one type only.")
@click.option("--source", default="", help="Of one source only.")
@click.option("--limit", type=click.IntRange(1), default=100, show_default=True, help="So many at most.")
@options.config
@options.data
@options.as_json
@options.errors_told
def list_(kind: str, source: str, limit: int, config: Path | None, data: Path | None, as_json: bool) -> None:
    """List indicators as they are kept, in the order of their sources."""
    _, library = opened(config, data)
    now = SystemClock().now()
    if source:
        library.register.get(source)
    wanted = (one for one in library.every(source) if not kind or one.type.value == kind)
    _show(library, list(islice(wanted, limit)), now, as_json=as_json)


@click.command()
@click.argument("value")
@type_option
@options.config
@options.data
@options.as_json
@options.errors_told
def show(value: str, kind: str, config: Path | None, data: Path | None, as_json: bool) -> None:
    """Show what every source says of one value, also what has ended. Exit code 66 when none says anything."""
    _, library = opened(config, data)
    named, normal = meant(kind, value)
    found = library.of(named, normal)
    if not found:
        raise NotFound(f"no source names {normal}", hint="`watchkeeper intel search` also looks at its parents")
    _show(library, found, SystemClock().now(), as_json=as_json)


@click.command()
@click.argument("text")
@options.config
@options.data
@options.as_json
@options.errors_told
def search(text: str, config: Path | None, data: Path | None, as_json: bool) -> None:
    """Look for whatever a text holds, as events are looked at: a value, a URL, a whole line of a log; broken ones too.

    Exit code 66 when nothing is known to be bad.
    """
    _, library = opened(config, data)
    found = [one for hit in found_in(text, library.open()) for one in hit.indicators]
    if not found:
        raise NotFound("nothing in it is known to be bad", hint="that no source names it does not make it harmless")
    _show(library, found, SystemClock().now(), as_json=as_json)


@click.command()
@options.config
@options.data
@options.as_json
@options.errors_told
def status(config: Path | None, data: Path | None, as_json: bool) -> None:
    """Say what is looked for, by type, how old the index is, and how the sources are."""
    _, library = opened(config, data)
    now = SystemClock().now()
    head = library.open().head
    sources = list(library.register.all().values())
    if as_json:
        states = {one.name: one.state(now) for one in sources}
        past = progress_of(library)
        output.as_json({"index": _head(head), "sources": states, "waiting": library.waiting(), "past": past})
        return
    if not sources:
        output.text("Nothing is looked for: there are no indicators. `watchkeeper intel import FILE` takes some in.")
        return
    output.text(
        f"{head.indicators} indicators of {head.keys} values are looked for; index of {output.moment(head.built)}\n"
        f"{head.expired} have ended, {head.revoked} were revoked, {sum(head.silenced.values())} are on an allow-list\n"
        f"{library.waiting()} arrivals wait to be searched for in the past; {_searched(progress_of(library))}"
    )
    output.table(["type", "looked for"], sorted(head.by_type.items()), empty="")
    for one in sources:
        output.text(f"{one.name}: {one.state(now)}")


def _searched(past: Progress) -> str:
    if past.state == "never":
        return "nothing was searched for yet"
    if past.state == "failed":
        return f"the last search FAILED: {past.why}"
    since = output.moment(past.begins)
    return f"{past.state}: {past.events} events since {since} looked at, {past.found} of them show one"


def _head(head: Any) -> dict[str, Any]:
    return {name: value for name, value in msgspec.structs.asdict(head).items() if name != "salt"}


def _show(library: Library, found: list[Indicator], now: int, *, as_json: bool) -> None:
    allow = library.allowed.list()
    rows = [(one, _standing(one, now, allow.covers(one.type, one.value) is not None)) for one in found]
    if as_json:
        output.lines([{**msgspec.structs.asdict(one), "state": state} for one, state in rows])
        return
    output.table(
        ["type", "value", "source", "confidence", "tlp", "until", "state", "title"],
        [
            [one.type.value, one.value, one.source, one.weight, one.tlp.value, output.moment(one.valid_until), state,
             one.title]
            for one, state in rows
        ],
        empty="There are no such indicators. `watchkeeper intel import FILE` takes some in.",
        below=("title",),
    )  # fmt: skip


def _standing(one: Indicator, now: int, is_allowed: bool) -> str:
    if one.revoked:
        return "revoked"
    if one.valid_until and one.valid_until <= now:
        return "ended"
    if is_allowed:
        return "allowed"
    return "not yet" if one.valid_from > now else "looked for"
