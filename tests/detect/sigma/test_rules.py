"""Loading rules: what is not carried out is refused by name; what is carried out means what Sigma says."""

from __future__ import annotations

from pathlib import Path
from textwrap import indent

import pytest

from watchkeeper.core.errors import Misconfigured
from watchkeeper.detect import Rule
from watchkeeper.detect.check import test_rules as run_rule_tests
from watchkeeper.detect.sigma.rules import load_rules, parse_rule
from watchkeeper.events import Severity, new_event

HEAD = """
title: A rule
id: 0a9b3f1c-5b0a-4a57-9d2e-4f0a4f3a9c01
status: test
logsource: {product: mcp, service: watchkeeper}
level: high
"""


def rule(detection: str, head: str = HEAD) -> Rule:
    return parse_rule(f"{head}detection:\n{indent(detection.strip(), '  ')}\n", "some/rule.yml")


def selection(line: str) -> Rule:
    return rule(f"s:\n  {line}\ncondition: s")


def matches(line: str, **fields: object) -> bool:
    return selection(line).matches(new_event(0, "gateway.request.decided", **fields))


@pytest.mark.behaviour("detect.sigma-semantics")
@pytest.mark.parametrize(
    ("line", "fields", "expected"),
    [
        ("server: FILES", {"server": "files"}, True),
        ("server|cased: FILES", {"server": "files"}, False),
        ("server: fi?es", {"server": "files"}, True),
        ("server: f*s", {"server": "fi\nles"}, True),
        (r"server: 'f\*s'", {"server": "files"}, False),
        (r"server: 'f\*s'", {"server": "f*s"}, True),
        ("server: file", {"server": "files"}, False),
        ("server|contains: IL", {"server": "files"}, True),
        ("server|startswith: fil", {"server": "files"}, True),
        ("server|endswith: les", {"server": "files"}, True),
        ("server|endswith: fil", {"server": "files"}, False),
        ("server|contains|all: [fi, es]", {"server": "files"}, True),
        ("server|contains|all: [fi, xx]", {"server": "files"}, False),
        ("server: [a, files]", {"server": "files"}, True),
        ("server|re: '^fi.es$'", {"server": "files"}, True),
        ("server|re: '^FI'", {"server": "files"}, False),
        ("server|re|i: '^FI'", {"server": "files"}, True),
        ("server: null", {}, True),
        ("server: null", {"server": "files"}, False),
        ("server: ''", {}, True),
        ("server|exists: true", {"server": "files"}, True),
        ("server|exists: false", {}, True),
        ("body.a.b: 1", {"body": {"a": [{"b": 2}, {"b": 1}]}}, True),
        ("body.a.b: 1", {"body": {"a": {"b": "1"}}}, True),
        ("body.a.b: 1", {"body": {"a": {"b": True}}}, False),
        ("body.a: true", {"body": {"a": True}}, True),
        ("body.a: '4*'", {"body": {"a": 401}}, True),
        ("body.a|gt: 5", {"body": {"a": 6}}, True),
        ("body.a|gt: 5", {"body": {"a": "6"}}, False),
        ("body.a|lte: 5.5", {"body": {"a": [9, 5]}}, True),
        ("body.ip|cidr: 10.0.0.0/8", {"body": {"ip": "10.2.3.4"}}, True),
        ("body.ip|cidr: 10.0.0.0/8", {"body": {"ip": "11.2.3.4"}}, False),
        ("body.ip|cidr: 10.0.0.0/8", {"body": {"ip": "no address"}}, False),
        ("body.ip|cidr: 'fd00::/8'", {"body": {"ip": "fd12::1"}}, True),
        ("body.a|base64offset|contains: secret", {"body": {"a": "eHh4c2VjcmV0eA=="}}, True),
        ("body.a|windash|contains: ' -rf'", {"body": {"a": "rm /rf"}}, True),
        ("server|fieldref: target", {"server": "Files", "target": "files"}, True),
        ("server|fieldref|startswith: target", {"server": "files", "target": "fi"}, True),
        ("server|neq: files", {"server": "notes"}, True),
        ("server|neq: files", {"server": "files"}, False),
        ("labels: exercise", {"labels": ("exercise", "shadow")}, True),
        ("severity|gte: 4", {"severity": Severity.HIGH}, True),
        ("server: \u212a", {"server": "k"}, True),
        ("body.at|hour: 3", {"body": {"at": "2026-01-05T04:30:00+01:00"}}, True),
        ("body.at|hour: 3", {"body": {"at": "2026-01-05 04:30:00"}}, False),
        ("body.at|week|gte: 2", {"body": {"at": 1767584600}}, True),
        ("body.at|year: 2026", {"body": {"at": "1767584600000"}}, True),
        ("body.at|minute: 1", {"body": {"at": "yesterday"}}, False),
        ("time|day: 1", {}, True),
        ("body.a.b: 1", {"body": {"a.b": 1}}, True),
        ("server|re: 'a.c'", {"server": "a\ud800c"}, True),
        ("server: 'a?c'", {"server": "a\ud800c"}, True),
    ],
)
def test_a_field_is_compared_as_sigma_says(line: str, fields: dict[str, object], expected: bool) -> None:
    assert matches(line, **fields) is expected


@pytest.mark.parametrize(
    ("words", "expected"),
    [("- needle", True), ("- NEEDLE", True), ("- n??dle", True), ("- 42", True), ("- absent", False)],
)
def test_a_keyword_is_looked_for_in_every_text(words: str, expected: bool) -> None:
    keywords = rule(f"k:\n  {words}\ncondition: k")
    event = new_event(0, "gateway.request.decided", body={"a": [{"b": "a hidden needle"}], "c": 4242})
    assert keywords.matches(event) is expected


@pytest.mark.parametrize(
    ("condition", "a", "b", "expected"),
    [
        ("sel_a and sel_b", True, False, False),
        ("sel_a or sel_b", True, False, True),
        ("sel_a and not sel_b", True, False, True),
        ("1 of sel_*", False, True, True),
        ("all of sel_*", False, True, False),
        ("all of them", True, True, True),
        ("not 1 of them", False, False, True),
        ("not (sel_a or sel_b) or sel_a", True, True, True),
    ],
)
def test_conditions_combine_selections(condition: str, a: bool, b: bool, expected: bool) -> None:
    combined = rule(f"sel_a:\n  server: a\nsel_b:\n  target: b\ncondition: {condition}")
    event = new_event(0, "gateway.request.decided", server="a" if a else "x", target="b" if b else "x")
    assert combined.matches(event) is expected


@pytest.mark.behaviour("detect.unsupported-is-refused")
@pytest.mark.parametrize(
    ("detection", "named"),
    [
        ("s:\n  server|expand: '%servers%'\ncondition: s", "placeholder"),
        ("s:\n  server|re: '(?=a)b'\ncondition: s", "(?=a)b"),
        ("s:\n  server|re: '(a'\ncondition: s", "(a"),
        ("s:\n  server|nonsense: a\ncondition: s", "nonsense"),
        ("s:\n  host: a\ncondition: s", "host"),
        ("s:\n  body: a\ncondition: s", "body"),
        ("s:\n  body.list.0.x: a\ncondition: s", "body.list.0.x"),
        ("s:\n  server|fieldref: host\ncondition: s", "host"),
        ("s:\n  server: a\nunused:\n  server: b\ncondition: s", "unused"),
        ("s:\n  server: a\ntimeframe: 5m\ncondition: s", "timeframe"),
        ("s:\n  server: a\ncondition: s | count() > 5", "pipe"),
        ("s:\n  server: a\ncondition: missing", "missing"),
        ("s:\n  server: a\ncondition: 1 of other_*", "other_*"),
        ("s:\n  kind: gateway.request.decidde\ncondition: s", "gateway.request.decidde"),
        ("a:\n  kind: gateway.request.decided\nb:\n  kind: registry.pin.changed\ncondition: a and b", "never match"),
        ("s:\n  kind: detect.alert.raised\ncondition: s", "not matched again"),
        ("s:\n  server: a\ns:\n  server: b\ncondition: s", "twice"),
        ("s:\n  '|cidr': 10.0.0.0/8\ncondition: s", "CIDR"),
        ("s:\n  server: a\ncondition: 5", ""),
        ("s:\n  server: a\ncondition: null", ""),
        ("s:\n  server: a", ""),
        ("s: {}\ncondition: s", ""),
        ("s:\n  server: {a: b}\ncondition: s", ""),
        ("s:\n  server: [[a]]\ncondition: s", ""),
        ("s:\n  server: []\nt:\n  5: a\ncondition: s and t", ""),
        ("s:\n  server|cidr: nonsense\ncondition: s", ""),
        ("s:\n  server|gt: a\ncondition: s", ""),
        ("s:\n  server|exists: a\ncondition: s", ""),
    ],
)
def test_what_is_not_carried_out_is_refused_with_file_and_construct(detection: str, named: str) -> None:
    with pytest.raises(Misconfigured) as refused:
        rule(detection)
    assert "some/rule.yml" in refused.value.reason
    assert named in refused.value.reason


GOOD = "s:\n  server: a\ncondition: s"


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("product: mcp, service: watchkeeper", "product: windows"),
        ("service: watchkeeper", "service: sysmon"),
        ("service: watchkeeper", "category: process_creation"),
        ("level: high", ""),
        ("id: 0a9b3f1c-5b0a-4a57-9d2e-4f0a4f3a9c01", ""),
        ("title: A rule", "title: [a"),
        ("level: high", "level: high\nwatchkeeper: {group: [body]}"),
        ("level: high", "level: high\nwatchkeeper: {playbok: x}"),
        ("level: high", "level: high\nwatchkeeper: {tests: {match: [{kind: 5}]}}"),
        ("level: high", "level: high\ncorrelation: {type: event_count}"),
    ],
)
def test_a_rule_with_a_flaw_beside_its_detection_is_refused(old: str, new: str) -> None:
    with pytest.raises(Misconfigured):
        rule(GOOD, HEAD.replace(old, new))


def test_a_category_and_kinds_say_which_events_a_rule_sees() -> None:
    by_category = rule(GOOD, HEAD.replace("service: watchkeeper", "service: watchkeeper, category: registry"))
    by_kind = rule("s:\n  kind: [registry.pin.held, registry.pin.changed]\nf:\n  server: x\ncondition: s and not f")
    for one in (by_category, by_kind):
        assert one.sees("registry.pin.changed")
        assert not one.sees("gateway.request.decided")


def test_two_files_with_one_id_are_refused(tmp_path: Path) -> None:
    for name in ("one.yml", "two.yml"):
        (tmp_path / name).write_text(f"{HEAD}detection: {{s: {{server: a}}, condition: s}}\n")
    with pytest.raises(Misconfigured):
        load_rules([tmp_path])


def test_a_folder_that_is_not_there_is_refused(tmp_path: Path) -> None:
    with pytest.raises(Misconfigured):
        load_rules([tmp_path / "none"])


@pytest.mark.behaviour("detect.rule-tests-judge")
def test_a_rule_that_fails_its_own_tests_is_told_which(tmp_path: Path) -> None:
    tests = "watchkeeper: {tests: {match: [{kind: a, server: b}], clean: [{kind: a, server: a}]}}\n"
    (tmp_path / "a.yml").write_text(f"{HEAD}{tests}detection: {{s: {{server: a}}, condition: s}}\n")
    (outcome,) = run_rule_tests(tmp_path)
    assert outcome.wrong == ("match 1 is not matched", "clean 1 is matched")


def test_the_version_follows_what_decides_and_nothing_else() -> None:
    one, other = rule(GOOD), rule(GOOD, HEAD.replace("A rule", "Another title"))
    assert one.version == other.version
    assert one.version != rule("s:\n  server: b\ncondition: s").version
