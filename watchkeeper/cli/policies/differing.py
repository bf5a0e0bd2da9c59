"""`watchkeeper policy diff`: what an edit newly allows, each with a call that shows it."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from watchkeeper.cli import options, output
from watchkeeper.cli.policies import sets
from watchkeeper.core.errors import Unavailable
from watchkeeper.core.text import visible
from watchkeeper.policy.analysis.cases import as_yaml, written

if TYPE_CHECKING:
    from watchkeeper.policy.diff.search import Differences, Finding


@click.command("diff")
@click.argument("old", type=sets.FOLDER)
@click.argument("new", type=sets.FOLDER)
@sets.alone
@click.option("--seconds", type=click.FloatRange(1, 3_600), default=60.0, show_default=True, help="Look no longer.")
@click.option("--every", is_flag=True, help="Show every case, not one for each policy and kind of change.")
@click.option(
    "--write", type=click.Path(path_type=Path, dir_okay=False), help="Write the cases into this *.tests.yaml."
)
@click.option(
    "--fail-on",
    type=click.Choice(["newly-allowed", "newly-denied", "any"]),
    default="newly-allowed",
    show_default=True,
    help="Exit with 1 if there is one; an answer that is inconclusive fails, too.",
)
@options.config
@options.data
@options.as_json
@options.errors_told
def diff(
    old: Path,
    new: Path,
    alone: bool,
    seconds: float,
    every: bool,
    write: Path | None,
    fail_on: str,
    config: Path | None,
    data: Path | None,
    as_json: bool,
) -> None:
    """Does the edit from folder OLD to folder NEW newly allow anything?

    Says for each changed policy which calls are now allowed, asked about or changed that were stopped before, and the
    reverse. Each comes with a concrete case that both sets were asked: it holds under OLD and fails under NEW, so that
    `policy test` runs it and `policy explain --case` explains it. Tools are known by what the gateway saw of them;
    where none was seen, a schema is made up that fits the policies.

    Three answers: newly allowed · nothing newly allowed · inconclusive, with the policy that is the reason.
    """
    before = sets.chosen((old,), config, data, is_alone=alone, known_windows=False)
    after = sets.chosen((new,), config, data, is_alone=alone, known_windows=False)
    found = _search()(
        before.engine.policies, after.engine.policies, sets.schemas(data), seconds=seconds, progress=_progress(as_json)
    )
    if write:
        write.write_text(as_yaml([_case(one) for one in (*found.widened, *found.narrowed)]), encoding="utf-8")
    if as_json:
        output.as_json(_tree(found))
    else:
        _tell(found, every)
    sys.exit(1 if _fails(found, fail_on) else 0)


def _search() -> Any:
    try:
        from watchkeeper.policy.diff.search import differences  # noqa: PLC0415 — z3 is an extra
    except ModuleNotFoundError as error:
        raise Unavailable(
            "policy diff needs the solver z3, which is not installed",
            hint="install watchkeeper[analysis], or z3-solver beside it",
        ) from error
    return differences


def _progress(is_quiet: bool) -> Any:
    def show(done: int, total: int, what: str) -> None:
        if not is_quiet and sys.stderr.isatty():
            click.echo(f"\r\x1b[K{done}/{total} {visible(what, limit=60)}", nl=done + 1 == total, err=True)

    return show


def _fails(found: Differences, fail_on: str) -> bool:
    wanted = {"newly-allowed": found.widened, "newly-denied": found.narrowed, "any": (*found.widened, *found.narrowed)}
    return bool(wanted[fail_on] or found.doubts)


def _case(one: Finding) -> dict[str, Any]:
    return written(f"{one.policy} {one.how}: {one.kind}, {one.place}", one.question, one.schema, one.old)


def _tree(found: Differences) -> dict[str, Any]:
    def shown(ones: tuple[Finding, ...]) -> list[dict[str, Any]]:
        return [
            {
                "policy": one.policy,
                "how": one.how,
                "kind": one.kind,
                "place": one.place,
                "old": {"effect": one.old.effect, "rules": one.old.rules},
                "new": {"effect": one.new.effect, "rules": one.new.rules},
                "schema_is_guessed": one.is_guess,
                "case": _case(one),
            }
            for one in ones
        ]

    return {
        "answer": found.answer,
        "changes": found.changes,
        "newly_allowed": shown(found.widened),
        "newly_denied": shown(found.narrowed),
        "inconclusive": found.doubts,
    }


def _tell(found: Differences, every: bool) -> None:
    if not found.changes:
        output.text("No policy changed in what it does.")
    for change in found.changes:
        output.text(f"{change.how:8} {change.policy}")
    for heading, ones in (("Newly allowed", found.widened), ("Newly denied", found.narrowed)):
        shown = ones if every else _first_of_each(ones)
        if shown:
            more = f" (one of each kind; {len(ones)} with --every)" if len(shown) < len(ones) else ""
            output.text(f"\n{heading}{more}:")
        for one in shown:
            output.text(f"\n  {one.policy} ({one.how}): {one.kind}, {one.place}")
            if one.is_guess:
                output.text("    nobody showed us this tool: its schema is made up to fit the policies")
            output.text("".join(f"    {line}\n" for line in as_yaml([_case(one)]).splitlines()).rstrip())
    for doubt in found.doubts:
        output.text(f"\ninconclusive: {doubt.policy}: {doubt.reason}")
    output.text(f"\nAnswer: {found.answer}.")


def _first_of_each(ones: tuple[Finding, ...]) -> tuple[Finding, ...]:
    found: dict[tuple[str, str], Finding] = {}
    for one in ones:
        found.setdefault((one.policy, one.kind), one)
    return tuple(found.values())
