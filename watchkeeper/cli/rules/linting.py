"""`watchkeeper rules lint`: what is wrong with rules, and what mends it."""

from __future__ import annotations

from collections import Counter
from pathlib import Path
from typing import Any

import click

from watchkeeper.cli import options, output
from watchkeeper.cli.rules.choosing import file_progress
from watchkeeper.core.content import content_folder
from watchkeeper.core.errors import Invalid
from watchkeeper.detect.linting.linting import Looked, lint
from watchkeeper.detect.linting.model import Problem, Weight
from watchkeeper.detect.proving.frameworks import load_frameworks
from watchkeeper.detect.sigma.reading.placeholders import NO_LISTS, load_placeholders


@click.command("lint")
@click.argument("paths", nargs=-1, type=click.Path(path_type=Path))
@click.option(
    "--placeholders", type=click.Path(path_type=Path), default=None,
    help="A YAML file or folder with the values of %placeholders%.",
)  # fmt: skip
@click.option(
    "--playbooks", type=click.Path(path_type=Path, exists=True, file_okay=False), default=None,
    help="A folder with playbooks of your own that rules may name.",
)  # fmt: skip
@click.option("--hints/--no-hints", default=True, show_default=True, help="Tell also what could be better.")
@click.option("--strict", is_flag=True, help="End with 65 for warnings too.")
@options.as_json
@options.errors_told
def command(
    paths: tuple[Path, ...],
    placeholders: Path | None,
    playbooks: Path | None,
    hints: bool,
    strict: bool,
    as_json: bool,
) -> None:
    """Tell every problem of Sigma files: where, what, and how to mend it.

    PATH is a file or a folder, of rules of any log source; without one, our own rules are looked through.

    \b
    error    it cannot be loaded, or can never fire
    warning  it does something else than people will think, or costs much
    hint     it could be better

    With --json each line is a problem, {"weight", "code", "what", "mend", "source", "line", "id", "title"}, and the
    last is {"summary": …}. Exit code 65 when there is an error.
    """
    lists = load_placeholders(placeholders) if placeholders else NO_LISTS
    looked = lint(
        paths or (content_folder("detections"),), load_frameworks(content_folder("frameworks")), lists,
        told=file_progress(), playbooks=_playbooks(playbooks),
    )  # fmt: skip
    shown = [one for one in looked.problems if hints or one.weight is not Weight.HINT]
    counts = Counter(one.weight.value for one in looked.problems)
    if as_json:
        output.lines([*shown, {"summary": _summary(looked, counts)}])
    else:
        _tell(shown, looked, counts)
    if counts["error"] or (strict and counts["warning"]):
        raise Invalid(f"{counts['error']} errors and {counts['warning']} warnings", hint="mend what is told above")


def _playbooks(own: Path | None) -> frozenset[str]:
    from watchkeeper.respond.service import load_actions, load_shelf  # noqa: PLC0415 — response, needed for this only
    from watchkeeper.respond.settings import RespondSettings  # noqa: PLC0415 — the same

    shelf = load_shelf(RespondSettings(playbooks=str(own or "")), load_actions())
    return frozenset(one.playbook.id for one in shelf.playbooks)


def _summary(looked: Looked, counts: Counter[str]) -> dict[str, Any]:
    return {"files": looked.files, "documents": looked.documents} | {f"{w.value}s": counts[w.value] for w in Weight}


def _tell(shown: list[Problem], looked: Looked, counts: Counter[str]) -> None:
    place = ""
    for one in shown:
        here = f"{one.source}:{one.line}" + (f"  {one.id or one.title}" if one.id or one.title else "")
        if here != place:
            output.text(here)
            place = here
        output.text(f"    {one.weight.value:<8} {one.what} [{one.code}]\n             {one.mend}")
    if not looked.documents:
        output.text("There are no rules in these files: a rule is a YAML document with a detection or a correlation.")
        return
    output.text(
        f"{looked.documents:,} documents in {looked.files:,} files: {counts['error']} errors, {counts['warning']} "
        f"warnings, {counts['hint']} hints"
    )
