"""Names and values of any record as one text, for rules that ask for families of names."""

from __future__ import annotations

import pytest

from watchkeeper.detect.sigma.foreign.members import DEEPEST, LONGEST, MOST, members_of


@pytest.mark.behaviour("foreign.members")
def test_every_member_is_a_line_with_its_path_in_plain_words() -> None:
    record = {"Token": {"reuseDetected": True}, "cs-uri-query": "a=b", "tags": ["x", {"Exit Code": 3}], "none": None}
    assert members_of(record).split("\n") == [
        "token.reuse_detected=true",
        "cs_uri_query=a=b",
        "tags=x",
        "tags.exit_code=3",
        "none=null",
    ]


@pytest.mark.behaviour("foreign.members")
def test_a_value_with_line_breaks_stays_one_line() -> None:
    assert members_of({"text": "a\r\nb\u2028admin=true"}) == "text=a␊b␊admin=true"


@pytest.mark.behaviour("foreign.differences")
@pytest.mark.parametrize(
    ("record", "said"),
    [
        ({"expected_issuer": "a", "actual_issuer": "b"}, "differs.issuer=expected/actual"),
        ({"expectedHash": "a", "hash": "b"}, "differs.hash=expected/present"),
        ({"tool": {"hash_before": 1, "hash_approved": "a", "hash_current": "b"}}, "differs.tool.hash=approved/current"),
        ({"required_scope": "write", "token_scope": "read"}, "differs.scope=required/token"),
        ({"expected_issuer": "a", "actual_issuer": "a"}, ""),
        ({"required_scope": "read", "token_scope": "read write"}, ""),
        ({"previous_page": 1, "page": 2}, ""),
        ({"a": {"expected_x": 1}, "b": {"actual_x": 2}}, ""),
    ],
)
def test_members_that_ought_to_be_alike_and_are_not_are_said(record: dict[str, object], said: str) -> None:
    assert "\n".join(line for line in members_of(record).split("\n") if line.startswith("differs.")) == said


@pytest.mark.behaviour("foreign.denials-are-quiet")
def test_a_member_that_denies_something_bad_is_left_out() -> None:
    record = {"hash_mismatch": False, "scan": {"hiddenTextFound": "none", "noAuth": 0}, "hash_valid": False, "note": 0}
    assert members_of(record) == "hash_valid=false\nnote=0"


@pytest.mark.behaviour("foreign.members")
def test_a_hostile_record_costs_no_more_than_a_large_one() -> None:
    deep: dict[str, object] = {"end": 1}
    for _ in range(DEEPEST * 4):
        deep = {"a": deep}
    assert members_of({"deep": deep}) == ""
    assert members_of({"many": list(range(MOST * 3))}).count("\n") == MOST - 1
    assert len(members_of({"long": "x" * (LONGEST * 3)})) == LONGEST + len("long=")
