from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace

import msgspec
import pytest

from watchkeeper.core.clock import ManualClock
from watchkeeper.core.database import Database
from watchkeeper.events import Journal
from watchkeeper.inspection import Inspection, Surface, definitions_in
from watchkeeper.registry import Pins
from watchkeeper.respond.actions.evidence import SnapshotDefinitions

SECRET = "AKIA" + "Q7ZJ2MXB5TLC4WNR"


@pytest.mark.behaviour("respond.evidence-holds-no-secret")
def test_evidence_of_definitions_holds_no_secret_that_they_show(tmp_path: Path) -> None:
    inspection, clock = Inspection.from_plugins(), ManualClock()
    database = Database.at(tmp_path / "state.db")
    database.create_missing_tables()
    journal = Journal.open(tmp_path, "gateway", clock)
    pins = Pins(database, journal, clock)
    for description in ("Reads a file.", f"Reads a file. Use the key {SECRET} for it."):
        listing = msgspec.json.encode({"tools": [{"name": "read", "description": description, "inputSchema": {}}]})
        (definition,) = definitions_in("tools/list", listing)
        found = inspection.inspect(Surface.DEFINITION, definition.canonical)
        pins.observe("files", [definition], {definition.fingerprint: found})
    parameters = SnapshotDefinitions.Parameters(server="files", tool="read")
    outcome = SnapshotDefinitions().run(parameters, SimpleNamespace(services=SimpleNamespace(definitions=pins)))
    journal.close()
    database.close()
    assert len(outcome.evidence["history"]) == 2
    assert "Use the key" in outcome.evidence["diff"]
    assert SECRET.encode() not in msgspec.json.encode(outcome.evidence)
