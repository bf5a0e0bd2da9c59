"""`watchkeeper status`: what runs on a data folder, and how it stands."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import click

from watchkeeper.app.overview import overview
from watchkeeper.app.settings import data_folder
from watchkeeper.app.standing import is_well, standing
from watchkeeper.cli import options, output
from watchkeeper.core.clock import SystemClock
from watchkeeper.core.text import visible

_OUTCOMES = {"same": "same", "differed": "DIFFERED", "not_looked": "not looked at"}
_UNITS = ((86_400, "d"), (3_600, "h"), (60, "min"), (1, "s"))


@click.command()
@options.data
@options.as_json
@options.errors_told
def status(data: Path | None, as_json: bool) -> None:
    """Say which services run, and how they stand.

    Beside them: approvals that wait, the policies in force, how the canary's last look at each server ended, and how
    each sink stands.

    Exit code 0 if all services run and are well, else 1, whatever waits or differs.
    """
    folder = data_folder(data)
    rows = standing(folder)
    more = overview(folder, rows, SystemClock().now())
    if as_json:
        output.as_json({"data": folder, "well": is_well(rows), "services": rows, **more})
    else:
        output.text(f"data folder {folder}")
        for row in rows:
            _line(row["service"], f"{row['state']:10} {row['detail']}")
        for name, said in said_of(more):
            _line(name, said)
        if not is_well(rows):
            click.echo("\n`watchkeeper up` starts what is stopped; the logs lie in the data folder, in logs/.")
    sys.exit(0 if is_well(rows) else 1)


def said_of(more: dict[str, Any]) -> list[tuple[str, str]]:
    """The lines below those of the services: what they are about, and what is said."""
    return [
        ("approvals", _approvals(more["approvals"])),
        *(("policies", one) for one in _policies(more["policies"])),
        *(("canary", one) for one in _canary(more["canary"])),
        *(("sinks", one) for one in _sinks(more["sinks"])),
        *(("reaching", one) for one in _integrations(more["integrations"])),
        *(("indicators", one) for one in _intelligence(more["intelligence"])),
        *(("anchors", one) for one in _anchors(more["anchors"])),
        ("capture", _capture(more["capture"])),
        ("deadman", deadman_said(more["deadman"])),
    ]


def deadman_said(found: dict[str, Any]) -> str:
    """The dead-man's switch in a line."""
    if not found["known"]:
        if not found["is_on"]:
            return "off: nobody outside is told when all this is silent; see `watchkeeper deadman status`"
        return f"NOT RUNNING, or not known: {found['why']}; nobody outside would be told"
    silent = [f"{one['name']} is SILENT ({one['why']})" for one in found["sources"] if one["state"] == "silent"]
    unknown = sum(one["state"] == "unknown" for one in found["sources"])
    parts = silent or [f"hears {len(found['sources']) - unknown} of {len(found['sources'])}"]
    if found["paused"]:
        parts.append(f"PAUSED until {output.moment(found['paused']['ends_at'])}: {found['paused']['reason']}")
    parts += [f"{found['unsent']} pages NOT TAKEN yet"] if found["unsent"] else []
    parts += [found["failure"]] if found["failure"] else []
    outside = found["ping"]
    if outside is None:
        parts.append("nobody outside would notice the end of this host (`deadman.ping_url`)")
    elif outside["failure"]:
        parts.append(f"the heartbeat is NOT TAKEN outside: {outside['failure']}")
    return "; ".join(parts)


def _approvals(found: dict[str, Any]) -> str:
    if not found["known"]:
        return f"not known: {found['why']}; see `watchkeeper approvals list`"
    if not found["pending"]:
        return "none waits"
    many = f"{found['pending']}{' or more' if found['more'] else ''} waiting"
    oldest = "" if found["oldest_seconds"] is None else f", the oldest for {_age(found['oldest_seconds'])}"
    return f"{many}{oldest}; see `watchkeeper approvals list`"


def _policies(found: dict[str, Any]) -> list[str]:
    if not found["known"]:
        return [f"not known: {found['why']}"]
    by_text: dict[str, list[str]] = {}
    for row in found["gateways"]:
        by_text.setdefault(_set(row), []).append(str(row["gateway"]))
    if len(by_text) == 1:
        return list(by_text)
    return [f"{text} (gateway {', '.join(gateways)})" for text, gateways in by_text.items()]


def _set(row: dict[str, Any]) -> str:
    if row["trouble"]:
        return f"not known: {row['trouble']}"
    shadow, packs = row.get("shadow"), row.get("packs")
    silent = "not known how many" if shadow is None else str(shadow)
    on = "not known" if packs is None else ", ".join(packs) or "none"
    note = f"; {row['note']}" if row["note"] else ""
    return f"set {row['policies'][:12]}, {row['count']} policies, {silent} in shadow; packs: {on}{note}"


def _capture(found: dict[str, Any]) -> str:
    if not found["known"]:
        return f"not known: {found['why']}"
    said = f"IN FULL, secrets apart: {', '.join(found['full'])}" if found["full"] else "nothing in full"
    if found["blinded"] is None:
        said += "; which rules cannot see is not known: the watch does not run"
    elif found["blinded"]:
        rules = sorted({one["rule"] for one in found["blinded"]})
        said += f"; {len(rules)} detection rules read what is NOT KEPT: {', '.join(rules)}"
    return f"{said}; see `watchkeeper config capture`"


def _canary(found: dict[str, Any]) -> list[str]:
    if not found["known"]:
        return [f"not known: {found['why']}"]
    lines = [_round(row) for row in found["servers"]]
    return [*(lines or ["no server"]), *([f"a gateway did not answer: {found['why']}"] if found["why"] else [])]


def _round(row: dict[str, Any]) -> str:
    when = f" {output.moment(row['at'])}" if row["at"] else ""
    share = f" (looked at by {row['looked']} of {row['of']} gateways)" if 0 < row["looked"] < row["of"] else ""
    detail = f": {row['detail']}" if row["detail"] else ""
    return f"{row['server']} {_OUTCOMES[row['outcome']]}{when}{share}{detail}"


def _anchors(found: dict[str, Any]) -> list[str]:
    if not found["known"]:
        return [f"not known: {found['why']}"]
    return [_anchor(row) for row in found["places"]] or ["none: no copy of the journal's checkpoints leaves this host"]


def _anchor(row: dict[str, Any]) -> str:
    if row["contradictions"]:
        return f"{row['place']} CONTRADICTS the journal; see `watchkeeper journal verify --anchors`"
    if row["failing_since"]:
        return f"{row['place']} not reached since {output.moment(row['failing_since'])}: {row['why']}"
    compared = output.moment(row["compared_at"]) if row["compared_at"] else "never yet"
    return f"{row['place']} copied {output.moment(row['copied_at'])}, compared {compared}"


def _sinks(found: dict[str, Any]) -> list[str]:
    if not found["known"]:
        return [f"not known: {found['why']}"]
    return [_sink(row) for row in found["sinks"]] or ["none: events stay here"]


def _sink(row: dict[str, Any]) -> str:
    dropped = sum(row["tally"].get("dropped", {}).values())
    waiting = "not known how many" if row["waiting"] is None else str(row["waiting"])
    parts = [f"{row['name']} {row['state']}: {row['tally'].get('sent', 0)} sent, {waiting} waiting"]
    if row["oldest_seconds"] and row["oldest_seconds"] >= 1:
        parts.append(f"the oldest for {_age(int(row['oldest_seconds']))}")
    parts += [f"{dropped} DROPPED"] if dropped else []
    parts += [f"{row['put_aside']} put aside"] if row["put_aside"] else []
    parts += [row["error"]] if row["error"] else []
    return ", ".join(parts)


def _integrations(found: dict[str, Any]) -> list[str]:
    if not found["known"]:
        return [f"not known: {found['why']}"]
    return [_integration(row) for row in found["integrations"]] or [
        "nobody outside: see `watchkeeper integrations list`"
    ]


def _integration(row: dict[str, Any]) -> str:
    parts = [f"{row['name']} {row['state']}: {row['sent']} sent, {row['waiting']} waiting"]
    parts += [f"{row['unverified']} UNVERIFIED"] if row["unverified"] else []
    parts += [f"{row['aside']} GIVEN UP"] if row["aside"] else []
    parts += [row["error"]] if row["error"] else []
    return ", ".join(parts)


def _intelligence(found: dict[str, Any]) -> list[str]:
    """What fails or is stale, each by itself; the others in one line."""
    if not found["known"]:
        return [f"not known: {found['why']}"]
    bad = [row for row in found["sources"] if row["trouble"] or row["is_stale"]]
    lines = [f"{row['name']} {row['state']}; last success: {output.moment(row['succeeded'])}" for row in bad]
    good = len(found["sources"]) - len(bad)
    if good:
        lines.append(f"{good} {'source stands' if good == 1 else 'sources stand'} well")
    return lines or ["no source: see `watchkeeper intel sources add --help`"]


def _age(seconds: int) -> str:
    """In the largest unit of which there is one."""
    size, unit = next(((size, unit) for size, unit in _UNITS if seconds >= size), (1, "s"))
    return f"{seconds // size} {unit}"


def _line(name: str, said: str) -> None:
    click.echo(f"  {name:9} {visible(said)}".rstrip())
