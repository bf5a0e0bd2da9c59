"""`watchkeeper rules list`: every rule with what it means."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from watchkeeper.cli import options, output
from watchkeeper.cli.rules.choosing import folders_option, rules_in
from watchkeeper.detect.model import Rule


@click.command("list")
@folders_option
@options.as_json
@options.errors_told
def command(folders: tuple[Path, ...], as_json: bool) -> None:
    """List every rule with its level and what it looks for."""
    rules = rules_in(folders)
    if as_json:
        output.lines([brief(rule) for rule in rules])
        return
    output.table(
        ["rule", "level", "looks for", "tags"],
        [[rule.name, rule.level.name.lower(), rule.title, " ".join(rule.tags) or "-"] for rule in rules],
        empty="There are no rules. Put one into a folder and name it with --folder.",
        below=("looks for", "tags"),
    )


def brief(rule: Rule) -> dict[str, Any]:
    """What programs are told of a rule."""
    return {
        "id": rule.id,
        "name": rule.name,
        "title": rule.title,
        "level": rule.level.name.lower(),
        "tags": rule.tags,
        "kinds": sorted(rule.kinds) if rule.kinds is not None else None,
        "domain": rule.domain,
        "alone": rule.alone,
        "playbook": rule.playbook,
        "response": rule.response,
        "falsepositives": rule.falsepositives,
        "version": rule.version,
        "source": rule.source,
    }
