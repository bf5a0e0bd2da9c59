"""Administration: what an operator asks for on the command line.

The running watch is asked, over its socket; only when none runs does this process open the folder itself, under the log
`cli`. Either way the same function runs and the act is journalled.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, Self

import msgspec

from watchkeeper.app.platform import Platform, has_state, opened
from watchkeeper.app.settings import current_operator, data_folder
from watchkeeper.core import control
from watchkeeper.core.errors import Conflict, NotFound
from watchkeeper.core.files import socket_path
from watchkeeper.events import JournalReader
from watchkeeper.gateway.orders import Order
from watchkeeper.registry import Pin
from watchkeeper.respond import IncidentDesk, Ledger, RespondSettings

WATCH = "watch"
CONSOLE = "console"
CLI = "cli"
LINK = "console.link"
_BUSY_FOR = 10.0
"""Seconds to wait for another command that holds the log `cli`."""

Act = Callable[[dict[str, Any]], Any]


class Administration:
    """Asks whoever can answer."""

    def __init__(self, data_dir: Path) -> None:
        self._data_dir = data_dir

    @classmethod
    def at(cls, data: Path | None) -> Self:
        return cls(data_folder(data))

    def call(self, act: str, /, **arguments: Any) -> Any:
        """Do `act`. Raises whatever it raises, and `NotFound` when nothing ever ran on this folder."""
        arguments.setdefault("by", current_operator())
        if act == LINK:
            return self._link(arguments)
        try:
            return control.ask(socket_path(self._data_dir, WATCH), act, arguments)
        except control.NoService:
            return self._alone(act, arguments)

    def _link(self, arguments: dict[str, Any]) -> Any:
        try:
            return control.ask(socket_path(self._data_dir, CONSOLE), "link", arguments)
        except control.NoService as error:
            raise NotFound(
                f"no console runs on {self._data_dir}",
                hint="start it with `watchkeeper up`, or name the folder with --data",
            ) from error

    def _alone(self, name: str, arguments: dict[str, Any]) -> Any:
        if not has_state(self._data_dir):
            raise NotFound(
                f"nothing ever ran on {self._data_dir}",
                hint="start with `watchkeeper up`, or name the folder with --data",
            )
        deadline = time.monotonic() + _BUSY_FOR
        while True:
            try:
                with opened(self._data_dir, CLI) as platform:
                    return msgspec.to_builtins(Desk(platform).acts[name](arguments))
            except Conflict:
                if time.monotonic() > deadline:
                    raise
                time.sleep(0.05)


class Desk:
    """The acts themselves, on an open platform. Each takes the arguments and returns JSON types or structs."""

    def __init__(self, platform: Platform) -> None:
        self._on = platform
        ledger = Ledger(platform.database, platform.journal, JournalReader(platform.data_dir))
        self._incidents = IncidentDesk(platform.database, ledger, platform.clock, RespondSettings())
        self.acts: dict[str, Act] = {
            "pins.list": self.list_pins,
            "pins.diff": self.diff_pin,
            "pins.approve": self.approve_pins,
            "quarantine.list": self.list_orders,
            "quarantine.lift": self.lift_order,
            "incidents.list": self.list_incidents,
            "incidents.show": self.show_incident,
            "incidents.close": self.close_incident,
            "clients.list": self.list_clients,
            "clients.add": self.add_client,
            "clients.revoke": self.revoke_client,
        }

    def list_pins(self, asked: dict[str, Any]) -> list[Pin]:
        return list(self._on.pins.list(asked.get("server", "")))

    def diff_pin(self, asked: dict[str, Any]) -> dict[str, Any]:
        server, name, kind = asked["server"], asked["name"], asked.get("kind", "tool")
        pin = self._on.pins.get(server, name, kind)
        return {
            "server": server,
            "name": name,
            "kind": kind,
            "state": pin.state,
            "reason": pin.reason,
            "pinned": pin.pinned,
            "seen": pin.seen,
            "diff": self._on.pins.diff(server, name, kind),
        }

    def approve_pins(self, asked: dict[str, Any]) -> list[dict[str, Any]]:
        pins, by, server = self._on.pins, asked["by"], asked["server"]
        if asked.get("everything"):
            approved = list(pins.approve_all(server, by))
        else:
            approved = [
                pins.approve(server, asked["kind"], asked["name"], by, fingerprint=asked.get("fingerprint", ""))
            ]
        return [{"server": p.server, "kind": p.kind, "name": p.name, "fingerprint": p.pinned} for p in approved]

    def list_orders(self, asked: dict[str, Any]) -> list[Order]:
        return list(self._on.orders.all() if asked.get("everything") else self._on.orders.in_force())

    def lift_order(self, asked: dict[str, Any]) -> Order:
        order = self._on.orders.lift(asked["order"], by=asked["by"], reason=asked["reason"])
        self._on.orders.push()
        return order

    def list_incidents(self, asked: dict[str, Any]) -> Any:
        return self._incidents.list(state=asked.get("state", ""))

    def show_incident(self, asked: dict[str, Any]) -> Any:
        case = self._incidents.show(asked["incident"])
        times = {"ttd_ms": case.incident.ttd_ms, "ttc_ms": case.incident.ttc_ms}
        return msgspec.to_builtins(case) | times

    def close_incident(self, asked: dict[str, Any]) -> Any:
        return self._incidents.close(asked["incident"], by=asked["by"], reason=asked["reason"])

    def list_clients(self, _: dict[str, Any]) -> Any:
        return list(self._on.clients.clients())

    def add_client(self, asked: dict[str, Any]) -> dict[str, Any]:
        name = asked["name"]
        token = self._on.clients.mint(name, asked["by"], asked.get("groups", ()))
        return {"name": name, "token": token}

    def revoke_client(self, asked: dict[str, Any]) -> dict[str, Any]:
        self._on.clients.revoke(asked["name"], asked["by"])
        return {"name": asked["name"]}
