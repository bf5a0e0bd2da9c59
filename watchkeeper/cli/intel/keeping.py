"""`watchkeeper intel import|expire|confirm`: taking in files, letting go, standing for an indicator."""

from __future__ import annotations

import sys
from pathlib import Path

import click
import msgspec

from watchkeeper.app.intelligence import IMPORTED
from watchkeeper.app.settings import current_operator
from watchkeeper.cli import options, output
from watchkeeper.cli.intel.common import meant, note, note_change, opened, told, type_option
from watchkeeper.core.errors import Invalid, NotFound
from watchkeeper.detect.intelligence.formats.reading import FORMATS, read
from watchkeeper.detect.intelligence.keeping.library import Library
from watchkeeper.detect.intelligence.keeping.sources import Source, check
from watchkeeper.detect.intelligence.model import Tlp


@click.command("import")
@click.argument("files", nargs=-1, required=True, type=click.Path(path_type=Path, dir_okay=False, allow_dash=True))
@click.option("--format", "format_", type=click.Choice(["", *FORMATS]), default="", metavar="FORMAT",
              help=f"{', '.join(FORMATS)}. Default: by what the file looks like.")  # fmt: skip
@click.option("--source", default="", help="Under which source's name. Default: the file's name.")
@click.option("--confidence", type=click.IntRange(0, 100), help="Of indicators that name none. Default: 60.")
@click.option("--trust", type=click.IntRange(0, 100), help="Per cent of their confidence that counts. Default: 100.")
@click.option("--tlp", type=click.Choice([one.value for one in Tlp]), help="Of those that name none. Default: amber.")
@click.option("--map", "mapped", multiple=True, metavar="MEMBER=COLUMN",
              help="Of a CSV: the column of value, type, confidence, valid_from, tlp, title or tags.")  # fmt: skip
@click.option("--replace", is_flag=True, help="The file is all that the source says: what is not in it goes.")
@options.config
@options.data
@options.as_json
@options.errors_told
def import_(
    files: tuple[Path, ...], format_: str, source: str, confidence: int | None, trust: int | None, tlp: str | None,
    mapped: tuple[str, ...], replace: bool, config: Path | None, data: Path | None, as_json: bool,
) -> None:  # fmt: skip
    """Take in files of indicators: STIX 2.1, MISP, CSV, lists; `-` reads from standard input.

    Nothing is taken silently amiss: what is refused is counted by its reason, the rest is taken. Running services look
    for new indicators within a second, and search the past for them.
    """
    loaded, library = opened(config, data)
    largest = loaded.settings.intelligence.max_megabytes * 1_000_000
    done = []
    for file in files:
        named = _named(library, source or _name_of(file), confidence, trust, tlp)
        found = read(_bytes(file, largest), format_, dict(_pair(word) for word in mapped))
        imported = library.take(named, found, replace=replace, by=current_operator())
        note(loaded, IMPORTED, imported.source, {**msgspec.to_builtins(imported), "via": "import"})
        done.append(imported)
        if not as_json:
            output.text(told(imported))
            for one in found.examples[:10]:
                output.text(f"    for example {one.at}: {one.why}")
    if as_json:
        output.lines(done)
    if not any(one.read or one.allowed for one in done):
        raise Invalid("nothing could be taken of what was given", hint="see the reasons; name the --format")


@click.command()
@options.config
@options.data
@options.as_json
@options.errors_told
def expire(config: Path | None, data: Path | None, as_json: bool) -> None:
    """Build the index anew: what has ended, was revoked or is allowed leaves it, and is counted. Nothing is lost."""
    _, library = opened(config, data)
    head = library.rebuild()
    if as_json:
        output.as_json(head)
        return
    output.text(
        f"{head.indicators} indicators are looked for; {head.expired} have ended, {head.revoked} were revoked, "
        f"{sum(head.silenced.values())} are on an allow-list"
    )


@click.command()
@click.argument("value")
@type_option
@click.option("--source", default="", help="Of one source only. Default: of each that names it.")
@options.config
@options.data
@options.errors_told
def confirm(value: str, kind: str, source: str, config: Path | None, data: Path | None) -> None:
    """Stand for an indicator: it may be shared as your own, as far as its marking says."""
    loaded, library = opened(config, data)
    number = library.confirm(*meant(kind, value), source)
    if not number:
        raise NotFound("no source names this value", hint="import it first, from a list of your own")
    note_change(loaded, "confirmed", value)
    output.text(f"confirmed: {value} ({number} sources name it)")


def _named(library: Library, name: str, confidence: int | None, trust: int | None, tlp: str | None) -> Source:
    """The source of that name, else a new one; what is said anew counts from now on."""
    source = library.register.all().get(name) or Source(name=name)
    said = {"confidence": confidence, "trust": trust, "tlp": Tlp(tlp) if tlp else None}
    source = msgspec.structs.replace(source, **{key: value for key, value in said.items() if value is not None})
    check(source)
    return source


def _name_of(file: Path) -> str:
    stem = file.stem if str(file) != "-" else "stdin"
    return "".join(c if c.isalnum() and c.isascii() else "-" for c in stem.lower()).strip("-")[:64] or "file"


def _pair(word: str) -> tuple[str, str]:
    name, sign, column = word.partition("=")
    if not sign or not column:
        raise Invalid(f"not a mapping: {word!r}", hint="--map value=COLUMN")
    return name, column


def _bytes(file: Path, largest: int) -> bytes:
    data = sys.stdin.buffer.read(largest + 1) if str(file) == "-" else _file(file, largest)
    if len(data) > largest:
        raise Invalid(f"{file} is larger than {largest // 1_000_000} MB", hint="see intelligence.max_megabytes")
    return data


def _file(file: Path, largest: int) -> bytes:
    if not file.exists():
        raise NotFound(f"there is no file {file}", hint="check the path")
    with file.open("rb") as opened_file:
        data = opened_file.read(largest + 1)
    if b"\0" in data[:4096] and not data.startswith((b"\xff\xfe", b"\xfe\xff")):
        raise Invalid(f"{file} is no text", hint="unpack it first, if it is an archive")
    return data
