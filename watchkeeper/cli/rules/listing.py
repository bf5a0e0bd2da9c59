"""`watchkeeper rules list`: every rule with what it means."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click
import msgspec

from watchkeeper.cli import options, output
from watchkeeper.cli.rules.choosing import detections_in, folders_option
from watchkeeper.detect.correlation.model import Correlation
from watchkeeper.detect.model import Heading, Rule
from watchkeeper.detect.sigma.rules import Detections


@click.command("list")
@folders_option
@options.config
@options.data
@options.as_json
@options.errors_told
def command(folders: tuple[Path, ...], config: Path | None, data: Path | None, as_json: bool) -> None:
    """List every rule of this estate with its level and what it looks for.

    A correlation stands among the rules; a rule that only feeds one raises no alert by itself and is marked so.
    """
    found = sorted(briefs(detections_in(folders, config, data)), key=lambda one: str(one["name"]))
    if as_json:
        output.lines(found)
        return
    output.table(
        ["rule", "level", "raises", "looks for", "tags"],
        [[one["name"], one["level"], _raises(one), one["title"], " ".join(one["tags"]) or "-"] for one in found],
        empty="There are no rules. Put one into a folder and name it with --folder.",
        below=("looks for", "tags"),
    )


def briefs(detections: Detections) -> list[dict[str, Any]]:
    """What programs are told of rules and correlations."""
    return [*map(brief, detections.rules), *map(brief_of_correlation, detections.correlations)]


def brief(rule: Rule) -> dict[str, Any]:
    """Of a rule."""
    return _heading(rule) | {
        "kinds": sorted(rule.kinds) if rule.kinds is not None else None,
        "domain": rule.domain,
        "alone": rule.alone,
        "correlation": None,
    }


def brief_of_correlation(one: Correlation) -> dict[str, Any]:
    """Of a correlation."""
    said = msgspec.to_builtins(one)
    del said["heading"], said["alone"]
    return _heading(one.heading) | {"kinds": None, "domain": "", "alone": one.alone, "correlation": said}


def _heading(one: Heading) -> dict[str, Any]:
    return {
        "id": one.id,
        "name": one.name,
        "title": one.title,
        "level": one.level.name.lower(),
        "tags": one.tags,
        "playbook": one.playbook,
        "response": one.response,
        "falsepositives": one.falsepositives,
        "version": one.version,
        "source": one.source,
    }


def _raises(one: dict[str, Any]) -> str:
    if not one["alone"]:
        return "no, feeds another"
    return "together" if one["correlation"] else "yes"
