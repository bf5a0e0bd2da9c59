"""`watchkeeper policy packs`: the packs that come with the product, which are on, and what is in one."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click
import msgspec

from watchkeeper.app.settings import data_folder, load
from watchkeeper.cli import options, output
from watchkeeper.policy.packs import Pack, chosen, find
from watchkeeper.policy.packs import packs as known
from watchkeeper.policy.sources import Policy, read


@click.group(invoke_without_command=True)
@options.config
@options.data
@options.as_json
@click.pass_context
@options.errors_told
def packs(ctx: click.Context, config: Path | None, data: Path | None, as_json: bool) -> None:
    """List the packs of policies that come with the product; the setting policy.packs turns them on."""
    if ctx.invoked_subcommand is not None:
        return
    on = _on(config, data)
    rows = [_row(pack, on) for pack in known().values()]
    if as_json:
        output.as_json(rows)
        return
    output.table(
        ["pack", "on", "level", "needs", "what it does"],
        [[r["name"], r["on"] or "-", r["level"] or "-", ", ".join(r["needs"]) or "-", r["title"]] for r in rows],
        empty="There are no packs.",
    )
    output.text('Turn one on with `packs = ["level-2"]` under `[policy]`; `policy packs show NAME` says what is in it.')


@packs.command()
@click.argument("name")
@options.config
@options.data
@options.as_json
@options.errors_told
def show(name: str, config: Path | None, data: Path | None, as_json: bool) -> None:
    """Show what is in a pack: its policies, what they do, and the controls they do their part of."""
    pack = find(name)
    policies, _ = read([pack.place])
    row = _row(pack, _on(config, data)) | {
        "controls": pack.controls,
        "policies": [
            {"id": p.id, "does": _does(p), "reason": p.reason, "line": p.line, "file": p.file} for p in policies
        ],
    }
    if as_json:
        output.as_json(row)
        return
    output.text(f"{pack.name}: {pack.title}\n{pack.description}\n")
    output.text(f"On: {row['on'] or 'no'}. Needs: {', '.join(pack.needs) or 'no other pack'}. Lies in {pack.place}\n")
    output.table(
        ["policy", "does", "what the model reads"], [[p.id, _does(p), p.reason] for p in policies], empty="No policies."
    )
    if pack.controls:
        output.text("")
        output.table(
            ["control", "policies that do their part of it"],
            [[control, ", ".join(names)] for control, names in pack.controls.items()],
            empty="",
        )
        output.text("Most controls are not a matter of policies at all: see docs/guides/policy-packs.md.")


def _on(config: Path | None, data: Path | None) -> dict[str, str]:
    """Name → why it is on."""
    named = load(config, data_folder(data)).settings.policy.packs
    return {pack.name: "yes" if pack.name in named else "needed" for pack in chosen(named)}


def _row(pack: Pack, on: dict[str, str]) -> dict[str, Any]:
    row: dict[str, Any] = msgspec.structs.asdict(pack)
    return row | {"place": str(pack.place), "on": on.get(pack.name, "")}


def _does(policy: Policy) -> str:
    terms = policy.terms
    if terms.obligation is None:
        does = "denies" if policy.is_forbid else "allows"
    elif terms.obligation.quorum:
        asked = terms.obligation
        does = f"asks ({asked.role})" if asked.quorum == 1 else f"asks {asked.quorum} ({asked.role})"
    else:
        does = f"changes ({', '.join(terms.obligation.classes)})"
    return f"in shadow: {does}" if terms.is_shadow else does
