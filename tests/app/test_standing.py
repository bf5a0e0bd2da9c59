"""What `watchkeeper status` says of a gateway's servers."""

from __future__ import annotations

import pytest

from watchkeeper.app.standing import _gateway_detail, _watch_detail, recording


@pytest.mark.behaviour("upstream.rest-is-said")
def test_status_says_which_server_rests_and_for_how_long() -> None:
    facts = {
        "addresses": {"git": "http://127.0.0.1:1/mcp"},
        "upstreams": {
            "git": {"breakers": [{"principal": "", "state": "open", "seconds": 4.0}]},
            "time": {"breakers": [{"principal": "agent:a", "state": "open", "seconds": 9.0}]},
            "other": {},
        },
        "failure": "",
    }
    said = "git failed again and again and is asked again in 4 s; git http://127.0.0.1:1/mcp"
    assert _gateway_detail(facts) == said


def test_what_passes_unrecorded_is_told_with_its_count() -> None:
    gap = {"since": 1_790_000_000_000_000, "unrecorded": 12, "why": "no space left on device"}
    assert recording({"recording": gap}) == (
        "RECORDING IS SUSPENDED since 2026-09-21T14:13:20.000000Z, 12 passed unrecorded: no space left on device"
    )
    assert recording({"recording": {}}) == recording({}) == ""


@pytest.mark.behaviour("detect.progress-tells")
def test_status_says_what_detection_met_and_what_waits_for_it() -> None:
    detect = {"waiting": 7, "late": 3, "skewed": 0, "duplicates": 1, "forgotten": 0, "trouble": ""}
    facts = {"readers": {"detect": True}, "lake": {"rows": 2}, "detect": detect}
    assert _watch_detail(facts) == "2 records wait for the lake, 7 for detection (3 late, 1 seen twice)"
    assert _watch_detail(facts | {"detect": {"waiting": 0}}) == "2 records wait for the lake, 0 for detection"
