"""A served console with a real responder and a gateway's orders behind it, and a playbook that asks people."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from tests.respond.conftest import Estate, Gate
from watchkeeper.app.cases_view import CasesView
from watchkeeper.app.platform import Platform, opened
from watchkeeper.app.playing_view import PlayingView
from watchkeeper.app.settings import Loaded, Settings
from watchkeeper.respond.gates.people import Electorate
from watchkeeper.respond.settings import RespondSettings

OWN = """id: look_first
version: 1
title: Look before you hold
when: incident.alerts.exists(a, a.rule == "tool_changed")
severity: high
blast_radius: {tools: 1, principals: 1}
steps:
  - id: hold
    action: hold_tool
    with: {server: {cel: incident.server}, tool: {cel: alert.target}, reason: its owner did not change it}
    approve: {by: responder, quorum: 2}
    deadline: 10s
  - id: both
    parallel:
      people:
        - id: ask
          manual: {text: Ask the owner whether the change was theirs., by: responder}
          deadline: 4h
      machines:
        - id: tell
          action: notify
          with: {text: a tool is held}
          deadline: 10s
"""


@dataclass
class Play:
    """A served console, the platform behind it, and the responder that carries runs."""

    running: Any
    platform: Platform
    estate: Estate
    view: PlayingView

    def waits(self, step: str) -> str:
        """Wait until a run waits at this step; the id of the gate."""
        found: list[str] = []

        def is_there() -> bool:
            rows = self.view._acts.approvals({})
            found[:] = [row["id"] for row in rows if row["step"] == step]
            return bool(found)

        self.estate.until(is_there)
        return found[0]

    def holds(self) -> list[str]:
        return [order.target for order in self.platform.orders.in_force()]


@contextmanager
def played(serve: Callable[..., AbstractContextManager[Any]], desk: Any, folder: Path) -> Iterator[Play]:
    """Everything, running."""
    data, own = folder / "data", folder / "own"
    own.mkdir()
    (own / "look_first.yaml").write_text(OWN)
    settings = RespondSettings(playbooks=str(own))
    with opened(data, "gateway") as platform:
        estate = Estate(data)
        loaded = Loaded(Settings(respond=settings), data)
        view = PlayingView(platform, loaded)
        services = replace(desk.services(), playing=view, cases=CasesView(platform, loaded))
        electorate = Electorate(platform.rules, platform.roster)
        with (
            Gate(data, estate.database, estate.orders),
            estate.responding(settings=settings, electorate=electorate),
            serve(services) as running,
        ):
            yield Play(running, platform, estate, view)
        estate.close()
