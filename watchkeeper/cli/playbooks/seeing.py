"""Playbooks there are, and how their runs stand."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from watchkeeper.app.administration import Administration
from watchkeeper.cli import options, output
from watchkeeper.respond.runlist import RunView

SHORT = 8
"""Characters of an id that are enough to name it."""


@click.command("list")
@options.data
@options.token_file
@options.as_json
@options.errors_told
def list_(data: Path | None, token_file: Path | None, as_json: bool) -> None:
    """List the playbooks that may be due."""
    rows = Administration.by_token(data, token_file).call("playbooks.list")
    if as_json:
        output.as_json(rows)
        return
    output.table(
        ["playbook", "version", "severity", "steps", "may contain", "asks", "title"],
        [
            [
                row["id"],
                row["version"],
                row["severity"],
                row["steps"],
                ", ".join(f"{most} {kind}" for kind, most in row["blast_radius"].items()) or "nothing",
                ", ".join(row["asks"]) or "nobody",
                row["title"],
            ]
            for row in rows
        ],
        empty="There is none. `respond.playbooks` names a folder with your own: see docs/guides/playbooks.md.",
        below=("title",),
    )


@click.command()
@click.argument("playbook")
@options.data
@options.token_file
@options.as_json
@options.errors_told
def show(playbook: str, data: Path | None, token_file: Path | None, as_json: bool) -> None:
    """Show a playbook's file."""
    found = Administration.by_token(data, token_file).call("playbooks.show", playbook=playbook)
    if as_json:
        output.as_json(found)
        return
    output.text(f"# {found['file']}, {found['hash']}")
    for line in found["text"].splitlines():
        output.text(line)


@click.command()
@click.option("--incident", default="", help="Only of this incident.")
@click.option("--playbook", default="", help="Only of this playbook.")
@click.option("--state", type=click.Choice([one.value for one in RunView]), default="all", help="Only of this state.")
@click.option("--search", "words", default="", help="Only those with these words: playbook, incident, who asked, why.")
@click.option("--limit", type=click.IntRange(1, 500), default=50, show_default=True, help="So many at most.")
@click.option("--offset", type=click.IntRange(0), default=0, help="Pass over so many of the newest.")
@options.data
@options.token_file
@options.as_json
@options.errors_told
def runs(data: Path | None, token_file: Path | None, as_json: bool, **asked: Any) -> None:
    """List the newest runs. Those that wait for a person: --state waiting."""
    rows = Administration.by_token(data, token_file).call("playbooks.runs", **asked)
    if as_json:
        output.as_json(rows)
        return
    output.table(
        ["run", "playbook", "incident", "state", "outcome", "begun", "asked by"],
        [
            [
                row["id"][:SHORT],
                row["playbook"],
                row["number"],
                row["state"] + (", waits" if row["waits"] else ""),
                row["outcome"] or "-",
                output.moment(row["begun_at"]),
                row["asked_by"] or "an alert",
            ]
            for row in rows
        ],
        empty="No run is like that. An alert begins one, or `watchkeeper playbooks run`.",
    )
    if len(rows) == asked["limit"]:
        output.text(f"Older ones: --offset {asked['offset'] + asked['limit']}")


@click.command("run-show")
@click.argument("run")
@options.data
@options.token_file
@options.as_json
@options.errors_told
def run_show(run: str, data: Path | None, token_file: Path | None, as_json: bool) -> None:
    """Show a run step by step: what was done, what waits for whom, what is not reached yet."""
    found = Administration.by_token(data, token_file).call("playbooks.run_show", run=run)
    if as_json:
        output.as_json(found)
        return
    about = found["run"]
    output.text(f"{about['id']}  {about['playbook']} version {about['version']}  for {about['number']}")
    output.text(f"  {about['state']} {about['outcome']}".rstrip() + f", begun {output.moment(about['begun_at'])}")
    if about["ending"]:
        output.text(f"  ends early: {about['ending']['why']}")
    output.text(f"  plan {about['plan_hash']}")
    done = {step["step"]: step for step in found["steps"]}
    waits = {gate["step"]: gate for gate in found["gates"] if gate["state"] == "open" and gate["kind"] != "deadline"}
    if "" in waits:
        output.text(f"  waits  {_waits(waits[''])}")
    for step, depth in _steps(found["plan"]["steps"], 0):
        output.text("  " + "  " * depth + _line(step, done, waits))
    for name, step in done.items():
        if name.startswith("undo_"):
            output.text(f"  {name}: {step['state']}: {step['summary']}")


def _steps(steps: list[dict[str, Any]], depth: int) -> list[tuple[dict[str, Any], int]]:
    found = []
    for step in steps:
        found.append((step, depth))
        for branch in step.get("branches", {}).values():
            found += _steps(branch, depth + 1)
        found += _steps(step.get("path", []), depth + 1)
    return found


def _doubt(ended: dict[str, Any]) -> str:
    """Why it is not proven, where its evidence says."""
    proof = ended["evidence"].get("proof")
    return f" ({proof['reason']})" if isinstance(proof, dict) and proof.get("reason") else ""


def _line(step: dict[str, Any], done: dict[str, Any], waits: dict[str, Any]) -> str:
    name = step["id"]
    if name in done:
        ended = done[name]
        proof = {True: ", verified", False: ", NOT verified"}.get(ended["verified"], "")
        doubt = _doubt(ended) if ended["verified"] is False else ""
        return f"{name}: {ended['state']}{proof}: {ended['summary']}{doubt}"
    if name in waits:
        return f"{name}: waits {_waits(waits[name])}"
    return f"{name}: not reached yet"


def _waits(gate: dict[str, Any]) -> str:
    until = f", until {output.moment(gate['due_at'])}" if gate["due_at"] else ""
    if gate["kind"] == "join":
        return "for its branches"
    if gate["kind"] == "wait":
        return f"for its time{until}"
    need = f", {gate['lacking']} more" if gate["lacking"] else ""
    return f"for {', '.join(gate['voters'])}{need}{until} [{gate['id'][:SHORT]}]"


COMMANDS = (list_, show, runs, run_show)
