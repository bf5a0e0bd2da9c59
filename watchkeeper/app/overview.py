"""What `watchkeeper status` says beside the services: approvals, policies in force, what the canary saw, sinks.

Asked over control sockets; nothing is opened and nothing written. Whoever did not answer is said to be so, and a server
without a report was not looked at: what is not known is never the same as good.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

from watchkeeper.app.administration import WATCH
from watchkeeper.app.blinding import blinded
from watchkeeper.app.bundle_status import policies_in_force
from watchkeeper.app.settings import current_operator
from watchkeeper.app.standing import GATEWAY, PATIENCE
from watchkeeper.core import control
from watchkeeper.core.errors import WatchkeeperError
from watchkeeper.core.files import socket_path
from watchkeeper.detect.intelligence.keeping.sources import Register
from watchkeeper.gateway.approvals.book import MOST_LISTED

SAME, DIFFERED, NOT_LOOKED = "same", "differed", "not_looked"
DEADMAN = "deadman"
REPORTS = "canary.reports"
_NO_REPORT = "no round at it has ended since its gateway began"
_Rows = list[dict[str, Any]]


def overview(data_dir: Path, services: _Rows, now: int) -> dict[str, Any]:
    """`approvals`, `policies`, `canary`, `capture`, each with `known` and with `why` it is not.

    `services` are `standing`'s.
    """
    gateways = [row for row in services if row["service"] == GATEWAY and row["state"] != "stopped"]
    facts = [row["facts"] for row in gateways if row["facts"]]
    silent = [str(row["detail"]) for row in gateways if not row["facts"]]
    return {
        "approvals": approvals(data_dir, now),
        "policies": policies(data_dir, [str(one["gateway"]) for one in facts], silent),
        "canary": canary(data_dir, facts, silent),
        "sinks": sinks(data_dir),
        "integrations": integrations(data_dir),
        "intelligence": intelligence(data_dir, now),
        "anchors": anchors(services),
        "capture": capture(facts, silent, _reads(services)),
        "deadman": deadman(data_dir),
    }


def anchors(services: _Rows) -> dict[str, Any]:
    """How the places for copies of checkpoints stand, as the watch has it."""
    facts = next((row["facts"] for row in services if row["service"] == WATCH), None)
    if not facts or "anchors" not in facts:
        return _unknown("the watch does not run") | {"places": []}
    return {"known": True, "why": "", "places": facts["anchors"]}


def deadman(data_dir: Path) -> dict[str, Any]:
    """How the dead-man's switch stands; `is_on` says whether one was ever set up here."""
    try:
        found = control.ask(socket_path(data_dir, DEADMAN), "status", timeout=PATIENCE)
    except control.NoService:
        is_on = (data_dir / "deadman.db").is_file()
        return _unknown("the switch does not run" if is_on else "it is not set up") | {"is_on": is_on}
    except WatchkeeperError as error:
        return _unknown(error.reason) | {"is_on": True}
    return {"known": True, "why": "", "is_on": True, **found}


def approvals(data_dir: Path, now: int) -> dict[str, Any]:
    """How many requests wait for a person, and since when the oldest of them does."""
    asked = {"state": "pending", "by": current_operator()}
    try:
        found = control.ask(socket_path(data_dir, WATCH), "approvals.list", asked, timeout=PATIENCE)
    except control.NoService:
        return _unknown("the watch does not run") | {"pending": None, "oldest_at": None, "oldest_seconds": None}
    except WatchkeeperError as error:
        return _unknown(error.reason) | {"pending": None, "oldest_at": None, "oldest_seconds": None}
    return waiting(found, now)


def waiting(found: _Rows, now: int) -> dict[str, Any]:
    """The same, of what is listed; a list that was cut off holds the newest, and says nothing of the oldest."""
    is_cut = len(found) >= MOST_LISTED
    oldest = None if is_cut else min((int(one["requested_at"]) for one in found), default=None)
    return {
        "known": True,
        "why": "",
        "pending": len(found),
        "more": is_cut,
        "oldest_at": oldest,
        "oldest_seconds": None if oldest is None else max(0, now - oldest) // 1_000_000,
    }


def sinks(data_dir: Path) -> dict[str, Any]:
    """How each sink stands, as the watch says."""
    try:
        rows = control.ask(socket_path(data_dir, WATCH), "sinks.status", timeout=PATIENCE)
    except control.NoService:
        return _unknown("the watch does not run") | {"sinks": []}
    except WatchkeeperError as error:
        return _unknown(error.reason) | {"sinks": []}
    return {"known": True, "why": "", "sinks": rows}


def integrations(data_dir: Path) -> dict[str, Any]:
    """How each integration stands, as the watch says."""
    try:
        rows = control.ask(socket_path(data_dir, WATCH), "integrations.status", timeout=PATIENCE)
    except control.NoService:
        return _unknown("the watch does not run") | {"integrations": []}
    except WatchkeeperError as error:
        return _unknown(error.reason) | {"integrations": []}
    return {"known": True, "why": "", "integrations": rows}


def intelligence(data_dir: Path, now: int) -> dict[str, Any]:
    """How each source of indicators stands: it is read from its files, whether the watch runs or not."""
    register = Register(data_dir / "intelligence" / "sources.json")
    try:
        rows = [
            {"name": one.name, "state": one.state(now), "trouble": one.trouble, "succeeded": one.succeeded,
             "is_stale": one.is_stale(now), "failures": one.failures}
            for one in register.all().values()
        ]  # fmt: skip
    except WatchkeeperError as error:
        return _unknown(error.reason) | {"sources": []}
    return {"known": True, "why": "", "sources": rows}


def policies(data_dir: Path, gateways: list[str], silent: list[str]) -> dict[str, Any]:
    """What each gateway has in force; one that lives and did not tell is in `gateways` with its `trouble`."""
    rows = policies_in_force(data_dir)
    told = {str(row["gateway"]) for row in rows}
    rows += [{"gateway": one, "trouble": "it did not tell"} for one in gateways if one not in told]
    good = [row for row in rows if not row["trouble"]]
    if not good:
        why = "; ".join(str(row["trouble"]) for row in rows) or "; ".join(silent) or "no gateway runs"
        return _unknown(why) | {"alike": None, "gateways": rows}
    is_alike = len(good) == len(rows) and len({row["policies"] for row in good}) == 1
    return {"known": True, "why": "", "alike": is_alike, "gateways": rows}


def capture(gateways: _Rows, silent: list[str], reads: dict[str, list[str]] | None) -> dict[str, Any]:
    """What of others' words events keep, by server, of which servers more than what is redacted, and which rules read
    what is not kept: `blinded`, or none when nobody knows the rules."""
    if not gateways:
        return _unknown("; ".join(silent) or "no gateway runs") | {"servers": {}, "full": [], "blinded": None}
    servers = {name: kept for one in gateways for name, kept in sorted(one.get("capture", {}).items())}
    full = sorted(name for name, kept in servers.items() if any(said.startswith("full") for said in kept.values()))
    blind = None if reads is None else blinded(servers, reads)
    return {"known": True, "why": "; ".join(silent), "servers": servers, "full": full, "blinded": blind}


def _reads(services: _Rows) -> dict[str, list[str]] | None:
    facts = next((row["facts"] for row in services if row["service"] == WATCH), None)
    return facts.get("reads") if facts else None


def canary(data_dir: Path, gateways: _Rows, silent: list[str]) -> dict[str, Any]:
    """How the last round at each server ended, over all gateways that serve it."""
    if not gateways:
        return _unknown("; ".join(silent) or "no gateway runs") | {"servers": []}
    told = {str(one["gateway"]): _reports(data_dir, str(one["gateway"])) for one in gateways}
    serving: dict[str, dict[str, Any]] = {}
    for one in gateways:
        reports = told[str(one["gateway"])]
        for server in one.get("routes", ()):
            serving.setdefault(server, {})[str(one["gateway"])] = (
                _missing(reports) if isinstance(reports, str) else reports.get(server) or _missing(_NO_REPORT)
            )
    servers = [{"server": server, **verdict(serving[server])} for server in sorted(serving)]
    return {"known": True, "why": "; ".join(silent), "servers": servers}


def verdict(reports: dict[str, dict[str, Any]]) -> dict[str, Any]:
    """One server's, by gateway: a difference that any saw, else the newest round; of two at once, the worse."""
    rounds = [{**one, "outcome": _outcome(one)} for one in reports.values()]
    differed = [one for one in rounds if one["outcome"] == DIFFERED]
    last = max(differed or rounds, key=lambda one: (one["at"] or 0, one["outcome"] != SAME))
    looked = sum(one["outcome"] != NOT_LOOKED for one in rounds)
    return {"outcome": last["outcome"], "at": last["at"], "detail": last["detail"], "looked": looked, "of": len(rounds)}


def _outcome(report: dict[str, Any]) -> str:
    """Whatever is neither of the two that were looked at was not."""
    return str(report["outcome"]) if report["outcome"] in (SAME, DIFFERED) and report["at"] else NOT_LOOKED


def _reports(data_dir: Path, gateway: str) -> dict[str, Any] | str:
    """By server; or why there are none."""
    try:
        found: dict[str, Any] = control.ask(socket_path(data_dir, f"{GATEWAY}-{gateway}"), REPORTS, timeout=PATIENCE)
    except WatchkeeperError as error:
        return error.reason
    return found


def _missing(why: str) -> dict[str, Any]:
    return {"outcome": NOT_LOOKED, "at": None, "detail": why}


def _unknown(why: str) -> dict[str, Any]:
    return {"known": False, "why": why}
