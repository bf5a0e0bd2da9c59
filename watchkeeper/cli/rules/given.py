"""The rules that proving commands are given: names, files, folders; without any, all of this estate."""

from __future__ import annotations

import difflib
from pathlib import Path

import click

from watchkeeper.app.rulebook import detections_of, lists_of
from watchkeeper.app.settings import Loaded, data_folder, load
from watchkeeper.core.clock import SystemClock
from watchkeeper.core.content import content_folder
from watchkeeper.core.errors import Invalid, NotFound
from watchkeeper.detect.check import Outcome, check, check_correlation
from watchkeeper.detect.model import Heading
from watchkeeper.detect.sigma.rules import Detections, load_detections
from watchkeeper.events.query.language import parse_time

range_option = click.option(
    "--range", "span", default="7d", show_default=True, metavar="AGE", help="So far back: 24h, 7d, or `all`."
)
tenant_option = click.option("--tenant", default="default", show_default=True, help="Whose events.")


def settings_of(config: Path | None, data: Path | None) -> Loaded:
    """This estate's settings. Raises `Misconfigured`."""
    return load(config, data_folder(data))


def of_estate(loaded: Loaded) -> Detections:
    """Ours and the estate's own, correlations too. Raises `Misconfigured`."""
    return detections_of(loaded)


def headings_of(detections: Detections) -> tuple[Heading, ...]:
    """Of every rule and correlation, by name."""
    every: list[Heading] = [*detections.rules, *(one.heading for one in detections.correlations)]
    return tuple(sorted(every, key=lambda one: one.name))


def given(words: tuple[str, ...], loaded: Loaded) -> tuple[Detections, tuple[str, ...] | None]:
    """What the words name, with the detections it stands among: files and folders, or rules of the estate.

    Without a word, all of the estate. Raises `NotFound`, `Misconfigured`, and `Invalid` for a mixture.
    """
    paths = [Path(word) for word in words if Path(word).exists()]
    if not paths:
        estate = of_estate(loaded)
        return estate, tuple(named(headings_of(estate), word).id for word in words) if words else None
    if len(paths) < len(words):
        raise Invalid("files and names cannot be mixed", hint="name files and folders, or rules of this estate")
    return load_detections(paths, lists_of(loaded)), None


def named(headings: tuple[Heading, ...], wanted: str) -> Heading:
    """The rule or correlation of this name or id. Raises `NotFound`."""
    for one in headings:
        if wanted in (one.name, one.id):
            return one
    near = difflib.get_close_matches(wanted, [one.name for one in headings], n=1)
    hint = f"did you mean {near[0]}?" if near else "see `watchkeeper rules list`"
    raise NotFound(f"there is no rule {wanted[:80]!a}", hint=hint)


def outcomes_of(detections: Detections) -> dict[str, Outcome]:
    """The outcome of the tests that each carries, by its id."""
    single = {rule.id: check(rule) for rule in detections.rules}
    return single | {one.heading.id: check_correlation(one, detections) for one in detections.correlations}


def since_of(span: str, now: int) -> int:
    """The first moment of a range that is said as an age. Raises `Invalid`."""
    since = 0 if span == "all" else parse_time(span, now)
    if since >= now:
        raise Invalid(f"the range {span} has not begun", hint="write an age: 24h, 7d, or `all`")
    return since


def is_ours(rule: Heading) -> bool:
    """Whether it comes with the product."""
    return Path(rule.source).is_relative_to(content_folder("detections"))


def said_of(rule: Heading) -> dict[str, str]:
    """What an act about a rule is told of it."""
    return {"rule": rule.id, "name": rule.name, "title": rule.title, "version": rule.version}


def now() -> int:
    """The present, in microseconds."""
    return SystemClock().now()
