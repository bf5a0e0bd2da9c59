"""What `watchkeeper status` says of a gateway's servers."""

from __future__ import annotations

import pytest

from watchkeeper.app.standing import _gateway_detail


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
