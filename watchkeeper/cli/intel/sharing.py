"""`watchkeeper intel export`: what you stand for, as a STIX 2.1 bundle, as far as TLP lets it out."""

from __future__ import annotations

from contextlib import closing
from pathlib import Path

import click
import msgspec

from watchkeeper.app.intelligence import shared_of
from watchkeeper.app.state import database_of
from watchkeeper.cli import options, output
from watchkeeper.cli.intel.common import note_change, opened
from watchkeeper.core.clock import SystemClock
from watchkeeper.core.files import write_private
from watchkeeper.detect.intelligence.keeping.library import Library
from watchkeeper.detect.intelligence.model import Tlp
from watchkeeper.detect.intelligence.sharing.objects import bundle


@click.command()
@click.option("--tlp", type=click.Choice(["clear", "green", "amber"]), default="green", show_default=True,
              help="The strictest marking that may leave; amber+strict and red never do.")  # fmt: skip
@click.option("--output", "target", type=click.Path(path_type=Path, dir_okay=False), help="A file instead.")
@options.config
@options.data
@options.errors_told
def export(tlp: str, target: Path | None, config: Path | None, data: Path | None) -> None:
    """Write a STIX 2.1 bundle of the indicators that you confirmed, with their sightings.

    Of a value that several sources name, the strictest marking counts. `watchkeeper intel confirm VALUE` confirms one.
    """
    loaded, library = opened(config, data)
    with closing(database_of(loaded)) as database:
        objects = shared_of(loaded, database, SystemClock(), Tlp(tlp))
    document = msgspec.json.format(msgspec.json.encode(bundle(objects)), indent=2)
    count = sum(one.object["type"] == "indicator" for one in objects)
    if target is None:
        click.echo(output.inert(document.decode()))
    else:
        write_private(target, document + b"\n")
    note_change(loaded, "shared", f"{count} indicators", f"TLP up to {tlp}")
    output.text(f"{count} indicators" if count else _nothing(library, tlp), err=True)


def _nothing(library: Library, tlp: str) -> str:
    """Why: nothing was confirmed, or what was may not leave."""
    confirmed = len({one.key for one in library.every() if one.confirmed})
    if not confirmed:
        return "nothing may be shared: `watchkeeper intel confirm VALUE` confirms one"
    return f"nothing may be shared as TLP {tlp}: what you confirmed ({confirmed}) is marked more strictly, or has ended"
