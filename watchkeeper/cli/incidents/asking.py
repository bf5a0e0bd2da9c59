"""What these commands share: who asks, how times are written, how an answer is said."""

from __future__ import annotations

import re
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, ParamSpec, TypeVar

import click

from watchkeeper.app.administration import Administration
from watchkeeper.cli import options, output
from watchkeeper.core.clock import SECOND, SystemClock
from watchkeeper.core.errors import Invalid
from watchkeeper.events.model import SEVERITIES

P = ParamSpec("P")
R = TypeVar("R")
LEVELS = {word: level for level, word in SEVERITIES.items()}
_SPAN = re.compile(r"(\d{1,6})([mhdw])")
_UNITS = {"m": 60, "h": 3600, "d": 86_400, "w": 604_800}

incident = click.argument("incident")
revision = click.option(
    "--revision", type=click.IntRange(min=0), default=0, help="The revision that you saw; `show` prints it."
)


def asked(command: Callable[P, R]) -> Callable[P, R]:
    """The options of every command here, and errors in words."""
    for decorate in (options.as_json, options.token_file, options.data):
        command = decorate(command)
    return options.errors_told(command)


def call(act: str, data: Path | None, token_file: Path | None, **arguments: Any) -> Any:
    """Ask for an act."""
    return Administration.by_token(data, token_file).call(f"incidents.{act}", **arguments)


def done(found: Any, as_json: bool, said: str) -> None:
    """Say what was done, or show what it is now."""
    if as_json:
        output.as_json(found)
    else:
        output.text(said)


def moment(text: str, *, ahead: bool = False) -> int:
    """A time (`2026-11-22T16:00Z`, `2026-11-22`) or a span from now (`24h`, `7d`), in microseconds; empty is 0.

    Raises `Invalid`.
    """
    if not text:
        return 0
    if span := _SPAN.fullmatch(text):
        way = 1 if ahead else -1
        return SystemClock().now() + way * int(span[1]) * _UNITS[span[2]] * SECOND
    try:
        at = datetime.fromisoformat(text)
        at = at if at.tzinfo else at.replace(tzinfo=UTC)
        return int(at.timestamp() * SECOND)
    except (ValueError, OverflowError, OSError) as error:
        hint = "write 2026-11-22T16:00Z, 2026-11-22, or a span: 15m, 24h, 7d, 2w"
        raise Invalid(f"{text!r} is no time", hint=hint) from error
