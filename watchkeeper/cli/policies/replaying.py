"""`watchkeeper policy replay`: what a set of policies would change of what was decided."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path

import click
import msgspec

from watchkeeper.app.lakes import search_in
from watchkeeper.app.settings import data_folder, require_journal
from watchkeeper.cli import options, output
from watchkeeper.cli.policies import sets
from watchkeeper.core.clock import SECOND, SystemClock
from watchkeeper.gateway.decisions import decisions, recalled
from watchkeeper.policy.analysis.again import Blast, Decision, newly, replay

_MOST_ROWS = 20
_EVERY = 2_000


@click.command("replay")
@click.option("--days", type=click.IntRange(1, 3_650), default=7, show_default=True, help="So far back.")
@click.option(
    "--policies", multiple=True, type=sets.FOLDER, help="The proposed folders; default: those of the settings."
)
@sets.alone
@sets.tenant
@click.option(
    "--fail-on",
    type=click.Choice(["newly-allowed", "newly-denied"]),
    multiple=True,
    help="Exit with 1 if there is one, or if some answer is inconclusive.",
)
@options.config
@options.data
@options.as_json
@options.errors_told
def replayed(
    days: int,
    policies: tuple[Path, ...],
    alone: bool,
    tenant: str,
    fail_on: tuple[str, ...],
    config: Path | None,
    data: Path | None,
    as_json: bool,
) -> None:
    """Decide recorded messages again by a proposed set, and tell the blast radius.

    Three answers: changed, unchanged, inconclusive (arguments that were redacted, a definition that is not known).
    What was decided before policy was asked (orders, held definitions) does not change and is not counted.
    """
    of = sets.chosen(policies, config, data, is_alone=alone)
    folder = data_folder(data)
    require_journal(folder)
    now = SystemClock().now()
    found = decisions(search_in(folder), now - days * 86_400 * SECOND, now, tenant=tenant)
    asked = (decision for event in found for decision in recalled(event))
    blast = replay(of.engine, _counted(asked, as_json), sets.schemas(data))
    allowed, denied = newly(blast, allowed=True), newly(blast, allowed=False)
    if as_json:
        output.as_json({"days": days, **msgspec.to_builtins(blast), "newly_allowed": allowed, "newly_denied": denied})
    else:
        _tell(blast, days)
    wanted = {"newly-allowed": allowed, "newly-denied": denied}
    sys.exit(1 if any(wanted[name] or blast.inconclusive for name in fail_on) else 0)


def _counted(asked: Iterator[Decision], is_quiet: bool) -> Iterator[Decision]:
    is_shown = not is_quiet and sys.stderr.isatty()
    for number, decision in enumerate(asked):
        if is_shown and number % _EVERY == 0:
            click.echo(f"\r\x1b[K{number} decisions", nl=False, err=True)
        yield decision
    if is_shown:
        click.echo("\r\x1b[K", nl=False, err=True)


def _tell(blast: Blast, days: int) -> None:
    if not blast.decided:
        output.text(f"No decision of policies was recorded in {days} days: nothing can be said.")
        return
    output.text(f"{blast.decided} decisions of {days} days, decided again:")
    output.text(f"  changed {blast.changed} · unchanged {blast.unchanged} · inconclusive {blast.inconclusive}")
    for kind, count in sorted(blast.changes.items(), key=lambda one: -one[1]):
        output.text(f"  {kind}: {count}, such as {', '.join(blast.examples[kind])}")
    parts = (("by agent", blast.by_principal), ("by tool", blast.by_target), ("by policy", blast.by_policy))
    for heading, counts in (*parts, ("inconclusive because", blast.reasons)):
        if counts:
            output.text(f"\n{heading}:")
        for name, count in sorted(counts.items(), key=lambda one: (-one[1], one[0]))[:_MOST_ROWS]:
            output.text(f"  {count:6}  {name}")
        if len(counts) > _MOST_ROWS:
            output.text(f"          and {len(counts) - _MOST_ROWS} more; --json has them all")
