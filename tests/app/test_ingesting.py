"""Records from elsewhere, all the way to an alert."""

from __future__ import annotations

from pathlib import Path

import pytest

from watchkeeper.app.ingesting import import_file
from watchkeeper.core.content import content_folder
from watchkeeper.detect.sigma.rules import load_rules
from watchkeeper.events import JournalReader
from watchkeeper.events.ingest import SourceSettings


@pytest.mark.behaviour("ingest.detected")
def test_what_another_gateway_let_through_raises_an_alert(tmp_path: Path) -> None:
    """The whole way: a line of a log, an event, a rule."""
    key = "AKIA" + "QXT7ZM4KWPLR2VNC"
    line = f'2025-07-03T16:56:34.1Z\tinfo\trequest mcp.method.name=tools/call mcp.tool.name=send tool.arguments="{key}"'
    (tmp_path / "agw.log").write_text(line)
    source = SourceSettings(format="agentgateway", server="mail")
    import_file(tmp_path / "data", tmp_path / "agw.log", "agents", source, told=lambda *_: None)
    rules = load_rules([content_folder("detections")])
    events = [record.event for record in JournalReader(tmp_path / "data").read({}) if record.event]
    matched = {rule.name for event in events for rule in rules if rule.matches(event)}
    assert matched == {"let_through_elsewhere"}
