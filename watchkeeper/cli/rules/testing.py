"""`watchkeeper rules test`: the tests inside of rules, rule by rule."""

from __future__ import annotations

import sys
from pathlib import Path
from xml.etree import ElementTree as Xml

import click

from watchkeeper.cli import options, output
from watchkeeper.cli.rules.given import given, outcomes_of, settings_of
from watchkeeper.core.text import visible
from watchkeeper.detect.check import Outcome


@click.command("test")
@click.argument("rules", nargs=-1, metavar="[RULE|FILE|FOLDER]…")
@click.option("--junit", type=click.Path(path_type=Path, dir_okay=False), help="Write a JUnit report to this file.")
@options.config
@options.data
@options.as_json
@options.errors_told
def command(rules: tuple[str, ...], junit: Path | None, config: Path | None, data: Path | None, as_json: bool) -> None:
    """Run the tests inside of rules and correlations: what each must match, and what it must not.

    Without a name, all rules of this estate. A rule without an example of each fails: nothing was tested.

    Exit code 0 if every rule passes, 1 if one does not or there is none.
    """
    detections, ids = given(rules, settings_of(config, data))
    every = outcomes_of(detections)
    outcomes = [every[one] for one in (every if ids is None else ids)]
    failed = [outcome for outcome in outcomes if outcome.wrong]
    if junit:
        junit.write_bytes(_junit(outcomes))
    if as_json:
        output.as_json({"ok": bool(outcomes) and not failed, "rules": outcomes})
    else:
        _tell(outcomes, failed)
    sys.exit(1 if failed or not outcomes else 0)


def _tell(outcomes: list[Outcome], failed: list[Outcome]) -> None:
    for outcome in outcomes:
        output.text(f"{'FAIL' if outcome.wrong else 'ok  '}  {Path(outcome.source).stem}  {outcome.title}")
        for wrong in outcome.wrong:
            output.text(f"      {outcome.source}: {wrong}")
    examples = sum(outcome.examples for outcome in outcomes)
    passing = f"{len(outcomes) - len(failed)} of {len(outcomes)} rules pass, {examples} examples."
    output.text(passing if outcomes else "There is no rule, so nothing was tested.")


def _junit(outcomes: list[Outcome]) -> bytes:
    failures = sum(bool(outcome.wrong) for outcome in outcomes)
    suite = Xml.Element("testsuite", name="watchkeeper rules test", tests=str(len(outcomes)), failures=str(failures))
    for outcome in outcomes:
        case = Xml.SubElement(suite, "testcase", classname=visible(outcome.source), name=visible(outcome.title))
        if outcome.wrong:
            Xml.SubElement(case, "failure", message=visible("; ".join(outcome.wrong)))
    return bytes(Xml.tostring(suite, encoding="utf-8", xml_declaration=True))
