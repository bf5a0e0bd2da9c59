"""`watchkeeper rules simulate`: how loud rules would have been, before one of them may wake anyone."""

from __future__ import annotations

from contextlib import suppress
from pathlib import Path

import click
import msgspec

from watchkeeper.app.administration import Administration
from watchkeeper.app.settings import Loaded
from watchkeeper.cli import options, output
from watchkeeper.cli.rules.given import given, is_ours, now, said_of, settings_of, tenant_option
from watchkeeper.cli.rules.running import notes, past_of, progress
from watchkeeper.core.clock import SECOND
from watchkeeper.core.errors import NotFound
from watchkeeper.detect.alerts.admission import Limits
from watchkeeper.detect.alerts.exceptions.model import Exemption
from watchkeeper.detect.alerts.exceptions.reading import condition_of
from watchkeeper.detect.model import Heading
from watchkeeper.detect.proving.backtest import Backtest, choose
from watchkeeper.detect.proving.past import DAY, kinds_of
from watchkeeper.detect.proving.simulation import Simulated, Volume, sentence, simulate, sparkline

_MOST = 20


@click.command("simulate")
@click.argument("rules", nargs=-1, metavar="[RULE|FILE|FOLDER]…")
@click.option("--days", type=click.IntRange(1, 3_650), default=14, show_default=True, help="So far back.")
@tenant_option
@options.config
@options.data
@options.as_json
@options.errors_told
def command(
    rules: tuple[str, ...],
    days: int,
    tenant: str,
    config: Path | None,
    data: Path | None,
    as_json: bool,
) -> None:
    """Count the alerts that rules would have raised, day by day, and how often somebody would have been called.

    Without a name, all rules of this estate. Somebody is called by the first alert of a group, and again after a
    silence that ends an incident (`respond.window_seconds`). Drills are counted apart. The volume is shown without
    exceptions, and with those in force today.
    """
    loaded, until = settings_of(config, data), now()
    chosen = choose(*given(rules, loaded))
    past = past_of(loaded.data_dir, until - days * DAY, until, tenant)
    run, reach = Backtest(chosen, kept=0), past.reach()
    with progress() as tell:
        hits = run.run(past.facts(kinds_of(chosen.rules), tell), until)
        window = loaded.settings.respond.window_seconds * SECOND
        limits, exceptions = limits_of(loaded), in_force(loaded.data_dir)
        found = simulate(run, chosen.headings, hits, reach, window=window, limits=limits, exceptions=exceptions)
    notes(past, run, is_of_all=not rules)
    _note(loaded.data_dir, found, days, {rule.id: rule for rule in chosen.headings})
    if as_json:
        output.as_json({"sentence": sentence(found), **msgspec.to_builtins(found)})
    else:
        _tell(found)


def limits_of(loaded: Loaded) -> Limits:
    """Those of admission, as they are set."""
    detect = loaded.settings.detect
    return Limits(detect.window_seconds, detect.throttle_alerts, detect.throttle_seconds)


def in_force(folder: Path) -> list[Exemption]:
    """The exceptions of today; none where nothing ever ran."""
    with suppress(NotFound):
        rows = Administration(folder).call("alerts.exceptions")
        return [
            msgspec.convert(row | {"condition": condition_of(row["where"])}, Exemption)
            for row in rows
            if row["state"] == "in force"
        ]
    return []


def _note(folder: Path, found: Simulated, days: int, rules: dict[str, Heading]) -> None:
    """That a rule was simulated is a fact: without it, the rule may wake nobody. Without data there was no answer."""
    tried = [volume for volume in found.volumes if volume.is_known and not is_ours(rules[volume.rule])]
    ask = Administration(folder)
    with suppress(NotFound):  # somebody's copy of a journal: there is nothing to let a rule do
        for volume in tried:
            counts = {"days": days, "wakes": volume.wakes, "matches": volume.matches}
            ask.call("rules.simulated", **said_of(rules[volume.rule]), **counts)


def _tell(found: Simulated) -> None:
    loud = [volume for volume in found.volumes if volume.matches or volume.failures]
    for volume in loud[:_MOST]:
        _tell_rule(volume)
    if len(loud) > _MOST:
        output.text(f"… and {len(loud) - _MOST} more that match; --json has them all")
    drills = sum(volume.drills for volume in found.volumes)
    blind = [volume.name for volume in found.volumes if not volume.is_known]
    if drills:
        output.text(f"Matches of exercises, not counted: {drills:,}")
    if blind and found.is_known:
        named = ", ".join(blind[:5]) + (f" and {len(blind) - 5} more" if len(blind) > 5 else "")
        output.text(f"No data for {len(blind)} of {len(found.volumes)} rules, whose events nothing recorded: {named}")
    output.text(sentence(found))


def _tell_rule(volume: Volume) -> None:
    output.text(
        f"{volume.name}  {sparkline(volume.days)}  {volume.matches:,} matches, "
        f"{volume.told:,} alerts, "
        f"{volume.wakes} calls, {volume.groups} groups ({volume.level})"
    )
    if volume.held:
        output.text(
            f"  exceptions hold {volume.held:,} of them: "
            f"{volume.told_with:,} alerts, {volume.wakes_with} calls are left"
        )
    for group, count in volume.top:
        output.text(f"  {count:6,}  {group}")
    if volume.failures:
        output.text(f"  could not be evaluated on {volume.failures:,} events")
