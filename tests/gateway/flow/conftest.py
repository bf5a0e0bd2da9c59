"""A guard with real pins, inspectors and policies, and the flow memory that these policies ask for."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import msgspec
import pytest

from watchkeeper.core.clock import ManualClock
from watchkeeper.core.content import content_folder
from watchkeeper.core.database import Database
from watchkeeper.events import Journal
from watchkeeper.gateway.containment import OrdersInForce
from watchkeeper.gateway.flow.flow import Flow
from watchkeeper.gateway.flow.labels import Labels
from watchkeeper.gateway.flow.reading import reading_of
from watchkeeper.gateway.flow.settings import FlowSettings
from watchkeeper.gateway.model import Route, Ruling
from watchkeeper.gateway.pipeline import Guard
from watchkeeper.gateway.sightings import observing
from watchkeeper.inspection import Inspection
from watchkeeper.inspection.capabilities import capabilities
from watchkeeper.policy import PolicyEngine
from watchkeeper.protocol.message import Message, parse_message
from watchkeeper.registry import Pins

AGENT = "agent:claude"


def request(method: str, **params: Any) -> Message:
    return parse_message(msgspec.json.encode({"jsonrpc": "2.0", "id": 1, "method": method, "params": params}))


def answered(result: Any) -> Message:
    return parse_message(msgspec.json.encode({"jsonrpc": "2.0", "id": 1, "result": result}))


def text(said: str) -> dict[str, Any]:
    return {"content": [{"type": "text", "text": said}]}


class Agent:
    """One agent's calls through the guard, and what servers answer to those that pass."""

    def __init__(self, guard: Guard, name: str = AGENT) -> None:
        self.guard = guard
        self.name = name

    def asks(self, server: str, message: Message) -> Ruling:
        return self.guard.on_request(Route(name=server), self.name, message)

    def calls(self, server: str, tool: str, **arguments: Any) -> Ruling:
        return self.asks(server, request("tools/call", name=tool, arguments=arguments))

    def gets(self, server: str, tool: str, result: Any, **arguments: Any) -> None:
        """A call that is answered."""
        self.gets_for(server, request("tools/call", name=tool, arguments=arguments), result)

    def gets_for(self, server: str, message: Message, result: Any) -> None:
        self.asks(server, message)
        self.guard.on_answer(Route(name=server), self.name, message, answered(result))

    def marks(self, server: str, tool: str, **arguments: Any) -> set[str]:
        return set(self.calls(server, tool, **arguments).told.get("flow", ()))


Make = Callable[..., Guard]


@pytest.fixture(scope="session")
def inspection() -> Inspection:
    return Inspection.from_plugins()


@pytest.fixture
def pins(database: Database, journal: Journal, clock: ManualClock) -> Pins:
    pins = Pins(database, journal, clock)
    pins.label_tools(capabilities().of_tool)
    return pins


@pytest.fixture
def make(tmp_path: Path, pins: Pins, inspection: Inspection, clock: ManualClock) -> Make:
    """A guard that decides by the starter set and these policies."""

    def make(policies: str = "", pack: str = "", **settings: Any) -> Guard:
        folder = tmp_path / "policies"
        folder.mkdir(exist_ok=True)
        if pack:
            shutil.copy(content_folder("policies") / "packs" / f"{pack}.cedar", folder)
        (folder / "mine.cedar").write_text(policies)
        engine = PolicyEngine.load([content_folder("policies"), folder])
        chosen = FlowSettings(**settings)
        flow = Flow(reading_of(engine), chosen, Labels(pins, chosen.labels), clock)
        return Guard(
            orders=OrdersInForce(),
            pins=pins,
            inspection=inspection,
            policy=engine,
            observe=observing(pins),
            groups_of=lambda _: (),
            asks=True,
            flow=flow,
        )

    return make


def reading(*marks: str) -> str:
    """A policy that reads these marks and forbids nothing that is called here."""
    condition = " || ".join(f'context.flow.contains("{mark}")' for mark in marks)
    return (
        '@id("reads") @reason("r.") forbid (principal, action == Action::"call_tool", resource == Tool::"none/none") '
        f"when {{ {condition} }};"
    )


EVERY = reading(
    *("private_read", "private_read_elsewhere", "untrusted_read", "untrusted_read_elsewhere", "secret_read"),
    *("secret_read_elsewhere", "carries_private", "carries_untrusted", "carries_secret", "returns_private"),
    *(
        "returns_untrusted",
        "returns_secret",
        "runs_written",
        "runs_untrusted",
        "autostart_written",
        "flow_forgotten",
        "names_untrusted",
    ),
)
