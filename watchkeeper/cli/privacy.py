"""`watchkeeper privacy`: erase a person's data, and show that it is not there."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

import click
import msgspec

from watchkeeper.app.absence import absence_of, erasures, planned
from watchkeeper.app.administration import Administration
from watchkeeper.app.settings import data_folder, require_journal
from watchkeeper.cli import options, output
from watchkeeper.core.errors import Invalid
from watchkeeper.core.files import write_private

_PATIENCE = 3600.0
"""Seconds that an erasure may take while the watch carries it out."""
_NOT_ABSENT = 1


@click.group(short_help="Erase a person's data, and show that it is gone.")
def privacy() -> None:
    """Erasing a person's data from journal, lake and control state, and the signed proof of absence.

    A SUBJECT is an actor as events name it: agent:NAME, operator:NAME, agent:TENANT:NAME, agent:ISSUER/SUBJECT.
    """


@privacy.command()
@click.argument("subject")
@click.option("--tenant", default="", help="The tenant of an agent, where SUBJECT does not say it.")
@click.option("--dry-run", is_flag=True, help="Say what would be erased and what forbids it; change nothing.")
@click.option("--yes", is_flag=True, help="Do not ask.")
@options.data
@options.as_json
@options.errors_told
def erase(subject: str, tenant: str, dry_run: bool, yes: bool, data: Path | None, as_json: bool) -> None:
    """Erase everything that is SUBJECT's own, for good.

    The journal's keys for its records are destroyed, its rows leave the lake and every older file of it, its approvals
    and grants leave the control state. What others recorded about it stays, and is counted. A legal hold wins: exit
    code 77. Stop the client first (`watchkeeper clients revoke`): what it does afterwards is recorded anew.
    """
    folder, name = data_folder(data), _named(subject, tenant)
    require_journal(folder)
    if dry_run or not yes:
        plan = planned(folder, name)
        if dry_run:
            output.as_json(plan) if as_json else _tell_plan(plan)
            return
        _tell_plan(plan)
        if not sys.stdin.isatty():
            raise Invalid("nobody is there to be asked", hint="give --yes, or look first with --dry-run")
        click.confirm(f"Erase all of {name} for good?", abort=True)
    administration = Administration(folder)
    administration.patience = _PATIENCE
    done = administration.call("privacy.erase", subject=name)
    if as_json:
        output.as_json(done)
        return
    lake = done["rows"]["lake"]
    records = sum(last - first + 1 for ranges in done["positions"].values() for first, last in ranges)
    output.text(f"erased {name}: {len(done['keys'])} keys of {records} records, {lake.get('rows', 0)} rows of the lake")
    for what in lake.get("left", ()):
        output.text(f"left: {what}")
    output.text(f"erasure {done['erasure']}; proof of absence: watchkeeper privacy verify {name}")


@privacy.command()
@click.argument("subject")
@click.option("--tenant", default="", help="The tenant of an agent, where SUBJECT does not say it.")
@click.option("--erasure", default="", help="An erasure's id, for another than the subject's last one.")
@click.option("--out", type=click.Path(path_type=Path, dir_okay=False), help="Write the signed report here.")
@options.data
@options.as_json
@options.errors_told
def verify(subject: str, tenant: str, erasure: str, out: Path | None, data: Path | None, as_json: bool) -> None:
    """Look for SUBJECT in every file of the data folder, and sign what was found.

    Exit codes: 0 nothing of its own is left, and every log verifies · 1 something is, or could not be looked at.
    Anybody checks the signature, and that the erased records' entries still stand in the signed logs: `watchkeeper
    journal verifier > verifier.py`, then `python verifier.py REPORT`.
    """
    folder, name = data_folder(data), _named(subject, tenant)
    require_journal(folder)
    report = absence_of(folder, name, erasure)
    said: dict[str, Any] = json.loads(report["statement"])
    if out is not None:
        write_private(out, msgspec.json.format(msgspec.json.encode(report), indent=2) + b"\n")
    if as_json:
        output.as_json(report)
    else:
        _tell(said)
        if out is not None:
            writer = report["key"].partition("+")[0].rpartition("/")[2]
            output.text(f"wrote {out}, signed by the log {writer}: its key is journal/{writer}/public.vkey")
    sys.exit(0 if said["is_absent"] else _NOT_ABSENT)


@privacy.command("erasures")
@options.data
@options.as_json
@options.errors_told
def list_(data: Path | None, as_json: bool) -> None:
    """List the erasures, done and under way. Whom they were about stands nowhere."""
    rows = erasures(data_folder(data))
    if as_json:
        output.as_json(rows)
        return
    output.table(
        ["erasure", "when", "by", "state", "keys"],
        [[r["erasure"], output.moment(r["at"]), r["by"], r["state"], len(r.get("keys", ()))] for r in rows],
        empty="Nothing was ever erased here. `watchkeeper privacy erase SUBJECT --dry-run` says what would be.",
    )


def _named(subject: str, tenant: str) -> str:
    kind, colon, name = subject.partition(":")
    if not tenant:
        return subject
    if not colon or kind != "agent" or ":" in name.partition("/")[0]:
        raise Invalid(f"--tenant does not fit {subject!r}", hint="write agent:NAME --tenant TENANT")
    return f"agent:{tenant}:{name}"


def _tell_plan(plan: dict[str, Any]) -> None:
    for hold in plan["holds"]:
        output.text(f"forbidden by the legal hold {hold['name']} of {hold['by']}: {hold['reason']}")
    _tell_places(msgspec.to_builtins(plan["places"]))


def _tell(said: dict[str, Any]) -> None:
    _tell_places(said["places"])
    for log in said["logs"]:
        same = "" if "is_unchanged" not in log else ", as before" if log["is_unchanged"] else ", CHANGED"
        state = "verifies" if log["code"] == 0 else f"does not verify: {log['reason']}"
        output.text(f"log {log['writer']}: {log['size']} records, {log['erased']} erased, {state}{same}")
    if said["erasure"]:
        output.text(f"erasure {said['erasure']['erasure']} of {output.moment(said['erasure']['at'])}")
    else:
        output.text("no erasure of it was found, so nothing is said of keys and positions")
    for one in said["inclusions"]:
        output.text(f"log {one['writer']}: {len(one['entries'])} paths of erased entries are in the report")
    if said["why_none"]:
        output.text(f"no paths of the erased entries: {said['why_none']}")
    if said["is_under_way"]:
        output.text("An erasure of it is under way: the watch finishes it, or the next `privacy erase`.")
    for what in said["out_of_reach"]:
        output.text(f"not looked at: {what}")
    verdict = "Nothing of its own is left" if said["is_absent"] else "NOT ABSENT, or not everything could be looked at"
    output.text(f"{said['subject']}: {verdict}.")


def _tell_places(places: list[dict[str, Any]]) -> None:
    output.table(
        ["store", "found", "own", "mentions", "looked at", "bytes", "why"],
        [[p["store"], p["verdict"], p["own"], p["mentions"], p["files"], p["bytes"], p["why"] or "-"] for p in places],
        empty="Nothing is there to look at.",
        below=("why",),
    )
