"""How the command line speaks: tables for people, JSON for programs, errors that say what to do next.

Whatever an agent or a server wrote passes `visible` before it reaches a terminal.
"""

from __future__ import annotations

import sys
from collections.abc import Mapping, Sequence
from typing import Any, NoReturn

import click
import msgspec

from watchkeeper.core.clock import to_iso
from watchkeeper.core.errors import WatchkeeperError
from watchkeeper.core.text import visible

WIDEST = 60
"""Characters of a table's cell."""


def as_json(value: Any) -> None:
    """One JSON value on standard output."""
    data = msgspec.json.format(msgspec.json.encode(value, enc_hook=str), indent=2)
    click.echo(data.decode())


def lines(values: Sequence[Any]) -> None:
    """One JSON object a line."""
    for value in values:
        click.echo(msgspec.json.encode(value, enc_hook=str).decode())


def table(headings: Sequence[str], rows: Sequence[Sequence[object]], *, empty: str) -> None:
    """Aligned columns; where there is nothing, `empty` says what would fill it."""
    if not rows:
        click.echo(empty)
        return
    cells = [[visible(str(cell), limit=WIDEST) for cell in row] for row in rows]
    widths = [max(len(h), *(len(row[at]) for row in cells)) for at, h in enumerate(headings)]
    for row in [[h.upper() for h in headings], *cells]:
        click.echo("  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip())


def moment(microseconds: object) -> str:
    """A time to the millisecond, or a dash where there is none."""
    if not isinstance(microseconds, int) or microseconds <= 0:
        return "-"
    return to_iso(microseconds)[:-4] + "Z"


def text(value: str) -> None:
    """Several lines from elsewhere, made safe."""
    click.echo(visible(value, keep="\n"))


def said(error: WatchkeeperError, *, json: bool = False) -> NoReturn:
    """The error on standard error, and the process's end with its exit code."""
    if json:
        body: Mapping[str, Any] = {"code": error.code, "reason": error.reason, "hint": error.hint}
        click.echo(msgspec.json.encode({"error": body}).decode(), err=True)
    else:
        click.echo(f"error: {visible(error.reason, keep=chr(10))}", err=True)
        if error.hint:
            click.echo(f"  what to do: {visible(error.hint, keep=chr(10))}", err=True)
    sys.exit(error.exit_code)
