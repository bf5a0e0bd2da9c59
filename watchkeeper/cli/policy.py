"""`watchkeeper policy`: what the rules are, and whether they can be loaded and hold their own tests."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from pathlib import Path

import click

from watchkeeper.app.settings import data_folder, load
from watchkeeper.cli import options, output
from watchkeeper.cli.policies import bundles, differing, explaining, packs, replaying, testing
from watchkeeper.core.content import content_folder
from watchkeeper.policy import PolicyEngine, read_cases, run_case
from watchkeeper.policy import check as problems_of
from watchkeeper.policy.packs import chosen


@click.group()
def policy() -> None:
    """Policies: which calls are allowed, asked about or denied."""


policy.add_command(testing.test)
policy.add_command(testing.cover)
policy.add_command(packs.packs)
policy.add_command(differing.diff)
policy.add_command(explaining.explain)
policy.add_command(replaying.replayed)
policy.add_command(bundles.bundle)
policy.add_command(bundles.rollback)
policy.add_command(bundles.status)


@policy.command()
@click.argument("folders", nargs=-1, type=click.Path(path_type=Path, file_okay=False, exists=True), metavar="[FOLDER]…")
@options.config
@options.data
@options.as_json
@options.errors_told
def check(folders: tuple[Path, ...], config: Path | None, data: Path | None, as_json: bool) -> None:
    """Check policies and run the tests that lie beside them (`*.tests.yaml`).

    Without a FOLDER, the packs and folders of the settings. The starter set is always read with them, as the gateway
    does.

    Exit code 0 if everything holds, 1 if a policy is wrong or a test fails.
    """
    settings = load(config, data_folder(data)).settings.policy
    named = folders or tuple(Path(folder) for folder in settings.folders)
    on = [] if folders else chosen(settings.packs)
    starter = content_folder("policies")
    everything = [starter, *(pack.place for pack in on), *named]
    wrong = [str(problem) for problem in problems_of(everything, settings.windows)]
    told: list[tuple[str, str, str]] = []
    if not wrong:
        # what comes with the product says how it answers by itself; beside stricter policies it would not
        told = _run([starter], [starter])
        for pack in on:
            told += _run([starter, *(one.place for one in chosen([pack.name]))], [pack.place])
        told += _run(everything, named) if named else []
        wrong = [f"{file}: {name}: {difference}" for file, name, difference in told if difference]
    if as_json:
        output.as_json({"ok": not wrong, "folders": everything, "tests": len(told), "problems": wrong})
    else:
        for line in wrong:
            output.text(line)
        output.text(f"{len(wrong)} problems." if wrong else f"Every policy can be loaded, and {len(told)} tests hold.")
    sys.exit(1 if wrong else 0)


def _run(loaded: Sequence[Path], tested: Sequence[Path]) -> list[tuple[str, str, str]]:
    """(file, case, what differs) of the tests in `tested`, asked of the policies in `loaded`."""
    engine = PolicyEngine.load(loaded)
    return [(file, case.name, run_case(engine, case)) for file, case in read_cases(tested)]
