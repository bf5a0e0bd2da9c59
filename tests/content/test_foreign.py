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

FOLDER = content_folder("detections") / "foreign"
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
    words = ["rules", "eval", "--events", str(tmp_path / "log.jsonl"), "--json", "--data", str(tmp_path)]
    told = CliRunner().invoke(main, [*words, "--rules", "foreign"])
    assert CliRunner().invoke(main, words).output.splitlines()[0] == told.output.splitlines()[0], "without a name, too"
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


HARM = """
hash_mismatch signature_mismatch unsigned tampered response_modified response_mismatch bypassed_review skip_validation
missing_auth no_auth issuer_mismatch state_mismatch audience_mismatch scope_mismatch token_reused replay_detected
revoked expired scope_escalated anomaly_detected suspicious malicious hidden_text_detected poisoned contaminated
backdoor_found exfil_detected loop_detected privileged debug_mode escalated duplicate_tool_name shadows_existing
overrides_existing
downgrade_detected consent_bypassed auto_approved unverified_source untrusted review_bypassed checks_disabled
description_changed binary_modified memory_access prompt_injection stego_detected drift_detected label_flipped
fallback_used implicit_flow sandbox_disabled mitm_detected silent undisclosed bulk_export collision impersonation
"""
BAD = HARM.split()
CHECKS = """
signature_valid signed verified approved authenticated authorized pkce_enabled sandboxed isolated reviewed tests_passed
consent_given user_confirmed human_approval hash_match integrity_verified trusted encrypted issuer_verified
audience_valid state_valid rotation_enabled provenance_verified source_verified response_verified checksum_ok validated
"""
GOOD = CHECKS.split()
ABOUT: tuple[dict[str, Any], ...] = (
    {"event_type": "oauth_token_event", "client_id": "c", "token_type": "bearer"},
    {"event": "memory_write", "vector_store": "kb", "dataset": "d", "event_name": "model_training"},
    {"type": "image", "file": "a.png", "process_name": "mcp-server", "tool_name": "notes"},
)


@pytest.mark.behaviour("foreign.denials-are-quiet")
@pytest.mark.parametrize("about", ABOUT, ids=lambda record: next(iter(record)))
def test_a_flag_that_denies_harm_or_affirms_a_check_raises_nothing(about: dict[str, Any]) -> None:
    flags = [(name, value) for value in (False, "none", 0) for name in BAD] + [(name, True) for name in GOOD]
    found = {(name, value): matched(about | {name: value}) for name, value in flags}
    assert {flag: rules for flag, rules in found.items() if rules} == {}


@pytest.mark.behaviour("foreign.denials-are-quiet")
def test_most_flags_that_affirm_harm_are_heard_by_themselves() -> None:
    heard = [name for name in BAD if any(matched(about | {name: True}) for about in ABOUT)]
    assert len(heard) >= 0.9 * len(BAD), sorted(set(BAD) - set(heard))
