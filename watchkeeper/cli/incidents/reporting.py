"""The report after an incident, into a file."""

from __future__ import annotations

from pathlib import Path
from types import ModuleType
from typing import Any

import click
import msgspec

from watchkeeper.cli import output
from watchkeeper.cli.incidents import asking
from watchkeeper.cli.incidents.asking import asked, call
from watchkeeper.core.errors import Conflict, Invalid
from watchkeeper.core.files import write_private
from watchkeeper.respond.report import Report, markdown

_file = click.Path(path_type=Path, dir_okay=False)


@click.command()
@asking.incident
@click.option(
    "--format", "form", type=click.Choice(["markdown", "pdf"]), default=None, help="Default: by --out's name."
)
@click.option("--out", type=_file, default=None, help="Write it into this file; Markdown goes to the terminal without.")
@click.option("--force", is_flag=True, help="Write over a file that is there.")
@click.option(
    "--font", type=_file, default=None, help="PDF: a TrueType file, for letters beyond those of Western Europe."
)
@asked
def report(
    incident: str, form: str | None, out: Path | None, force: bool, font: Path | None, as_json: bool, **rest: Any
) -> None:
    """Write the report after an incident: times, reach, what was done and proven, decisions, lessons, timeline.

    What is not known says so. A PDF needs the extra `report`.
    """
    form = form or ("pdf" if out is not None and out.suffix.lower() == ".pdf" else "markdown")
    if form == "pdf" and out is None and not as_json:
        raise Invalid("a PDF needs a file", hint="add --out REPORT.pdf")
    if out is not None and out.exists() and not force:
        raise Conflict(f"{out} is there already", hint="take another name, or --force to write over it")
    if form == "pdf":
        _pdf().require()
    told = call("report", incident=incident, **rest)
    if out is None:
        output.as_json(told) if as_json else output.text(markdown(msgspec.convert(told, Report)))
        return
    found = msgspec.convert(told, Report)
    write_private(out, _set(found, form, font))
    if as_json:
        output.as_json({"file": str(out), "format": form})
    else:
        output.text(f"{found.number}: {out} ({'PDF' if form == 'pdf' else 'Markdown'})")


def _set(found: Report, form: str, font: Path | None) -> bytes:
    if form == "markdown":
        return markdown(found).encode()
    made: bytes = _pdf().pdf(found, font)
    return made


def _pdf() -> ModuleType:
    from watchkeeper.respond.report import pdf  # noqa: PLC0415 — an extra

    return pdf


COMMANDS = (report,)
