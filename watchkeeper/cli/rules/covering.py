"""`watchkeeper rules coverage`: techniques, the rules whose tests pass, and the attacks that were really executed."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click
import msgspec

from watchkeeper.app.lakes import search_in
from watchkeeper.cli import options, output
from watchkeeper.cli.rules.given import of_estate, outcomes_of, settings_of, tenant_option
from watchkeeper.cli.rules.standing import stands_of
from watchkeeper.core.content import content_folder
from watchkeeper.detect.proving.backtest import choose
from watchkeeper.detect.proving.coverage import EXECUTED, attack_rows, executed_in, matrix
from watchkeeper.detect.proving.frameworks import load_frameworks
from watchkeeper.detect.proving.model import Covered, Executed, Matrix, Proof
from watchkeeper.detect.proving.navigator import DOMAINS, layer

_MOST = 10_000


@click.command("coverage")
@click.option("--framework", default="", help="Only this catalogue, row by row: safe-mcp, atlas, mcp-ttp, owasp-mcp.")
@click.option(
    "--navigator", type=click.Path(path_type=Path, dir_okay=False), help="Write a layer for MITRE's Navigator."
)
@click.option(
    "--layer", "of", type=click.Choice(sorted(DOMAINS)), default="attack", show_default=True, help="Its matrix."
)
@tenant_option
@options.config
@options.data
@options.as_json
@options.errors_told
def command(
    framework: str, navigator: Path | None, of: str, tenant: str, config: Path | None, data: Path | None, as_json: bool
) -> None:
    """Hold rules and executed attacks against the catalogues of techniques.

    *fixture* counts enabled rules that pass the tests they carry, run now; *executed* counts attacks that went through
    this estate's gateway and were detected (`watchkeeper exercise run`). What has neither is a gap.
    """
    loaded = settings_of(config, data)
    frameworks = {one.name: one for one in load_frameworks(content_folder("frameworks"))}
    if framework and framework not in frameworks:
        raise click.BadParameter(f"one of {', '.join(frameworks)}", param_hint="--framework")
    detections = of_estate(loaded)
    enabled = {one.rule for one in stands_of(loaded, detections) if one.state == "enabled"}
    outcomes = outcomes_of(detections)
    alarming = choose(detections).headings
    proofs = [Proof(one.name, one.tags, not outcomes[one.id].wrong, one.id in enabled) for one in alarming]
    attacks = _executed(loaded.data_dir, tenant)
    matrices = [matrix(one, proofs, attacks) for one in frameworks.values() if framework in ("", one.name)]
    if navigator:
        _write(navigator, of, proofs, attacks, frameworks["atlas"])
    if as_json:
        output.as_json({"matrices": [_row(one) for one in matrices], "attacks": attacks})
        return
    if framework:
        _tell_rows(matrices[0])
    _tell(matrices, attacks)
    if navigator:
        output.text(f"wrote the layer of {of} to {navigator}")


def _executed(folder: Path, tenant: str) -> tuple[Executed, ...]:
    if not (folder / "journal").is_dir():
        return ()
    return executed_in(search_in(folder).events(kind=EXECUTED, unbounded=True, limit=_MOST, tenant=tenant))


def _write(path: Path, of: str, proofs: list[Proof], attacks: tuple[Executed, ...], atlas: Any) -> None:
    rows = attack_rows(proofs, attacks) if of == "attack" else matrix(atlas, proofs, attacks).rows
    made = layer(of, rows, version=atlas.version if of == "atlas" else "")
    path.write_bytes(msgspec.json.format(msgspec.json.encode(made), indent=2) + b"\n")


def _row(one: Matrix) -> dict[str, Any]:
    return {
        "name": one.framework.name,
        "version": one.framework.version,
        "attribution": one.framework.attribution,
        "techniques": len(one.rows),
        "fixture": one.fixture,
        "executed": one.executed,
        "gaps": [row.id for row in one.gaps],
        "unknown": one.unknown,
        "rows": one.rows,
    }


def _tell_rows(one: Matrix) -> None:
    titles = {group.id: group.title for group in one.framework.groups}
    seen = ""
    for row in one.rows:
        group = titles.get(row.groups[0], "") if row.groups else ""
        if group != seen:
            output.text(f"\n{group}")
            seen = group
        output.text(f"  {_mark(row)}  {row.id:15} {row.title}{_behind(row)}")
    output.text(f"\n{one.framework.attribution}\n")


def _mark(row: Covered) -> str:
    return f"{'fixture' if row.fixture else '-':7} {'executed' if row.executed else 'MISSED' if row.missed else '-':8}"


def _behind(row: Covered) -> str:
    told = []
    if row.is_gap:
        told.append("GAP")
    if row.unproven:
        told.append(f"not counted: {', '.join(row.unproven)}")
    if row.missed:
        told.append(f"not detected: {', '.join(row.missed)}")
    return f"  ({'; '.join(told)})" if told else ""


def _tell(matrices: list[Matrix], attacks: tuple[Executed, ...]) -> None:
    output.table(
        ["catalogue", "techniques", "fixture", "executed", "gaps"],
        [[one.framework.title, len(one.rows), one.fixture, one.executed, len(one.gaps)] for one in matrices],
        empty="There is no catalogue.",
    )
    for one in matrices:
        if one.unknown:
            output.text(f"Not in {one.framework.title}, though rules or attacks name it: {', '.join(one.unknown)}")
    detected = sum(bool(attack.detected_by) for attack in attacks)
    said = f"{len(attacks)} attacks were executed on this estate, {detected} of them detected."
    none = "No attack was executed on this estate: nothing is proven in earnest. "
    none += "`watchkeeper exercise run --data FOLDER` does that."
    output.text(f"\n{said if attacks else none}")
