"""The rules for records of other products: they work by families of names, so each shows what it takes and what not."""

from __future__ import annotations

import json
from functools import cache
from pathlib import Path
from typing import Any

import pytest
import yaml
from click.testing import CliRunner

from watchkeeper.cli import main
from watchkeeper.core.content import content_folder
from watchkeeper.detect.proving.frameworks import item_of, load_frameworks
from watchkeeper.detect.sigma.evaluation import Evaluator
from watchkeeper.detect.sigma.foreign.files import Item
from watchkeeper.detect.sigma.foreign.members import members_of
from watchkeeper.detect.sigma.loading import load
from watchkeeper.detect.sigma.model import Rulebook
from watchkeeper.detect.sigma.rules import load_rules

FOLDER = content_folder("foreign")
PAGE = Path(__file__).resolve().parents[2] / "docs" / "concepts" / "foreign.md"


@cache
def book() -> Rulebook:
    return load([FOLDER])


@cache
def documents() -> dict[str, dict[str, Any]]:
    texts = {path.stem: path.read_text(encoding="utf-8") for path in sorted(FOLDER.glob("*.yml"))}
    return {name: yaml.safe_load(text) for name, text in texts.items()}


@cache
def evaluator() -> Evaluator:
    return Evaluator(book().rules)


def matched(record: dict[str, Any]) -> set[str]:
    return {heading.name for heading in evaluator().look(Item("test", 1, "", [dict(record)])).headings}


@pytest.mark.behaviour("foreign.rules-carry-tests")
@pytest.mark.parametrize("name", sorted(documents()))
def test_every_rule_passes_the_tests_it_carries(name: str) -> None:
    tests = documents()[name]["watchkeeper"]["tests"]
    assert [record for record in tests["match"] if name not in matched(record)] == []
    assert [(record, matched(record)) for record in tests["clean"] if name in matched(record)] == []
    assert tests["match"]
    assert tests["clean"]


@pytest.mark.behaviour("foreign.rules-carry-tests")
def test_every_rule_loads_and_says_where_it_errs_and_what_to_do() -> None:
    assert book().refused == ()
    catalogues = load_frameworks(content_folder("frameworks"))
    known = {one.name: {item.id for item in one.items} for one in catalogues}
    for rule in book().rules:
        heading = rule.heading
        assert heading.falsepositives
        assert heading.response
        assert Path(heading.source).stem == heading.name
        named = {(one.name, item_of(tag, one)) for one in catalogues for tag in heading.tags}
        assert {(name, item) for name, item in named if item and item not in known[name]} == set()


def test_no_id_belongs_to_a_rule_about_our_own_events() -> None:
    ours = {rule.id for rule in load_rules([content_folder("detections")])}
    assert ours.isdisjoint(rule.heading.id for rule in book().rules)


ORDINARY: tuple[dict[str, Any], ...] = (
    {"event_type": "tool_invocation", "tool_name": "read_file", "path": "/srv/notes/plan.md", "result": "success"},
    {"event_type": "tool_registered", "tool_name": "add", "description": "Adds two numbers.", "signature_valid": True},
    {"cs-method": "POST", "cs-uri-path": "/mcp", "c-ip": "10.0.0.7", "sc-status": 200, "cs-user-agent": "editor/1.4"},
    {"EventID": 1014, "Message": "Name resolution succeeded", "Provider_Name": "Microsoft-Windows-DNS-Client"},
    {"Image": "/usr/bin/git", "CommandLine": "git status", "ParentCommandLine": "node mcp-server.js", "User": "mcp"},
    {"event": "token_issued", "issuer": "https://id.example.com", "scope": "files:read", "expires_in": 3600},
    {"event": "memory_write", "agent_id": "a", "content": "The meeting moved to Tuesday."},
    {"event": "training_data_ingest", "source": "s3://own/curated", "verified": True, "records": 10000},
    {"event": "vector_upsert", "collection": "kb", "document": "Office hours are nine to five.", "source": "hr"},
    {"type": "image", "ocr_text": "Revenue in 2025: 3.4 million", "size": 81234},
    {"level": "info", "msg": "session opened", "user": "ada", "authenticated": True, "duration_ms": 12},
    {"prompt": "Summarise the minutes, please.", "prompt_count_last_60s": 1, "classification": "benign"},
)


@pytest.mark.behaviour("foreign.by-name")
def test_the_rules_are_run_by_their_name(tmp_path: Path) -> None:
    """Whatever the folder is that people stand in."""
    record = '{"tool": "read", "path": "../../etc/passwd"}'
    (tmp_path / "log.jsonl").write_text(record)
    words = ["rules", "eval", "--rules", "foreign", "--events", str(tmp_path / "log.jsonl"), "--json"]
    told = CliRunner().invoke(main, [*words, "--data", str(tmp_path)])
    first, last = [json.loads(line) for line in told.output.splitlines()]
    assert told.exit_code == 0
    assert "A path leaves its folder" in first["titles"]
    assert last["summary"]["refused"] == []


def test_the_page_shows_what_rules_read() -> None:
    record = {"Token": {"reuseDetected": True}, "expected_issuer": "a", "issuer": "b"}
    assert f"```text\n{members_of(record)}\n```" in PAGE.read_text(encoding="utf-8")


@pytest.mark.behaviour("foreign.ordinary-is-quiet")
@pytest.mark.parametrize("record", ORDINARY, ids=lambda record: "-".join(list(record)[:3]))
def test_an_ordinary_record_raises_nothing(record: dict[str, Any]) -> None:
    assert matched(record) == set()
