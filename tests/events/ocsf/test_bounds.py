"""What agents and servers chose goes out bounded, and what was cut says so."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from typing import Any

import msgspec
import pytest

from watchkeeper.events import new_event
from watchkeeper.events.ocsf import to_ocsf
from watchkeeper.events.ocsf.bounds import BODY, DEPTH, NAME, SENTENCE


def _deep(levels: int) -> dict[str, Any]:
    body: dict[str, Any] = {"end": True}
    for _ in range(levels):
        body = {"in": body}
    return body


@pytest.mark.parametrize(
    "body",
    [
        {"result": "x" * 5_000_000},
        {"many": ["y" * 900] * 50_000},
        {"wide": {f"k{number}": number for number in range(100_000)}},
        _deep(DEPTH + 1),
        _deep(900),
    ],
    ids=["long", "many", "wide", "deep", "deeper"],
)
@pytest.mark.behaviour("ocsf.bounded")
def test_a_giant_or_deep_body_is_cut_and_says_so(body: Any, ocsf_errors: Callable[[Any], list[str]]) -> None:
    made = to_ocsf(new_event(1, "gateway.request.decided", body=body))
    raw = msgspec.json.encode(body)
    assert ocsf_errors(made) == []
    assert len(msgspec.json.encode(made)) < 2 * BODY
    assert made["metadata"]["is_truncated"] is True
    assert made["metadata"]["untruncated_size"] == made["raw_data_size"] == len(raw)
    assert made["raw_data_hash"]["value"] == hashlib.sha256(raw).hexdigest()
    assert "…" in msgspec.json.encode(made["unmapped"]).decode()


@pytest.mark.parametrize("body", [_deep(DEPTH - 1), {"text": "{" * 1000}, {"result": "x" * 60_000}])
def test_a_body_within_the_bounds_goes_out_whole(body: dict[str, Any]) -> None:
    made = to_ocsf(new_event(1, "gateway.request.decided", body=body))
    assert made["unmapped"]["body"] is body
    assert "is_truncated" not in made["metadata"]


def test_what_no_journal_can_hold_goes_out_as_text() -> None:
    body: Any = {"half": "\ud800", "huge": 1 << 80, "bytes": object, "inf": float("inf"), 7: (1, True, None)}
    body["self"] = body
    made = to_ocsf(new_event(1, "gateway.request.decided", actor="agent:\ud800", target="\ud800", body=body))
    written = msgspec.json.decode(msgspec.json.encode(made))
    assert written["metadata"]["is_truncated"] is True
    assert written["unmapped"]["body"]["half"] == "\\ud800"


def test_names_and_sentences_are_cut_and_nothing_unseen_is_in_a_sentence() -> None:
    hostile = "\u202e" + "n" * 100_000
    made = to_ocsf(
        new_event(
            1,
            "gateway.request.decided",
            target=hostile,
            outcome="deny",
            body={"reason": hostile, "rules": [hostile] * 99},
        )
    )
    assert len(made["resources"][0]["name"]) == NAME
    assert len(made["message"]) < SENTENCE + 50
    assert "\u202e" not in made["message"] + made["status_detail"]
    assert len(made["authorizations"]) == 32
