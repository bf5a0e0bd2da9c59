"""Rules that read what is not kept are named, and no others."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tests.app.conftest import command
from watchkeeper.app.blinding import MEMBERS, blinded, body_reads
from watchkeeper.app.overview import capture
from watchkeeper.cli.status import said_of
from watchkeeper.detect.sigma.rules import parse_rule
from watchkeeper.gateway.capture.model import Capture
from watchkeeper.gateway.capture.settings import CaptureSettings, OwnCaptureSettings, ToolCapture

RULE = """
title: Reads {field}
name: {name}
id: {id}
level: high
logsource: {{product: mcp, service: watchkeeper}}
detection:
  kind: {{kind: gateway.request.decided}}
  text: {{"{field}|contains": rm}}
  condition: kind and not text
"""


def rule(name: str, field: str, number: int) -> object:
    text = RULE.format(name=name, field=field, id=f"00000000-0000-4000-8000-{number:012d}")
    return parse_rule(text, name)


def reads() -> dict[str, list[str]]:
    fields = ("body.arguments", "body.result", "body.findings.label", "server")
    return body_reads([rule(f"r{at}", field, at) for at, field in enumerate(fields)])


@pytest.mark.behaviour("capture.blinded-rules-are-named")
def test_a_rule_is_named_where_what_it_reads_is_not_kept() -> None:
    kept = {"open": Capture().told(), "shut": Capture(CaptureSettings(arguments="metadata")).told()}
    found = [(one["rule"], one["server"], one["text"], one["field"]) for one in blinded(kept, reads())]
    assert found == [("r0", "shut", "arguments", "body.arguments")]
    own = OwnCaptureSettings(tools={"a.*": ToolCapture(results="metadata")})
    found = [(one["rule"], one["text"]) for one in blinded({"s": Capture(own=own).told()}, reads())]
    assert found == [("r1", "tools.a.*.results")]
    everything = CaptureSettings(**dict.fromkeys(("arguments", "results", "content", "claims"), "metadata"))
    found = [(one["rule"], one["text"]) for one in blinded({"s": Capture(everything).told()}, reads() | {"k": ["*"]})]
    assert found == [
        ("k", "arguments"), ("k", "results"), ("k", "content"), ("k", "claims"),
        ("r0", "arguments"), ("r1", "results"), ("r1", "content"),
    ]  # fmt: skip
    assert {name.rpartition(".")[2] for name in kept["open"]} == set(MEMBERS)


@pytest.mark.behaviour("capture.blinded-rules-are-named")
def test_status_says_so_and_where_nobody_knows_the_rules_says_that() -> None:
    kept = [{"capture": {"s": Capture(CaptureSettings(arguments="metadata")).told()}}]
    keywords = parse_rule(RULE.format(name="k", field="body.x", id="00000000-0000-4000-8000-000000000009").replace(
        'text: {"body.x|contains": rm}', "text: [rm]"), "k")  # fmt: skip
    assert body_reads([keywords]) == {"k": ["*"]}
    for known, wanted in (
        (reads(), "read what is NOT KEPT: r0;"),
        ({}, "nothing in full; see"),
        (None, "is not known"),
    ):
        more = {"capture": capture(kept, [], known)}
        unknown = {
            key: {"known": False, "why": "-", "is_on": False}
            for key in (
                "approvals",
                "policies",
                "canary",
                "sinks",
                "integrations",
                "intelligence",
                "anchors",
                "deadman",
            )
        }
        (said,) = [text for name, text in said_of({**unknown, **more}) if name == "capture"]
        assert wanted in said


@pytest.mark.behaviour("capture.blinded-rules-are-named")
def test_the_command_names_the_rule_and_the_server(tmp_path: Path) -> None:
    rules = tmp_path / "rules"
    rules.mkdir()
    text = RULE.format(name="mine", field="body.arguments", id="00000000-0000-4000-8000-000000000001")
    (rules / "mine.yml").write_text(text)
    settings = f'[detect]\nrules = "{rules}"\n[servers.s]\nurl = "https://example.com/mcp"\n'
    (tmp_path / "watchkeeper.toml").write_text(settings + '[servers.s.capture]\narguments = "metadata"\n')
    shown = command("config", "capture", "--data", str(tmp_path))
    assert (shown.returncode, "The rule mine reads body.arguments" in shown.stderr) == (0, True), shown.stderr
    said = json.loads(command("config", "capture", "--json", "--data", str(tmp_path)).stdout)
    assert ("mine", "s") in [(one["rule"], one["server"]) for one in said["blinded"]]  # and ours
    assert said["servers"]["s"]["arguments"] == "metadata"
