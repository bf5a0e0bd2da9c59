"""Before a playbook runs: whether its file is right, what its tests say, what it would touch."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import click

from watchkeeper.app.administration import Administration
from watchkeeper.app.settings import data_folder, load
from watchkeeper.cli import options, output
from watchkeeper.cli.playbooks.running import inputs, named
from watchkeeper.core.content import content_folder
from watchkeeper.core.errors import Invalid
from watchkeeper.respond.service import load_actions
from watchkeeper.respond.shelf import examine, load_file, read
from watchkeeper.respond.shelf import files_of as files_in
from watchkeeper.respond.trials import tried

_FAILED = 65
paths = click.argument("files", nargs=-1, type=click.Path(path_type=Path))


@click.command()
@paths
@options.config
@options.data
@options.as_json
@options.errors_told
def lint(files: tuple[Path, ...], config: Path | None, data: Path | None, as_json: bool) -> None:
    """Say everything that is wrong with playbooks: file, line, step, and what to do.

    Without FILES, all of this estate.
    """
    actions = load_actions()
    chosen = files_of(files, config, data)
    flaws = [flaw for path in chosen for flaw in examine(read(path), actions, name=str(path))[1]]
    if as_json:
        output.as_json(flaws)
    else:
        for flaw in flaws:
            output.text(str(flaw))
            output.text(f"  {flaw.hint}")
        if not flaws:
            output.text(f"{len(chosen)} playbook(s), nothing wrong.")
    if flaws:
        raise SystemExit(_FAILED)


@click.command()
@paths
@options.config
@options.data
@options.as_json
@options.errors_told
def test(files: tuple[Path, ...], config: Path | None, data: Path | None, as_json: bool) -> None:
    """Run the tests inside playbooks: their alerts, and what must follow. Nothing is carried out."""
    actions = load_actions()
    loaded = [load_file(path, actions) for path in files_of(files, config, data)]
    came_out = [(one.playbook.id, trial) for one in loaded for trial in tried(one.playbook, actions)]
    failed = [(name, trial) for name, trial in came_out if not trial.is_passed]
    if as_json:
        output.as_json([{"playbook": name, "test": trial} for name, trial in came_out])
    else:
        for name, trial in failed:
            output.text(f"{name}: {trial.name}: failed" + (f": {trial.why}" if trial.why else ""))
            output.text(f"  wanted {json.dumps(trial.wanted)}")
            output.text(f"  done   {json.dumps(trial.done)}")
        output.text(f"{len(came_out) - len(failed)} of {len(came_out)} test(s) passed in {len(loaded)} playbook(s).")
        if not came_out:
            output.text("A playbook without tests is a guess: write `tests` into it, see docs/guides/playbooks.md.")
    if failed:
        raise SystemExit(_FAILED)


@click.command("dry-run")
@click.argument("playbook")
@click.option("--incident", default="", help="For this incident.")
@click.option(
    "--alerts",
    type=click.Path(path_type=Path, dir_okay=False),
    default=None,
    help="For the alerts in this JSON file, a list as in a playbook's tests.",
)
@click.option(
    "--hours", type=click.FloatRange(min=0.1, max=720), default=24.0, show_default=True, help="Look back so far."
)
@inputs
@options.data
@options.token_file
@options.as_json
@options.errors_told
def dry_run(
    playbook: str, incident: str, alerts: Path | None, hours: float, given: tuple[str, ...], **rest: Any
) -> None:
    """Print what a playbook would do, and whom it would touch. Nothing is done."""
    if bool(incident) == (alerts is not None):
        raise Invalid("name what it is about", hint="give either --incident or --alerts")
    ask = Administration.by_token(rest["data"], rest["token_file"])
    about = {"playbook": playbook, "incident": incident, "alerts": _alerts(alerts) if alerts is not None else []}
    found = ask.call("playbooks.dry_run", **about, hours=hours, inputs=named(given))
    if rest["as_json"]:
        output.as_json(found)
        return
    due = "is due" if found["is_due"] else "is NOT due: its `when` does not hold; asked for, it would do this"
    output.text(f"{found['playbook']} version {found['version']} {due}. Nothing is done.")
    if found["approve"]:
        output.text(f"  first {', '.join(found['approve']['by'])} must approve it")
    for step in found["steps"]:
        _tell(step)
    looked = "all" if found["is_whole"] else "the newest"
    output.text(f"Looked at {looked} of the last {found['hours']:g} h: {found['calls_seen']} call(s).")


def _tell(step: dict[str, Any]) -> None:
    where = f" ({step['branch']})" if step["branch"] else ""
    if step["skip"] or step["broken"]:
        why = f"skipped: {step['skip']}" if step["skip"] else f"would FAIL: {step['broken']}"
        output.text(f"  {step['step']}{where}: {why}")
        return
    output.text(f"  {step['step']}{where}: {step['what']}")
    if step["approve"]:
        output.text(f"      {step['quorum']} of {', '.join(step['approve'])} must approve it")
    if step["reach"] == "irreversible":
        output.text("      cannot be undone")
    if (touched := step["touched"]) is not None:
        who = ", ".join(touched["principals"]) or "nobody"
        output.text(
            f"      touches {touched['calls']} call(s) of {who}; {len(touched['tools'])} tool(s), "
            f"{len(touched['servers'])} server(s), {touched['sessions']} session(s)"
        )
    elif step["contains"]:
        output.text(f"      whom it touches is not known: {step['contains']}")


def _alerts(path: Path) -> Any:
    try:
        alerts = json.loads(path.read_text(encoding="utf-8"))
    except (ValueError, RecursionError) as error:
        raise Invalid(f"{path}: {error}", hint="a JSON list of alerts, as in a playbook's tests") from error
    if not isinstance(alerts, list) or not alerts:
        raise Invalid(f"{path} holds no list of alerts", hint="a JSON list of alerts, as in a playbook's tests")
    return alerts


def files_of(files: tuple[Path, ...], config: Path | None, data: Path | None) -> list[Path]:
    """The playbooks of these files and folders; of none, those of the estate."""
    if not files:
        own = load(config, data_folder(data)).settings.respond.playbooks
        files = (content_folder("playbooks"), *([Path(own)] if own else []))
    return [one for path in files for one in (files_in(path) if path.is_dir() else [path])]


COMMANDS = (lint, test, dry_run)
