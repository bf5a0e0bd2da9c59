"""`watchkeeper intel sources`: where indicators come from, how far each is trusted, and how its polls go."""

from __future__ import annotations

from pathlib import Path

import click

from watchkeeper.app.commanded import barrier_at
from watchkeeper.app.intelligence import PREFIX, check_url, poller_of
from watchkeeper.cli import options, output
from watchkeeper.cli.intel.common import note, note_change, opened, told
from watchkeeper.core.clock import SystemClock
from watchkeeper.core.errors import Invalid, NotFound, Unavailable, WatchkeeperError
from watchkeeper.core.secrets import is_reference
from watchkeeper.detect.intelligence.keeping.sources import POLLED, Kind, Source
from watchkeeper.detect.intelligence.model import Tlp


@click.group()
def sources() -> None:
    """Sources: list, add and remove them."""


@sources.command("list")
@options.config
@options.data
@options.as_json
@options.errors_told
def list_(config: Path | None, data: Path | None, as_json: bool) -> None:
    """List every source, with how its last poll went. What is stale is said to be."""
    _, library = opened(config, data)
    now = SystemClock().now()
    known = list(library.register.all().values())
    counts = library.open().head.by_source
    if as_json:
        output.lines(
            [{**_plain(one), "stale": one.is_stale(now), "looked_for": counts.get(one.name, 0)} for one in known]
        )
        return
    output.table(
        ["source", "kind", "looked for", "trust", "tlp", "last success", "state"],
        [
            [one.name, one.kind, counts.get(one.name, 0), one.trust, one.tlp.value, output.moment(one.succeeded),
             one.state(now)]
            for one in known
        ],
        empty="There are no sources. Import a file with `watchkeeper intel import FILE`, or add a feed with "
        "`watchkeeper intel sources add NAME --kind taxii --url https://…/collections/ID/`.",
        below=("state",),
    )  # fmt: skip


@sources.command()
@click.argument("name")
@click.option("--kind", type=click.Choice(POLLED), required=True, help="TAXII 2.1, or what stands at the URL.")
@click.option("--url", required=True, help="Of the TAXII collection, the document, or the MISP feed's folder.")
@click.option("--auth", default="", metavar="REFERENCE",
              help="The header Authorization, by reference: `Bearer env:TOKEN`, `Basic file:PATH`.")  # fmt: skip
@click.option("--every", type=click.IntRange(60), default=3600, show_default=True, help="Seconds between polls.")
@click.option("--trust", type=click.IntRange(0, 100), default=100, show_default=True, help="Per cent.")
@click.option("--confidence", type=click.IntRange(0, 100), default=60, show_default=True, help="Where it says none.")
@click.option("--tlp", type=click.Choice([one.value for one in Tlp]), default="amber", show_default=True,
              help="Of what it does not mark.")  # fmt: skip
@options.config
@options.data
@options.errors_told
def add(
    name: str, kind: Kind, url: str, auth: str, every: int, trust: int, confidence: int, tlp: str,
    config: Path | None, data: Path | None,
) -> None:  # fmt: skip
    """Add a source that is asked again and again. The watch does it; `sources poll` does it now."""
    loaded, library = opened(config, data)
    if auth and not is_reference(auth):
        raise Invalid("a secret is written by reference", hint="--auth 'Bearer env:NAME' or 'Bearer file:PATH'")
    check_url(loaded, url)
    source = Source(
        name=name, kind=kind, url=url, auth=auth, every=every, trust=trust, confidence=confidence, tlp=Tlp(tlp),
        added=SystemClock().now(),
    )  # fmt: skip
    library.add_source(source)
    note_change(loaded, "source_added", name, f"{kind} {url.partition('?')[0]}"[:512])
    output.text(f"{name} is added; ask it now with `watchkeeper intel sources poll {name}`")


@sources.command()
@click.argument("name")
@options.config
@options.data
@options.errors_told
def remove(name: str, config: Path | None, data: Path | None) -> None:
    """Remove a source and all that it said."""
    loaded, library = opened(config, data)
    library.drop(name)
    note_change(loaded, "source_removed", name)
    output.text(f"{name} is removed, and its indicators are not looked for any more")


@sources.command()
@click.argument("names", nargs=-1)
@options.config
@options.data
@options.as_json
@options.errors_told
def poll(names: tuple[str, ...], config: Path | None, data: Path | None, as_json: bool) -> None:
    """Ask sources now, all that can be asked where none is named. Exit code 75 when one does not answer."""
    loaded, library = opened(config, data)
    known = library.register.all()
    chosen = [library.register.get(name) for name in names] or [one for one in known.values() if one.kind in POLLED]
    if not chosen:
        raise NotFound("no source can be asked", hint="add one with `watchkeeper intel sources add`")
    barrier = barrier_at(loaded.data_dir)
    poller = poller_of(
        loaded, SystemClock(), lambda what, name, body: note(loaded, f"{PREFIX}{what}", name, body), barrier
    )
    failed = []
    for source in chosen:
        try:
            done = poller.poll(source)
        except WatchkeeperError as error:
            failed.append(f"{source.name}: {error.reason}")
            continue
        if as_json:
            output.lines([done])
        else:
            output.text(told(done))
    if failed:
        raise Unavailable("; ".join(failed), hint="what these sources said before stays in use")


def _plain(source: Source) -> dict[str, object]:
    return {name: getattr(source, name) for name in source.__struct_fields__}
