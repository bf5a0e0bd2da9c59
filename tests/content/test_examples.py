"""The examples in docs/concepts/policy.md and docs/concepts/inspection.md do what the pages say."""

from __future__ import annotations

import re
from pathlib import Path

from watchkeeper.core.content import content_folder
from watchkeeper.inspection import RuleInspector, Surface
from watchkeeper.policy import PolicyEngine, read_cases, run_case

DOCS = Path(__file__).resolve().parents[2] / "docs" / "concepts"


def block(page: str, language: str) -> str:
    found = re.findall(rf"^```{language}\n(.*?)^```", (DOCS / page).read_text(encoding="utf-8"), re.M | re.S)
    return "\n".join(found)


class Documented(RuleInspector):
    name = "hidden_instructions"


def test_the_policies_of_the_page_pass_the_tests_of_the_page(tmp_path: Path) -> None:
    (tmp_path / "mine.cedar").write_text(block("policy.md", "cedar"))
    (tmp_path / "mine.tests.yaml").write_text(block("policy.md", "yaml"))
    engine = PolicyEngine.load([content_folder("policies"), tmp_path])
    cases = read_cases([tmp_path])
    assert [run_case(engine, case) for _, case in cases] == [""] * 4


def test_the_rule_of_the_page_matches_its_examples(tmp_path: Path) -> None:
    (tmp_path / "mine.yaml").write_text(block("inspection.md", "yaml"))
    inspector = Documented(tmp_path)
    (rule,) = inspector.rules
    assert [len(inspector.inspect(Surface.RESULT, text.encode())) for text in rule.tests.match] == [1]
    assert [len(inspector.inspect(Surface.RESULT, text.encode())) for text in rule.tests.clean] == [0]


def test_the_stricter_policies_in_the_starter_files_comments_can_be_loaded(tmp_path: Path) -> None:
    text = (content_folder("policies") / "starter.cedar").read_text(encoding="utf-8")
    commented = [line.removeprefix("//").strip() for line in text.splitlines() if line.startswith("//   ")]
    (tmp_path / "mine.cedar").write_text("\n".join(commented))
    engine = PolicyEngine.load([content_folder("policies"), tmp_path])
    assert {"mine.reviewed-tools-only", "mine.no-pushing-to-main"} <= {policy.id for policy in engine.policies}


def test_the_policies_of_the_page_on_redaction_can_be_loaded(tmp_path: Path) -> None:
    (tmp_path / "mine.cedar").write_text(block("redaction.md", "cedar"))
    engine = PolicyEngine.load([content_folder("policies"), tmp_path])
    found = {policy.id for policy in engine.policies}
    assert "starter.secret-in-result" not in found
    assert {"mine.replace-in-results", "mine.mail-may-have-addresses", "mine.no-secrets-into-issues"} <= found
