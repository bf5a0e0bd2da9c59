"""Every problem of a file of rules is told with its place and what mends it; what is well is not complained of."""

from __future__ import annotations

from pathlib import Path

import pytest

from watchkeeper.core.content import content_folder
from watchkeeper.detect.linting.linting import lint
from watchkeeper.detect.linting.model import Problem, Weight
from watchkeeper.detect.proving.frameworks import load_frameworks

FRAMEWORKS = load_frameworks(content_folder("frameworks"))
WELL = """
title: Denied
id: 11111111-1111-4111-8111-111111111111
name: denied
description: A call was denied.
tags: [attack.t1059, safe-mcp.t1001]
logsource: {product: mcp, service: watchkeeper, category: gateway}
detection:
  s: {kind: gateway.request.decided, outcome: deny, body.findings.label: secret}
  condition: s
falsepositives: [None known.]
level: low
watchkeeper:
  response: Look at it.
  tests:
    match: [{kind: gateway.request.decided, outcome: deny, body: {findings: [{label: secret}]}}]
    clean: [{kind: gateway.request.decided, outcome: allow}]
"""
FOREIGN = """
title: Shell
id: 22222222-2222-4222-8222-222222222222
name: shell
description: A shell.
logsource: {category: process_creation, product: windows}
detection: {s: {Image|endswith: '\\cmd.exe'}, condition: s}
falsepositives: [Administrators.]
level: low
"""
MANY = """
title: Many
id: 33333333-3333-4333-8333-333333333333
description: Many shells.
correlation: {type: temporal, rules: [shell], group-by: [User], timespan: 1h}
falsepositives: [Installers.]
level: high
"""
OURS = """
title: Again
id: 44444444-4444-4444-8444-444444444444
description: Many were denied.
correlation: {type: event_count, rules: [denied], group-by: [actor], timespan: 1h, condition: {gte: 2}}
falsepositives: [None known.]
level: high
watchkeeper:
  response: Look at it.
  tests:
    match: [[{at: 0, repeat: 2, kind: gateway.request.decided, outcome: deny, body: {findings: [{label: secret}]}}]]
    clean: [[{at: 0, kind: gateway.request.decided}]]
"""


def found(folder: Path, *documents: str) -> list[Problem]:
    (folder / "r.yml").write_text("\n---\n".join(documents), encoding="utf-8")
    return list(lint([folder], FRAMEWORKS).problems)


@pytest.mark.behaviour("rules.lint")
def test_what_is_well_is_not_complained_of(tmp_path: Path) -> None:
    assert found(tmp_path, WELL, FOREIGN, MANY, OURS) == []


@pytest.mark.behaviour("rules.lint")
def test_the_rules_that_come_with_the_product_have_no_errors_and_no_warnings() -> None:
    problems = lint([content_folder("detections")], FRAMEWORKS).problems
    assert [one for one in problems if one.weight is not Weight.HINT] == []


FLAWS = {
    "no-yaml": ((WELL, "a: ["), "error", "not-loaded"),
    "not-loaded": ((WELL, "detection: {a: b}\ntitle: x\nid: x\n"), "error", "not-loaded"),
    "duplicate-id": ((WELL, WELL), "error", "duplicate-id"),
    "duplicate-key": ((WELL.replace("level: low", "level: low\nlevel: high"),), "error", "duplicate-key"),
    "look-around": ((FOREIGN.replace("|endswith: '\\cmd.exe'", "|re: '(?=x)'"),), "error", "not-loaded"),
    "placeholder": ((FOREIGN.replace("|endswith: '\\cmd", "|expand: '%x%"),), "error", "placeholder"),
    "unknown-field": ((WELL.replace("body.findings.label", "body.findings.lable"),), "warning", "unknown-field"),
    "unknown-member": ((WELL.replace("outcome: deny, body.f", "verdict: deny, body.f"),), "error", "refused"),
    "unknown-kind": (
        (WELL.replace("{kind: gateway.request.decided, outcome: deny, body.f", "{kind: x, body.f"),),
        "error",
        "refused",
    ),
    "unused-selection": ((WELL.replace("  condition: s", "  t: {server: x}\n  condition: s"),), "error", "refused"),
    "against-itself": ((FOREIGN.replace("condition: s", "condition: s and not s"),), "error", "never-true"),
    "two-ids-at-once": (
        (
            FOREIGN.replace("Image|endswith: '\\cmd.exe'}", "EventID: 1}, t: {EventID: 2}").replace(
                "n: s", "n: s and t"
            ),
        ),
        "error",
        "never-true",
    ),
    "absent-and-there": (
        (FOREIGN.replace("{s: {", "{t: {Image: null}, s: {").replace("n: s}", "n: s and t}"),),
        "error",
        "never-true",
    ),
    "always": ((FOREIGN.replace("condition: s", "condition: s or not s"),), "error", "always-true"),
    "no-needle": ((FOREIGN.replace("condition: s", "condition: not s"),), "hint", "no-needle"),
    "unknown-technique": ((WELL.replace("safe-mcp.t1001", "safe-mcp.t9999"),), "error", "unknown-technique"),
    "odd-tag": ((WELL.replace("attack.t1059", "attack.t59"),), "error", "unknown-technique"),
    "no-false-positives": ((WELL.replace("falsepositives: [None known.]", ""),), "hint", "no-false-positives"),
    "no-response": ((WELL.replace("  response: Look at it.\n", ""),), "warning", "no-response"),
    "no-clean-example": ((WELL.replace("clean: [{", "clean: []\n    #"),), "warning", "no-tests"),
    "no-id": ((FOREIGN.replace("id: 2222", "#"),), "warning", "no-id"),
    "no-uuid": ((FOREIGN.replace("id: 2222", "id: x"),), "warning", "no-uuid"),
    "no-level": ((FOREIGN.replace("level: low", "level: loud"),), "warning", "no-level"),
    "no-title": ((FOREIGN.replace("title: Shell", ""),), "warning", "no-title"),
    "a-reference-to-nothing": ((FOREIGN, MANY.replace("[shell]", "[bash]")), "error", "not-loaded"),
    "no-timespan": ((FOREIGN, MANY.replace(", timespan: 1h", "")), "error", "not-loaded"),
    "long-timespan": ((FOREIGN, MANY.replace("1h", "30d")), "warning", "long-timespan"),
    "no-group-by": ((FOREIGN, MANY.replace("group-by: [User], ", "")), "warning", "no-group-by"),
    "group-of-one": ((FOREIGN, MANY.replace("[User]", "[ProcessGuid]")), "warning", "group-of-one"),
    "a-field-that-no-event-has": ((WELL, OURS.replace("[actor]", "[user]")), "error", "refused"),
    "a-test-that-is-none": ((WELL, OURS.replace("match: [[", "match: [5, [")), "error", "refused"),
    "no-test-of-a-correlation": ((WELL, OURS.replace("clean: [[", "clean: [] # [[")), "warning", "no-tests"),
    "a-filter-of-nothing": (
        (FOREIGN, "title: F\nlogsource: {product: windows}\nfilter: {rules: [x], s: {a: b}, condition: not s}\n"),
        "error",
        "not-loaded",
    ),
}


@pytest.mark.behaviour("rules.lint")
@pytest.mark.parametrize("flaw", FLAWS)
def test_a_flaw_is_told_with_its_place_and_what_mends_it(tmp_path: Path, flaw: str) -> None:
    documents, weight, code = FLAWS[flaw]
    problems = found(tmp_path, *documents)
    assert (weight, code) in {(one.weight.value, one.code) for one in problems}
    assert all(one.source == str(tmp_path / "r.yml") and one.what and one.mend for one in problems)


@pytest.mark.behaviour("rules.lint")
def test_a_field_that_is_nearly_right_is_answered_with_the_right_one(tmp_path: Path) -> None:
    (problem,) = found(tmp_path, WELL.replace("body.findings.label", "body.findings.lable"))
    assert problem.mend == "did you mean body.findings.label?"
    assert (problem.line, problem.id, problem.title) == (2, "11111111-1111-4111-8111-111111111111", "Denied")


@pytest.mark.parametrize(
    "field",
    ["body.answer.outcome", "body.findings.path", "body.principal.x.y", "body.labels"],
)
def test_only_members_that_the_catalogue_has_are_fields(tmp_path: Path, field: str) -> None:
    told = [one.code for one in found(tmp_path, WELL.replace("body.findings.label: secret", f"{field}: secret"))]
    assert told == (["unknown-field"] if ".x." in field else [])
