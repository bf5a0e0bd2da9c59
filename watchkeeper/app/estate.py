"""The running estate as an exercise sees it: from outside, with an operator's means."""

from __future__ import annotations

import subprocess
import sys
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import msgspec

from watchkeeper.app.administration import WATCH, Administration, mint_anew
from watchkeeper.app.labelling import LABEL
from watchkeeper.app.lakes import search_in
from watchkeeper.core import control
from watchkeeper.core.clock import SystemClock
from watchkeeper.core.errors import NotFound, Untrusted
from watchkeeper.core.files import socket_path
from watchkeeper.events import Event
from watchkeeper.events.journal import prove, verifier
from watchkeeper.exercise.ports import Cleared
from watchkeeper.exercise.stage import CLIENT, SERVERS


class RunningEstate:
    """Implements `exercise.ports.Estate`."""

    def __init__(self, data_dir: Path, urls: Mapping[str, str]) -> None:
        self.data_dir = data_dir
        self._urls = urls
        self._began = SystemClock().now()
        self._search = search_in(data_dir)
        self._ask = Administration(data_dir)
        self._tokens: dict[str, str] = {}

    def clear(self) -> Cleared:
        """Lift the orders on the stage and close its incidents; both are journalled as any other."""
        reason = "cleared for another exercise"
        cleared = Cleared()
        incidents = self._ask.call("incidents.list")
        drills = {incident["id"] for incident in incidents if LABEL in incident["labels"]}
        for order in self._ask.call("quarantine.list"):
            is_on_stage = order["target"] == CLIENT or order["target"].partition("/")[0] in SERVERS
            if is_on_stage or order["incident"] in drills:
                self._ask.call("quarantine.lift", order=order["id"], reason=reason)
                cleared += Cleared(orders=1)
        for incident in incidents:
            if incident["id"] in drills and incident["state"] != "closed":
                self._ask.call("incidents.close", incident=incident["id"], reason=reason)
                cleared += Cleared(incidents=1)
        return cleared

    def url(self, server: str) -> str:
        if server not in self._urls:
            raise NotFound(f"no route is called {server}", hint="the exercise needs its own servers")
        return self._urls[server]

    def token(self, client: str) -> str:
        if client not in self._tokens:
            self._tokens[client] = mint_anew(self._ask, client)
        return self._tokens[client]

    def events(self, kind: str, **filters: Any) -> list[Event]:
        found = self._search.events(kind=kind, since=self._began, newest_first=False, limit=1000, **filters)
        return list(found.events)

    def approve(self, server: str, name: str) -> None:
        self._ask.call("pins.approve", server=server, name=name, kind="tool")

    def incidents(self) -> list[Mapping[str, Any]]:
        recent = [row for row in self._ask.call("incidents.list") if row["opened_at"] >= self._began]
        return [self._ask.call("incidents.show", incident=row["id"]) for row in recent]

    def is_caught_up(self) -> bool:
        status = control.ask(socket_path(self.data_dir, WATCH), "status", {})
        return int(status["detect"]["waiting"]) == int(status["respond"]["waiting"]) == 0

    def prove(self, event_id: str) -> Mapping[str, Any]:
        proof = prove(self.data_dir, event_id)
        with tempfile.TemporaryDirectory() as folder:
            file = Path(folder) / "proof.json"
            file.write_bytes(msgspec.json.encode(proof))
            # Isolated mode: nothing but the standard library can be imported.
            checked = subprocess.run(  # noqa: S603 — our own interpreter on our own file
                [sys.executable, "-I", "-S", verifier.__file__, str(file)], capture_output=True, text=True, check=False
            )
        if checked.returncode:
            raise Untrusted(f"the verifier refused the proof: {checked.stderr or checked.stdout}")
        return proof
