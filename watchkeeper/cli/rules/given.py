"""The rules that proving commands are given: names, files, folders; without any, all of this estate."""

from __future__ import annotations

from pathlib import Path

import click

from watchkeeper.app.rulebook import detections_of, lists_of
from watchkeeper.app.settings import Loaded, data_folder, load
from watchkeeper.cli.rules.choosing import find
from watchkeeper.core.clock import SystemClock
from watchkeeper.core.content import content_folder
from watchkeeper.core.errors import Conflict, Invalid
from watchkeeper.detect.model import Rule
from watchkeeper.detect.sigma.rules import load_rule, load_rules
from watchkeeper.events.query.language import parse_time

range_option = click.option(
    "--range", "span", default="7d", show_default=True, metavar="AGE", help="So far back: 24h, 7d, or `all`."
)
tenant_option = click.option("--tenant", default="default", show_default=True, help="Whose events.")


def settings_of(config: Path | None, data: Path | None) -> Loaded:
    """This estate's settings. Raises `Misconfigured`."""
    return load(config, data_folder(data))


def rules_of(loaded: Loaded) -> tuple[Rule, ...]:
    """Ours and the estate's own, by name. Raises `Misconfigured`."""
    return tuple(sorted(detections_of(loaded).rules, key=lambda rule: rule.name))


def rules_given(words: tuple[str, ...], loaded: Loaded) -> tuple[Rule, ...]:
    """A word is a file, a folder, or the name or id of a rule of the estate. Raises `NotFound` and `Misconfigured`."""
    if not words:
        return rules_of(loaded)
    found: dict[str, Rule] = {}
    for word in words:
        for rule in _of(word, loaded):
            known = found.setdefault(rule.id, rule)
            if known.source != rule.source:
                raise Conflict(f"{rule.source}: the id {rule.id} belongs to {known.source} already")
    return tuple(sorted(found.values(), key=lambda rule: rule.name))


def since_of(span: str, now: int) -> int:
    """The first moment of a range that is said as an age. Raises `Invalid`."""
    since = 0 if span == "all" else parse_time(span, now)
    if since >= now:
        raise Invalid(f"the range {span} has not begun", hint="write an age: 24h, 7d, or `all`")
    return since


def is_ours(rule: Rule) -> bool:
    """Whether it comes with the product."""
    return Path(rule.source).is_relative_to(content_folder("detections"))


def said_of(rule: Rule) -> dict[str, str]:
    """What an act about a rule is told of it."""
    return {"rule": rule.id, "name": rule.name, "title": rule.title, "version": rule.version}


def now() -> int:
    """The present, in microseconds."""
    return SystemClock().now()


def _of(word: str, loaded: Loaded) -> tuple[Rule, ...]:
    path = Path(word)
    if path.is_dir():
        return load_rules([path], lists_of(loaded))
    if path.is_file():
        return (load_rule(path),)
    return (find(rules_of(loaded), word),)
