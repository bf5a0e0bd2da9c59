"""SARIF 2.1.0 by its specification: what consumers insist on, checked by rules of our own (OASIS, SARIF 2.1.0)."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest

from tests.app.scan.conftest import HARMLESS, POISONED, Scan, one, write
from watchkeeper.app.scan.model import Level, Reason, Report, Shown, Source
from watchkeeper.app.scan.rules import about_rules
from watchkeeper.app.scan.sarif import sarif

LEVELS = {"none", "note", "warning", "error"}


def check(document: dict[str, Any]) -> dict[str, Any]:
    """The essentials: required properties, types, and that references lead somewhere; the run comes back."""
    assert document["version"] == "2.1.0"  # 3.13.2
    assert document["$schema"].startswith("https://")
    (run,) = document["runs"]
    driver = run["tool"]["driver"]  # 3.14.6, 3.18.2
    assert isinstance(driver["name"], str)
    ids = [rule["id"] for rule in driver["rules"]]
    assert len(ids) == len(set(ids))  # 3.19.23: no two alike
    for rule in driver["rules"]:
        assert rule["shortDescription"]["text"]
        assert rule["help"]["text"]
        assert rule["help"]["markdown"]
        assert rule["defaultConfiguration"]["level"] in LEVELS
    for invocation in run["invocations"]:
        assert isinstance(invocation["executionSuccessful"], bool)  # 3.20.14: required
        for note in invocation["toolExecutionNotifications"]:
            assert note["level"] in LEVELS
            assert note["message"]["text"]
    for result in run["results"]:
        assert ids[result["ruleIndex"]] == result["ruleId"]  # 3.27.6
        assert result["level"] in LEVELS
        assert result["message"]["text"]  # 3.27.11: required
        assert 0 <= result["rank"] <= 100  # 3.27.25
        assert all(isinstance(value, str) for value in result["partialFingerprints"].values())  # 3.27.17
        for suppression in result["suppressions"]:
            assert suppression["kind"] in {"inSource", "external"}  # 3.35.2: required
            assert suppression["status"] in {"accepted", "underReview", "rejected"}
        for location in result["locations"]:
            check_location(location, run["originalUriBaseIds"])
    return run


def check_location(location: dict[str, Any], bases: dict[str, Any]) -> None:
    assert all(logical["fullyQualifiedName"] for logical in location["logicalLocations"])
    physical = location.get("physicalLocation")
    if physical is None:
        return
    artifact = physical["artifactLocation"]
    uri = urlsplit(artifact["uri"])
    assert " " not in artifact["uri"]
    assert physical["region"]["startLine"] >= 1  # 3.30.5
    if "uriBaseId" in artifact:
        assert not uri.scheme
        assert bases[artifact["uriBaseId"]]["uri"].endswith("/")  # 3.14.14
    else:
        assert uri.scheme == "file"


@pytest.mark.behaviour("scan.sarif")
def test_a_scan_writes_sarif_that_consumers_can_read(scan: Scan, tmp_path: Path) -> None:
    target = tmp_path / "out.sarif"
    path = write(tmp_path / "here" / "my tools.json", [HARMLESS, POISONED])
    assert scan(path, "--sarif", target).exit_code == 1
    run = check(json.loads(target.read_bytes()))
    assert {result["ruleId"] for result in run["results"]} >= {"instructions.override", "judge.poisoning"}
    (first, *_) = run["results"]
    assert first["locations"][0]["logicalLocations"][0]["name"] == "add"
    assert first["locations"][0]["physicalLocation"]["artifactLocation"]["uri"] == "my%20tools.json"


@pytest.mark.behaviour("scan.sarif")
def test_fingerprints_stay_when_only_the_score_changes() -> None:
    made = [sarif(Report(shown=(), judged=(one(score=score),)), {}, Path.cwd()) for score in (0.7, 0.9)]
    first, second = (check(document)["results"][0]["partialFingerprints"] for document in made)
    assert first == second


@pytest.mark.behaviour("scan.sarif")
def test_suppressed_and_incomplete_are_said() -> None:
    reason = Reason(rule="judge.x", label="x", level=Level.SUSPICIOUS, suppressed="our own tool (by anna)")
    lost = Shown(source=Source(name="lost", place="command line"), failure="it ended")
    document = sarif(Report(shown=(lost,), judged=(one(reasons=(reason,)),), told=("a note",)), {}, Path.cwd())
    run = check(document)
    assert run["results"][0]["suppressions"][0]["justification"] == "our own tool (by anna)"
    (invocation,) = run["invocations"]
    assert invocation["executionSuccessful"] is False
    assert [note["message"]["text"] for note in invocation["toolExecutionNotifications"]] == [
        "lost: it ended",
        "a note",
    ]


@pytest.mark.behaviour("scan.sarif")
def test_every_rule_that_can_be_found_is_explained() -> None:
    about = about_rules()
    assert {"judge.poisoning", "judge.preference", "names.slip", "names.twice", "instructions.override"} <= set(about)
    assert all(one.short and one.help for one in about.values())
