"""A guard with the redaction pack beside the starter set, and what tells servers and clients apart."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import msgspec
import pytest

from watchkeeper.core.clock import ManualClock, SystemClock
from watchkeeper.core.content import content_folder
from watchkeeper.core.database import Database
from watchkeeper.events import Journal
from watchkeeper.gateway.containment import OrdersInForce
from watchkeeper.gateway.model import Route
from watchkeeper.gateway.pipeline import Guard
from watchkeeper.gateway.redaction.redaction import Redaction
from watchkeeper.gateway.redaction.settings import RedactionSettings
from watchkeeper.gateway.redaction.sharing import Sharing
from watchkeeper.gateway.redaction.values import Values
from watchkeeper.gateway.redaction.vault import Vault
from watchkeeper.gateway.sightings import observing
from watchkeeper.inspection import Inspection
from watchkeeper.policy import PolicyEngine
from watchkeeper.protocol.message import Message, parse_message
from watchkeeper.registry import Pins

ALICE, BOB = "agent:alice", "agent:bob"
CRM, MAIL = Route(name="crm"), Route(name="mail")
ADDRESS = "ada.brook@lakes.test"
IBAN = "DE41517288215558244449"
TOKEN = "ghp" + "_k3Jx9QmT2vLp7RwZ4nYc8BdF1hGs6Ua5Ke0T"
"""Shaped like a token; nobody's."""
MAIL_MAY = """
@id("mine.mail-may-have-addresses")
@reason("Mail is sent to addresses.")
permit (principal, action == Action::"reveal", resource in Server::"mail")
when { context.findings.contains("email") };
"""
MakeGuard = Callable[..., Guard]


def policies(folder: Path, *texts: str, pack: bool = True) -> PolicyEngine:
    """The starter set, the pack, and these."""
    folder.mkdir(exist_ok=True)
    for number, text in enumerate(texts):
        (folder / f"{number}.cedar").write_text(text)
    if pack:
        shutil.copy(content_folder("policies") / "packs" / "redaction.cedar", folder)
    return PolicyEngine.load([content_folder("policies"), folder])


def sharing(database: Database, settings: RedactionSettings | None = None) -> Redaction:
    """What one worker of several has, before a database that they share."""
    vault = Vault(bytes(32), settings, is_shared=True)
    return Redaction(vault, Sharing(vault, Values(database, SystemClock())))


def request(method: str, **params: Any) -> Message:
    return parse_message(msgspec.json.encode({"jsonrpc": "2.0", "id": 1, "method": method, "params": params}))


def call(name: str = "find", **arguments: Any) -> Message:
    return request("tools/call", name=name, arguments=arguments)


def answer(result: Any) -> Message:
    return parse_message(msgspec.json.encode({"jsonrpc": "2.0", "id": 1, "result": result}))


def said(text: str, **more: Any) -> Message:
    """A tool's result."""
    return answer({"content": [{"type": "text", "text": text}], **more})


def result_of(body: bytes | None) -> Any:
    assert body is not None
    return msgspec.json.decode(body)["result"]


def text_of(body: bytes | None) -> str:
    return str(result_of(body)["content"][0]["text"])


@pytest.fixture(scope="session")
def inspection() -> Inspection:
    return Inspection.from_plugins()


@pytest.fixture
def pins(tmp_path: Path) -> Iterator[Pins]:
    clock = ManualClock()
    database = Database.at(tmp_path / "state.db")
    database.create_missing_tables()
    journal = Journal.open(tmp_path, "gateway", clock)
    yield Pins(database, journal, clock)
    journal.close()
    database.close()


@pytest.fixture
def make(tmp_path: Path, pins: Pins, inspection: Inspection) -> MakeGuard:
    """A guard under the pack and further policies."""

    def build(*texts: str, pack: bool = True, **more: Any) -> Guard:
        engine = policies(tmp_path / "policies", *texts, pack=pack)
        return Guard(
            orders=OrdersInForce(),
            pins=pins,
            inspection=inspection.wanting(engine.wanted),
            policy=engine,
            observe=observing(pins),
            groups_of=lambda _: (),
            **more,
        )

    return build


@pytest.fixture
def guard(make: MakeGuard) -> Guard:
    return make(MAIL_MAY)
