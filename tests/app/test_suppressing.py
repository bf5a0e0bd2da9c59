"""Suppressions from files and settings: in a scan, in a gateway's pins and journal."""

from __future__ import annotations

import json
from datetime import date, timedelta
from pathlib import Path
from typing import Any

import msgspec
import pytest

from tests.app.scan.conftest import POISONED, Scan, data, scan, write
from watchkeeper.app.gateway import guard_for
from watchkeeper.app.governing import Governing
from watchkeeper.app.platform import opened
from watchkeeper.app.settings import Loaded, Settings, load
from watchkeeper.app.suppressing import FILE, add_entry, suppressions_of
from watchkeeper.core.errors import Misconfigured
from watchkeeper.events import JournalReader, new_event
from watchkeeper.gateway.containment import OrdersInForce
from watchkeeper.gateway.model import Route
from watchkeeper.gateway.weighing import shared_judge
from watchkeeper.inspection import Inspection
from watchkeeper.inspection.assessment import judged_findings
from watchkeeper.inspection.fingerprints import definitions_in
from watchkeeper.inspection.model import Surface
from watchkeeper.inspection.settings import InspectionSettings
from watchkeeper.inspection.suppression import Suppression
from watchkeeper.protocol.message import parse_message
from watchkeeper.registry.model import PinState

__all__ = ["data", "scan"]
HELDOUT = Path(__file__).resolve().parents[2] / "training" / "heldout"


def suspected() -> tuple[dict[str, Any], str]:
    """A held-out definition that the judge, as it is now, flags without being sure, and no rule knows; and its rule."""
    assessor, judge = Inspection.from_plugins(), shared_judge()
    for path in sorted(HELDOUT.glob("*.jsonl")):
        for line in path.read_text(encoding="utf-8").splitlines():
            record = json.loads(line)
            if record["kind"] != "tool_definition":
                continue
            tree = {key: record["data"][key] for key in ("description", "inputSchema") if key in record["data"]}
            tree["name"] = "quick_search"
            (definition,) = definitions_in("tools/list", msgspec.json.encode({"tools": [tree]}))
            if assessor.inspect(Surface.DEFINITION, definition.canonical):
                continue
            found = judged_findings(judge, assessor.inspect, definition, (), ())
            if found and found[0].label == "suspected_poisoning":
                return tree, found[0].rule
    raise AssertionError("the judge is sure of everything")


SUBTLE, RULE = suspected()


def entry(**more: Any) -> Suppression:
    made: dict[str, Any] = {
        "rule": RULE,
        "server": "files",
        "name": "quick_search",
        "reason": "our own tool, read by the platform team",
        "expires": date.today() + timedelta(days=30),
        "by": "anna",
    }
    return Suppression(**{**made, **more})


def listing(*tools: Any) -> bytes:
    return msgspec.json.encode({"jsonrpc": "2.0", "id": 1, "result": {"tools": tools}})


async def listed(loaded: Loaded, *tools: Any) -> tuple[dict[str, PinState], dict[str, tuple[str, ...]], list[Any]]:
    """States, labels and events of what a real guard with real pins makes of a listing."""
    with opened(loaded.data_dir, "gateway") as platform:
        guard = guard_for(loaded, platform, OrdersInForce(), Governing(loaded, platform, "test").built)
        asked = parse_message(b'{"jsonrpc":"2.0","id":1,"method":"tools/list"}')
        route = Route(name="files", host="127.0.0.1", port=0, path="/mcp")
        await guard.on_listing(route, "agent:a", asked, parse_message(listing(*tools)))
        names = [str(tool["name"]) for tool in tools]
        states = {name: platform.pins.state("files", "tool", name) for name in names}
        labels = {name: platform.pins.labels("files", "tool", name) for name in names}
        platform.journal.wait(platform.journal.append(new_event(1, "admin.service.stopped")))
        events = [record.event for record in JournalReader(loaded.data_dir).read({}, 10_000) if record.event]
    return states, labels, events


@pytest.mark.behaviour("judge.suspected-is-trusted-and-said")
async def test_what_is_suspected_is_trusted_and_labelled_and_what_is_known_is_held(tmp_path: Path) -> None:
    loaded = Loaded(Settings(), tmp_path)
    states, labels, events = await listed(loaded, SUBTLE, POISONED)
    assert states == {"quick_search": PinState.TRUSTED, "add": PinState.HELD}
    assert "suspected_poisoning" in labels["quick_search"]
    seen = [e for e in events if e.kind == "registry.definition.seen" and e.target == "quick_search"]
    assert [f["label"] for f in seen[0].body["findings"]] == ["suspected_poisoning"]


@pytest.mark.behaviour("suppressions.journalled")
async def test_what_a_gateway_lets_be_is_in_its_journal_and_not_in_its_labels(tmp_path: Path) -> None:
    settings = Settings(inspection=InspectionSettings(suppressions=(entry(),)))
    states, labels, events = await listed(Loaded(settings, tmp_path), SUBTLE)
    assert states == {"quick_search": PinState.TRUSTED}
    assert labels["quick_search"] == ()
    (told,) = [event for event in events if event.kind == "admin.suppressions.loaded"]
    assert told.body["in_force"][0]["by"] == "anna"
    (seen,) = [event for event in events if event.kind == "registry.definition.seen"]
    assert [(f["label"], f["rule"]) for f in seen.body["findings"]] == [("suppressed", RULE)]


@pytest.mark.behaviour("suppressions.narrow")
def test_a_file_beside_the_settings_is_read_and_a_bad_one_is_refused(tmp_path: Path) -> None:
    (tmp_path / "watchkeeper.toml").write_text("")
    loaded = load(tmp_path / "watchkeeper.toml", tmp_path / "data")
    assert not suppressions_of(loaded)
    add_entry(tmp_path / FILE, entry())
    add_entry(tmp_path / FILE, entry(name="read_*"))
    assert [one.name for one in suppressions_of(loaded).entries] == ["quick_search", "read_*"]
    with pytest.raises(Misconfigured):
        add_entry(tmp_path / FILE, entry(name="*"))
    (tmp_path / FILE).write_text('[[suppression]]\nrule = "judge.preference"\n')
    with pytest.raises(Misconfigured, match="missing required field"):
        suppressions_of(loaded)


@pytest.mark.behaviour("suppressions.written-by-scan")
def test_a_scan_writes_what_it_found_and_then_counts_it_as_suppressed(scan: Scan, tmp_path: Path) -> None:
    tools, file, target = write(tmp_path / "files.json", [SUBTLE]), tmp_path / "s.toml", tmp_path / "o.sarif"
    assert scan(tools).exit_code == 1
    reason = "our own tool, read by the platform team"
    wrong = scan(tools, "--suppress", f"files/other={RULE}", "--reason", reason, "--into", file)
    assert wrong.exit_code == 66
    short = scan(tools, "--suppress", f"files/quick_search={RULE}", "--reason", "ok", "--into", file)
    assert short.exit_code == 78
    assert not file.exists()
    done = scan(tools, "--suppress", f"files/quick_search={RULE}", "--reason", reason, "--into", file)
    assert done.exit_code == 0, done.output
    fingerprint = definitions_in("tools/list", msgspec.json.encode({"tools": [SUBTLE]}))[0].fingerprint
    assert fingerprint in file.read_text()
    after = scan(tools, "--suppressions", file, "--sarif", target, "--json")
    assert after.exit_code == 0, after.output
    report = json.loads(after.stdout)
    assert report["suppressed"] == 1
    assert reason in report["definitions"][0]["reasons"][0]["suppressed"]
    (result,) = json.loads(target.read_bytes())["runs"][0]["results"]
    assert reason in result["suppressions"][0]["justification"]
    shown = scan(tools, "--suppressions", file)
    assert "suppressed" in shown.stdout
    changed = write(tmp_path / "files.json", [{**SUBTLE, "description": SUBTLE["description"] + " Now!"}])
    assert scan(changed, "--suppressions", file).exit_code == 1


@pytest.mark.behaviour("suppressions.expire")
def test_a_scan_tells_which_suppressions_have_run_out(scan: Scan, tmp_path: Path) -> None:
    file = tmp_path / "s.toml"
    add_entry(file, entry(expires=date(2020, 1, 1)))
    found = scan(write(tmp_path / "files.json", [SUBTLE]), "--suppressions", file)
    assert found.exit_code == 1
    assert "has run out on 2020-01-01" in found.stdout
