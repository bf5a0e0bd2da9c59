"""Which rules a command speaks of: ours, and those of a folder that the settings or the command line name."""

from __future__ import annotations

import difflib
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TypeVar

import click

from watchkeeper.app.rulebook import detections_of
from watchkeeper.app.settings import data_folder, load
from watchkeeper.core.content import content_folder
from watchkeeper.core.errors import NotFound
from watchkeeper.detect.model import Heading
from watchkeeper.detect.sigma.cache import load_cached
from watchkeeper.detect.sigma.model import LogSource, ReadRule, Rulebook
from watchkeeper.detect.sigma.reading.placeholders import NO_LISTS, load_placeholders
from watchkeeper.detect.sigma.rules import FOREIGN, Detections, load_detections

H = TypeVar("H", bound=Heading)

folders_option = click.option(
    "--folder",
    "folders",
    multiple=True,
    type=click.Path(path_type=Path, file_okay=False),
    help="A folder with more rules, beside ours and those of `detect.rules`; may be repeated.",
)


def detections_in(folders: tuple[Path, ...], config: Path | None, data: Path | None) -> Detections:
    """This estate's, and those of the folders. Raises `Misconfigured`."""
    return detections_of(load(config, data_folder(data)), *folders)


def find(rules: Sequence[H], wanted: str) -> H:
    """The rule (or correlation) of this name or id. Raises `NotFound`."""
    for rule in rules:
        if wanted in (rule.name, rule.id):
            return rule
    near = difflib.get_close_matches(wanted, [rule.name for rule in rules], n=1)
    hint = f"did you mean {near[0]}?" if near else "see `watchkeeper rules list`"
    raise NotFound(f"there is no rule {wanted[:80]!a}", hint=hint)


def book_of(paths: tuple[Path, ...], placeholders: Path | None, cache: Path) -> Rulebook:
    """The rules of any Sigma files, tolerantly; without any, ours. Raises `Invalid` and `Misconfigured`."""
    lists = load_placeholders(placeholders) if placeholders else NO_LISTS
    foreign = content_folder("detections") / FOREIGN
    if paths:
        named = [foreign if path == Path(FOREIGN) and not path.exists() else path for path in paths]
        return load_cached(named, lists, folder=cache / "rules", told=file_progress())
    others = load_cached([foreign], lists, folder=cache / "rules", told=file_progress())
    ours = load_detections([content_folder("detections")], lists)
    source = LogSource("mcp", "", "watchkeeper")
    rules = tuple(
        ReadRule(heading=one, logsource=source, condition=one.condition, alone=one.alone) for one in ours.rules
    )
    return Rulebook(rules=(*rules, *others.rules), correlations=ours.correlations, refused=others.refused)


def file_progress() -> Callable[[int], None]:
    """On a terminal, how many files are read; reading thousands takes seconds."""
    if not sys.stderr.isatty():
        return lambda _: None
    return lambda done: click.echo(f"\r{done:,} files of rules", nl=False, err=True) if done % 50 == 0 else None
