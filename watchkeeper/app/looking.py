"""What the dead-man's switch looks at: gateways, the watch and its readers, sinks, lag, and a heartbeat's whole way.

Everything is asked over control sockets, each with a patience of its own, at the same time. Nothing that is asked here
can keep the look from ending.
"""

from __future__ import annotations

import time
from collections.abc import Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import suppress
from pathlib import Path
from typing import Any

from watchkeeper.app.administration import WATCH
from watchkeeper.app.settings import Loaded
from watchkeeper.app.standing import GATEWAY
from watchkeeper.core import control
from watchkeeper.core.clock import SECOND
from watchkeeper.core.errors import WatchkeeperError
from watchkeeper.core.files import socket_folder, socket_path
from watchkeeper.core.ids import new_token
from watchkeeper.respond.deadman.outbox import SwitchBox
from watchkeeper.respond.deadman.watching import Seen

PATIENCE = 3.0
"""Seconds that one of them may take to answer."""
_NO_GATEWAY = "no gateway runs"
_KEPT = 32
_EXPECTED = "expected "
"""Before a rule's name, where the switch keeps since when it is expected."""


class Looking:
    """Remembers which heartbeats are under way."""

    def __init__(self, loaded: Loaded, box: SwitchBox) -> None:
        """`box` remembers since when each rule is expected, also over a restart of the switch or of the watch."""
        self._box = box
        self._since: dict[str, int] = {}
        self._data_dir = loaded.data_dir
        self._settings = loaded.settings.deadman
        self._pool = ThreadPoolExecutor(16, thread_name_prefix="look")
        self._sounded: dict[str, float] = {}
        self._sounded_at = float("-inf")
        self._heard_at = 0.0

    def close(self) -> None:
        """Wait for what is asked."""
        self._pool.shutdown(wait=True, cancel_futures=True)

    def look(self) -> dict[str, Seen]:
        """What can be said of every source now."""
        sockets = sorted(socket_folder(self._data_dir).glob(f"{GATEWAY}-*.sock"))
        watch = socket_path(self._data_dir, WATCH)
        gateways = {path: self._ask(path, "status") for path in sockets}
        asked = {name: self._ask(watch, name) for name in ("status", "sinks.status", "heartbeats")}
        living, gateway = self._gateways(gateways)
        told = {name: _result(future) for name, future in asked.items()}
        seen = {"gateway": gateway, "watch": self._watch(told["status"])}
        seen |= self._behind(told["status"])
        seen |= self._sinks(told["sinks.status"])
        seen |= self._rules(living, told["heartbeats"], is_behind=seen["detection"].is_heard is not True)
        return seen

    def _ask(self, path: Path, name: str) -> Future[Any]:
        return self._pool.submit(control.ask, path, name, {}, timeout=PATIENCE)

    def _gateways(self, asked: Mapping[Path, Future[Any]]) -> tuple[Path | None, Seen]:
        """One that answers, and whether all that live do; a killed one leaves its socket behind."""
        living, hanging = [], []
        for path, future in asked.items():
            found = _result(future)
            if not isinstance(found, WatchkeeperError):
                living.append(path)
            elif not isinstance(found, control.NoService):
                hanging.append(f"{path.stem}: {found.reason}")
        patience = self._settings.silent_seconds
        if hanging:
            return (living[0] if living else None), Seen(False, "; ".join(hanging), patience)
        return (living[0], Seen(True, "", patience)) if living else (None, Seen(False, _NO_GATEWAY, patience))

    def _watch(self, status: Any) -> Seen:
        patience = self._settings.silent_seconds
        if isinstance(status, WatchkeeperError):
            return Seen(False, status.reason, patience)
        ended = sorted(name for name, lives in status["readers"].items() if not lives)
        return Seen(not ended, f"ended: {', '.join(ended)}" if ended else "", patience)

    def _behind(self, status: Any) -> dict[str, Seen]:
        """Whether lake and detection keep up, and can write and read."""
        patience, most = self._settings.silent_seconds, self._settings.lag_records
        if isinstance(status, WatchkeeperError):
            return {name: Seen(None, "the watch does not answer", patience) for name in ("lake", "detection")}
        rows, waiting = status["lake"].get("rows", 0), status["detect"].get("waiting", 0)
        lake = status["lake"].get("failure") or (f"{rows} records wait for it" if rows > most else "")
        detect = status["detect"].get("trouble") or (f"{waiting} records wait for it" if waiting > most else "")
        return {"lake": Seen(not lake, lake, patience), "detection": Seen(not detect, detect, patience)}

    def _sinks(self, rows: Any) -> dict[str, Seen]:
        if isinstance(rows, WatchkeeperError):
            return {}
        late = self._settings.sink_seconds
        return {
            f"sink:{row['name']}": _sink(row, late, self._settings.silent_seconds)
            for row in rows
            if row["state"] not in ("off", "stopped")
        }

    def _rules(self, gateway: Path | None, told: Any, *, is_behind: bool) -> dict[str, Seen]:
        """Whether a heartbeat comes the whole way, and whether the rules that are expected to speak do."""
        every, silent = self._settings.canary_seconds, self._settings.silent_seconds
        now = time.monotonic()
        if isinstance(told, WatchkeeperError) or gateway is None:
            self._heard_at, self._sounded = now, {}
            seen = {"rules": Seen(None, "gateway or watch is silent", silent)} if every else {}
            return seen | {f"rule:{name}": Seen(None, "the watch is silent") for name in self._settings.expected}
        seen = {"rules": self._canary(gateway, told, now, silent)} if every else {}
        wall = time.time_ns() // 1000
        for name, one in self._settings.expected.items():
            if is_behind:  # what it has not read yet may hold the alert
                seen[f"rule:{name}"] = Seen(None, "detection is behind")
                continue
            last = max(told["rules"].get(name, 0), self._expected_since(name, wall))
            is_late = wall - last > one.within_seconds * SECOND
            why = f"it raised no alert for more than {one.within_seconds} s" if is_late else ""
            seen[f"rule:{name}"] = Seen(not is_late, why, silent)
        return seen

    def _expected_since(self, name: str, wall: int) -> int:
        """When the rule stood in the settings for the first time; now, where that cannot be read."""
        if not self._since:
            names = {_EXPECTED + one for one in self._settings.expected}
            with suppress(WatchkeeperError):
                self._box.forget(_EXPECTED, names)
                self._since = {one.removeprefix(_EXPECTED): self._box.first(one, wall) for one in names}
        return self._since.get(name, wall)

    def _canary(self, gateway: Path, told: Any, now: float, patience: float) -> Seen:
        heard = [event for event in self._sounded if event in told["heard"]]
        if heard:
            self._heard_at = now
            latest = max(self._sounded[event] for event in heard)
            self._sounded = {event: at for event, at in self._sounded.items() if at > latest}
        if now - self._sounded_at >= self._settings.canary_seconds:
            self._sounded_at = now
            try:
                sounded = control.ask(gateway, "heartbeat", {"nonce": new_token("beat")[:40]}, timeout=PATIENCE)
                self._sounded[sounded["event"]] = now
            except WatchkeeperError as error:
                return Seen(False, f"the gateway records no heartbeat: {error.reason}", patience)
            while len(self._sounded) > _KEPT:
                self._sounded.pop(next(iter(self._sounded)))
        why = "the gateway recorded a heartbeat, and no alert of the rule `heartbeat` came to response"
        is_under_way = now - self._heard_at < self._settings.canary_seconds + self._settings.look_seconds
        return Seen(is_heard=bool(heard) or is_under_way, why="" if heard or is_under_way else why, patience=patience)


def _sink(row: Mapping[str, Any], late: float, patience: float) -> Seen:
    oldest = row["oldest_seconds"] or 0.0
    is_failing = row["state"] not in ("sending", "idle", "starting")
    if not is_failing and oldest <= late:
        return Seen(True, "", patience)
    return Seen(False, row["error"] or f"its oldest event waits for {oldest:.0f} s", patience)


def _result(future: Future[Any]) -> Any:
    """The answer, or the error that came instead."""
    try:
        return future.result()
    except WatchkeeperError as error:
        return error
