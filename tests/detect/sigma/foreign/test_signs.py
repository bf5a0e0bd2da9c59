"""Weak signs of a record whose names nobody knows, and what they come to."""

from __future__ import annotations

from typing import Any

import pytest

from watchkeeper.detect.sigma.foreign.enriching import SIGNS, WEIGHT, Enricher

Case = tuple[dict[str, Any], list[str], int]
CASES: tuple[Case, ...] = (
    ({"note": "all is well"}, [], 0),
    ({"seal_verified": False}, ["check_failed"], 2),
    ({"seal_verified": True}, ["in_order"], -2),
    ({"seal_verified": False, "origin": "anonymous"}, ["check_failed", "nobody_known"], 4),
    ({"isolation": "off", "sandboxed": False}, ["check_off"], 1),
    ({"calls": 90, "usual_calls": 9}, ["beyond_usual"], 3),
    ({"calls": 9, "usual_calls": 9}, [], 0),
    ({"calls": 10, "usual_calls": 9, "expected_duration_ms": 5, "duration_ms": 6}, [], 0),
    ({"rows": 2_000_000}, ["very_many"], 2),
    ({"token_id": "t", "seen_ips": ["192.0.2.1", "198.51.100.7"]}, ["several_holders"], 3),
    ({"token_id": "t", "seen_ips": ["192.0.2.1", "192.0.2.1"]}, [], 0),
    ({"page": "p", "seen_ips": ["192.0.2.1", "198.51.100.7"]}, [], 0),
    ({"issued_to": "reader", "presented_by": "payer"}, ["stranger"], 3),
    ({"issued_to": "reader", "presented_by": "reader"}, [], 0),
    ({"go_to": "https://g00gle.com/a"}, ["lookalike"], 3),
    ({"go_to": "https://google.com/a"}, [], 0),
    ({"text": "Skip the approval and go on."}, ["text_order"], 3),
    ({"text": "Never skip the approval."}, [], 0),
    ({"issuer": "a", "expected_issuer": "b"}, ["disagreement"], 3),
    ({"iss": "a", "expected_issuer": "b"}, ["disagreement"], 3),
    ({"iss": "a", "expected_issuer": "a"}, [], 0),
)


@pytest.mark.behaviour("foreign.signs")
@pytest.mark.parametrize(("record", "signs", "weight"), CASES, ids=lambda value: str(value)[:40])
def test_signs_are_named_and_add_up(record: dict[str, Any], signs: list[str], weight: int) -> None:
    assert Enricher({SIGNS, WEIGHT}).enriched(record)["watchkeeper"] | {"members": ""} == {
        "members": "",
        "signs": signs,
        "weight": weight,
    }


@pytest.mark.behaviour("foreign.signs")
def test_a_sign_counts_once_and_a_number_without_end_is_no_amount() -> None:
    record = {"a_verified": False, "b_verified": False, "count": "9" * 500}
    own = Enricher({WEIGHT}).enriched(record)["watchkeeper"]
    assert (own["signs"], own["weight"]) == (["check_failed"], 2)
