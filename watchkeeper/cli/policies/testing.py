"""`watchkeeper policy test` and `policy coverage`: the tests beside policies, and which policies nothing ever named."""

from __future__ import annotations

import sys
from collections import Counter
from pathlib import Path
from typing import Any
from xml.etree import ElementTree as Xml

import click

from watchkeeper.app.lakes import search_in
from watchkeeper.app.settings import data_folder, require_journal
from watchkeeper.cli import options, output
from watchkeeper.cli.policies import sets
from watchkeeper.core.clock import SECOND, SystemClock
from watchkeeper.core.errors import NotFound
from watchkeeper.core.text import visible
from watchkeeper.gateway.decisions import decisions, policies_named
from watchkeeper.policy import Case, read_cases, tell
from watchkeeper.policy.analysis.coverage import Covered, coverage, percent

Row = dict[str, Any]


@click.command()
@click.argument("folders", nargs=-1, type=sets.FOLDER, metavar="[FOLDER]…")
@sets.alone
@click.option("--junit", type=click.Path(path_type=Path, dir_okay=False), help="Write a JUnit report to this file.")
@options.config
@options.data
@options.as_json
@options.errors_told
def test(
    folders: tuple[Path, ...],
    alone: bool,
    junit: Path | None,
    config: Path | None,
    data: Path | None,
    as_json: bool,
) -> None:
    """Run the tests beside policies (`*.tests.yaml`), case by case.

    Without a FOLDER, those of the settings. The starter set is read with them, as the gateway does; its own tests are
    run only where there is no folder, for they do not know what stands beside it.

    Exit code 0 if every case holds, 1 if one does not or there is none.
    """
    of = sets.chosen(folders, config, data, is_alone=alone)
    rows = [_row(of.engine, file, case) for file, case in read_cases(of.tested)]
    failed = [row for row in rows if row["difference"]]
    if junit:
        junit.write_bytes(_junit(rows))
    if as_json:
        output.as_json({"ok": bool(rows) and not failed, "cases": rows})
    else:
        for row in rows:
            output.text(f"{'FAIL' if row['difference'] else 'ok  '}  {row['name']}")
            if row["difference"]:
                output.text(f"      {row['file']}: {row['difference']}")
        output.text(f"{len(rows) - len(failed)} of {len(rows)} cases hold." if rows else "There is no test.")
    sys.exit(1 if failed or not rows else 0)


def _row(engine: Any, file: str, case: Case) -> Row:
    told = tell(engine, case)
    return {
        "file": file,
        "name": case.name,
        "effect": told.verdict.effect,
        "rules": told.verdict.rules,
        "difference": told.difference,
    }


def _junit(rows: list[Row]) -> bytes:
    failures = sum(bool(row["difference"]) for row in rows)
    suite = Xml.Element("testsuite", name="watchkeeper policy test", tests=str(len(rows)), failures=str(failures))
    for row in rows:
        case = Xml.SubElement(suite, "testcase", classname=visible(row["file"]), name=visible(row["name"]))
        if row["difference"]:
            Xml.SubElement(case, "failure", message=visible(row["difference"]))
    return bytes(Xml.tostring(suite, encoding="utf-8", xml_declaration=True))


@click.command("coverage")
@click.argument("folders", nargs=-1, type=sets.FOLDER, metavar="[FOLDER]…")
@sets.alone
@sets.tenant
@click.option("--days", type=click.IntRange(1, 3_650), help="Look at the recorded decisions of so many days, too.")
@click.option(
    "--fail-under", type=click.FloatRange(0, 100), default=0.0, help="Exit with 1 if fewer percent are tested."
)
@options.config
@options.data
@options.as_json
@options.errors_told
def cover(
    folders: tuple[Path, ...],
    alone: bool,
    days: int | None,
    fail_under: float,
    tenant: str,
    config: Path | None,
    data: Path | None,
    as_json: bool,
) -> None:
    """Which policies no test hits, and with --days which no recorded decision hit.

    A policy is hit by a verdict that names it: it spoke, or would have, were it not in shadow mode.
    """
    of = sets.chosen(folders, config, data, is_alone=alone)
    verdicts = (tell(of.engine, case).verdict for _, case in read_cases(of.folders))
    hits, seen = (None, 0) if days is None else _recorded(data_folder(data), days, tenant)
    rows = coverage(of.engine.policies, verdicts, hits)
    tested = percent(rows)
    if as_json:
        output.as_json(
            {"policies": rows, "tested_percent": round(tested, 1), "decisions": None if days is None else seen}
        )
    else:
        output.table(["policy", "tests", "decisions", "place"], [_cells(row, seen) for row in rows], empty="No policy.")
        output.text(f"\n{tested:.1f} % of {len(rows)} policies are hit by a test.")
        if days is not None:
            output.text(
                f"{seen} decisions were recorded in {days} days" + (": nothing can be said." if not seen else ".")
            )
    sys.exit(1 if tested < fail_under else 0)


def _cells(row: Covered, seen: int) -> list[object]:
    counted = "-" if row.decisions is None else row.decisions if seen else "no data"
    return [row.policy, row.tests or "none", counted, f"{row.file}:{row.line}"]


def _recorded(folder: Path, days: int, tenant: str) -> tuple[dict[str, int], int]:
    """Policy → decisions that name it, and how many decisions there were."""
    now = SystemClock().now()
    try:
        require_journal(folder)
    except NotFound:
        return {}, 0
    hits: Counter[str] = Counter()
    seen = 0
    for event in decisions(search_in(folder), now - days * 86_400 * SECOND, now, tenant=tenant):
        seen += 1
        hits.update(policies_named(event))
    return dict(hits), seen
