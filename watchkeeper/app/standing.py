"""How the services on a data folder stand, asked over their control sockets; nothing is opened and nothing written."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

from watchkeeper.app.administration import CONSOLE, WATCH
from watchkeeper.core import control
from watchkeeper.core.clock import to_iso
from watchkeeper.core.errors import WatchkeeperError
from watchkeeper.core.files import socket_folder, socket_path

GATEWAY = "gateway"
_ODD = {
    "late": "late",
    "skewed": "from a wrong clock",
    "duplicates": "seen twice",
    "failures": "evaluations failed",
    "forgotten": "rows of its memory lost",
    "unrecordable": "alerts that no record could be made of",
    "unfollowed": "not followed for lack of room (`detect.correlation_…`, `detect.baseline_subjects`)",
}
PATIENCE = 3.0
"""Seconds to wait for one service."""


def standing(data_dir: Path) -> list[dict[str, Any]]:
    """`{"service", "state", "detail", "facts"}` for each service; it is running, in trouble or stopped."""
    watch = _row(WATCH, socket_path(data_dir, WATCH), "status", _watch_detail)
    console = _row(CONSOLE, socket_path(data_dir, CONSOLE), "status", lambda facts: str(facts.get("url", "")))
    return [*_gateways(data_dir), watch, console]


def is_well(rows: list[dict[str, Any]]) -> bool:
    return all(row["state"] == "running" for row in rows)


def _gateways(data_dir: Path) -> list[dict[str, Any]]:
    sockets = sorted(socket_folder(data_dir).glob(f"{GATEWAY}-*.sock"))
    rows = [_row(GATEWAY, path, "status", _gateway_detail) for path in sockets]
    living = [row for row in rows if row["state"] != "stopped"]  # a killed gateway leaves its socket behind
    return living or [_stopped(GATEWAY)]


def _row(service: str, path: Path, act: str, detail: Callable[[dict[str, Any]], str]) -> dict[str, Any]:
    try:
        facts = control.ask(path, act, timeout=PATIENCE)
    except control.NoService:
        return _stopped(service)
    except WatchkeeperError as error:
        return {"service": service, "state": "in trouble", "detail": error.reason, "facts": {}}
    said = detail(facts)
    return {"service": service, "state": "in trouble" if _trouble(facts) else "running", "detail": said, "facts": facts}


def _stopped(service: str) -> dict[str, Any]:
    return {"service": service, "state": "stopped", "detail": "", "facts": {}}


def _trouble(facts: dict[str, Any]) -> bool:
    blind = not all(facts.get("readers", {}).values())
    parts = (
        facts.get("failure"),
        facts.get("recording"),
        facts.get("lake", {}).get("failure"),
        facts.get("lake", {}).get("doubt"),
        facts.get("detect", {}).get("trouble"),
        facts.get("respond", {}).get("trouble"),
        facts.get("unreadable"),
    )
    return blind or any(parts) or any(one["contradictions"] for one in facts.get("anchors", ()))


def _gateway_detail(facts: dict[str, Any]) -> str:
    sandboxes = facts.get("sandboxes", {})
    served = ", ".join(
        f"{name} {url} (sandbox: {sandboxes[name]})" if name in sandboxes else f"{name} {url}"
        for name, url in sorted(facts.get("addresses", {}).items())
    )
    rests = [
        f"{name} failed again and again and is asked again in {row['seconds']:g} s"
        for name, upstream in sorted(facts.get("upstreams", {}).items())
        for row in upstream.get("breakers", ())
        if not row["principal"]
    ]
    return "; ".join([*filter(None, [recording(facts), facts.get("failure", "")]), *rests, served])


def recording(facts: dict[str, Any]) -> str:
    """Of one service: that calls pass unrecorded, since when, how many, why; empty while everything is recorded."""
    gap = facts.get("recording")
    if not gap:
        return ""
    return f"RECORDING IS SUSPENDED since {to_iso(gap['since'])}, {gap['unrecorded']} passed unrecorded: {gap['why']}"


def unreadable(facts: dict[str, Any]) -> str:
    """Which parts of the journal are damaged, and what did not look at them; empty when none is known."""
    readers: dict[str, list[str]] = {}
    for one in facts.get("unreadable", ()):
        at = one["range"]
        end = "the end" if at["end"] is None else str(at["end"] - 1)
        readers.setdefault(f"{at['writer']} {at['first']} to {end}", []).append(one["reader"])
    parts = [f"{span} (not looked at by {', '.join(sorted(names))})" for span, names in sorted(readers.items())]
    return f"RECORDS CANNOT BE READ: {'; '.join(parts)}; see `watchkeeper journal verify`" if parts else ""


def _odd(detect: dict[str, Any]) -> str:
    """What detection met that it would rather not have, in brackets; empty when there was nothing."""
    said = [f"{detect[name]} {word}" for name, word in _ODD.items() if detect.get(name)]
    return f" ({', '.join(said)})" if said else ""


def _watch_detail(facts: dict[str, Any]) -> str:
    lake, detect, respond = (facts.get(name, {}) for name in ("lake", "detect", "respond"))
    ended = ", ".join(sorted(name for name, lives in facts.get("readers", {}).items() if not lives))
    waiting = f"{lake.get('rows', 0)} records wait for the lake, {detect.get('waiting', 0)} for detection{_odd(detect)}"
    contradicted = ", ".join(one["place"] for one in facts.get("anchors", ()) if one["contradictions"])
    said = [
        f"THE JOURNAL IS CONTRADICTED by copied checkpoints: {contradicted}" if contradicted else "",
        unreadable(facts),
        f"ended: {ended}" if ended else "",
        lake.get("failure", ""),
        f"NOTHING IS DELETED: {lake['doubt']}" if lake.get("doubt") else "",
        detect.get("trouble", ""),
        f"response waits: {respond['trouble']}" if respond.get("trouble") else "",
    ]
    trouble = "; ".join(filter(None, said))
    return f"{trouble}; {waiting}" if trouble else waiting
