"""The acts of administration: what the watch answers, and what the command line does itself when none runs."""

from __future__ import annotations

import time
from collections.abc import Callable
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import msgspec

from watchkeeper.app.admission import Access
from watchkeeper.app.alerts.acts import Alerting
from watchkeeper.app.approving import Approving
from watchkeeper.app.barring import Barring
from watchkeeper.app.baselines import Baselining
from watchkeeper.app.bundling import Bundling
from watchkeeper.app.casework import Casework
from watchkeeper.app.custody import Custodial
from watchkeeper.app.erasing import EraseRows, Erasing, rows_of_no_one
from watchkeeper.app.hunting import Hunting
from watchkeeper.app.intelligence import IntelligenceNotes
from watchkeeper.app.labelling import LABEL
from watchkeeper.app.oncall import Oncalling
from watchkeeper.app.ordering import Ordering
from watchkeeper.app.platform import Platform, opened
from watchkeeper.app.ranking import Ranking
from watchkeeper.app.responding import Responding
from watchkeeper.app.revoking import end_what_it_had
from watchkeeper.app.settings import Loaded
from watchkeeper.app.staff import Staff
from watchkeeper.app.tabletops import Tabletops
from watchkeeper.core.errors import Conflict, NotFound
from watchkeeper.detect.proving.coverage import EXECUTED
from watchkeeper.events import new_event
from watchkeeper.gateway.caller import DEFAULT, local_principal
from watchkeeper.gateway.credentials.grants import Grant
from watchkeeper.gateway.identity import Terms
from watchkeeper.registry.history import told

CLI = "cli"
"""The log of a command that finds no service running."""
_BUSY_FOR = 10.0
"""Seconds to wait for another command that holds that log."""

Act = Callable[[dict[str, Any]], Any]


def alone(data_dir: Path, act: str, arguments: dict[str, Any]) -> Any:
    """Do `act` in this process, while no watch runs. Raises `Conflict` when another command keeps the folder."""
    with ExitStack() as stack:
        platform = _open(stack, data_dir)
        return msgspec.to_builtins(Desk(platform).acts[act](arguments))


def _open(stack: ExitStack, data_dir: Path) -> Platform:
    deadline = time.monotonic() + _BUSY_FOR
    while True:
        try:
            return stack.enter_context(opened(data_dir, CLI))
        except Conflict:
            if time.monotonic() > deadline:
                raise
            time.sleep(0.05)


class Desk:
    """The acts themselves, on an open platform. Each takes the arguments and returns JSON types or structs."""

    def __init__(self, platform: Platform, erase_rows: EraseRows | None = None, loaded: Loaded | None = None) -> None:
        """`erase_rows` is the running lake's; without one the lake is opened for it."""
        self._on = platform
        self.erasing = Erasing(platform, erase_rows or rows_of_no_one(platform.data_dir))
        self.responding = Responding(platform)
        casework = Casework(platform)
        self.acts: dict[str, Act] = {
            "pins.list": self.list_pins,
            "pins.diff": self.diff_pin,
            "pins.history": self.pin_history,
            "pins.approve": self.approve_pins,
            **Ordering(platform, casework.book.reading).acts,
            **Barring(platform).acts,
            "clients.list": self.list_clients,
            "clients.add": self.add_client,
            "clients.revoke": self.revoke_client,
            "grants.list": self.list_grants,
            "grants.put": self.put_grant,
            "grants.end": self.end_grant,
            "exercise.note": self.note_exercise,
            "exercise.attacked": self.note_attack,
            **casework.acts,
            **Tabletops(casework.book).acts,
            **Custodial(platform).acts,
            **Alerting(platform, is_alone=platform.journal.writer == CLI).acts,
            **Approving(platform).acts,
            **self.responding.acts,
            **Staff(platform).acts,
            **Ranking(platform).acts,
            **Hunting(platform).acts,
            **Bundling(platform).acts,
            **Baselining(platform).acts,
            **self.erasing.acts,
            **IntelligenceNotes(platform).acts,
            **Oncalling(platform, loaded).acts,
        }
        self.acts = Access(platform).admitted(self.acts)

    def list_pins(self, asked: dict[str, Any]) -> list[dict[str, Any]]:
        pins = self._on.pins
        return [
            msgspec.structs.asdict(pin) | {"labels": pins.labels(pin.server, pin.kind, pin.name)}
            for pin in pins.list(asked.get("server", ""))
        ]

    def diff_pin(self, asked: dict[str, Any]) -> dict[str, Any]:
        server, name, kind = asked["server"], asked["name"], asked.get("kind", "tool")
        taken = self._on.pins.snapshot(server, name, kind)
        pin = taken.pin
        return {
            "server": server,
            "name": name,
            "kind": kind,
            "state": pin.state,
            "reason": pin.reason,
            "pinned": pin.pinned,
            "seen": pin.seen,
            "class": pin.change,
            "summary": taken.summary,
            "diff": taken.diff,
        }

    def pin_history(self, asked: dict[str, Any]) -> dict[str, Any]:
        taken = self._on.pins.snapshot(asked["server"], asked["name"], asked.get("kind", "tool"))
        return {"pin": taken.pin, "pruned": taken.pin.pruned, "shown": list(told(taken))}

    def approve_pins(self, asked: dict[str, Any]) -> list[dict[str, Any]]:
        pins, by, server = self._on.pins, asked["by"], asked["server"]
        if asked.get("everything"):
            if not pins.list(server):
                raise NotFound(f"nothing was seen of {server!r} yet", hint="see `watchkeeper pins list`")
            approved = list(pins.approve_all(server, by, cosmetic_only=bool(asked.get("cosmetic"))))
        else:
            approved = [
                pins.approve(server, asked["kind"], asked["name"], by, fingerprint=asked.get("fingerprint", ""))
            ]
        self._on.orders.tell("pins.refresh")
        return [{"server": p.server, "kind": p.kind, "name": p.name, "fingerprint": p.pinned} for p in approved]

    def list_clients(self, _: dict[str, Any]) -> Any:
        return list(self._on.clients.clients())

    def add_client(self, asked: dict[str, Any]) -> dict[str, Any]:
        name, terms = asked["name"], msgspec.convert(asked.get("terms", {}), Terms)
        token = self._on.clients.mint(name, asked["by"], asked.get("groups", ()), terms)
        self._on.orders.tell("clients.refresh")  # so that the token works once it is shown
        return {"name": name, "token": token}

    def revoke_client(self, asked: dict[str, Any]) -> dict[str, Any]:
        name, tenant = asked["name"], asked.get("tenant", DEFAULT)
        self._on.clients.revoke(name, asked["by"], tenant=tenant)
        end_what_it_had(self._on, local_principal(name, tenant), asked["by"])
        return {"name": name}

    def list_grants(self, _: dict[str, Any]) -> Any:
        return list(self._on.grants.all())

    def put_grant(self, asked: dict[str, Any]) -> Any:
        made = self._on.grants.put(msgspec.convert(asked["grant"], Grant), asked["by"])
        return msgspec.structs.replace(made, sealed="")

    def end_grant(self, asked: dict[str, Any]) -> Any:
        return self._on.grants.end(asked["principal"], asked["server"], asked["by"], asked.get("reason", ""))

    def note_exercise(self, asked: dict[str, Any]) -> dict[str, Any]:
        event = new_event(
            self._on.clock.now(),
            "exercise.step.seen",
            actor=asked["by"],
            target=asked["name"],
            outcome="success" if asked["seen"] else "failure",
            labels=(LABEL,),
            body={"title": asked["title"], "ms": asked["ms"], "detail": asked["detail"]},
        )
        self._on.journal.record(event)
        return {"event": event.id}

    def note_attack(self, asked: dict[str, Any]) -> dict[str, Any]:
        event = new_event(
            self._on.clock.now(),
            EXECUTED,
            actor=asked["by"],
            target=asked["name"],
            outcome="success" if asked["seen"] else "failure",
            labels=(LABEL,),
            body=asked["fact"],
        )
        self._on.journal.record(event)
        return {"event": event.id}
