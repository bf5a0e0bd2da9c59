"""Which events of a call need no second look for secrets, and that whatever else an event lacks fails nothing."""

from __future__ import annotations

from typing import Any

import pytest

from watchkeeper.events import new_event
from watchkeeper.gateway.capture.looked import KIND, looked


@pytest.mark.behaviour("capture.never-secrets")
@pytest.mark.parametrize(
    ("body", "is_trusted"),
    [
        ({"method": "tools/call", "id": 7}, True),
        ({}, False),  # a GET or DELETE upon a session: no message, so no method
        ({"id": 7, "status": 405}, False),
        ({"method": None, "id": None}, False),
        ({"method": "x" * 40}, False),
        ({"method": "ping", "id": "x" * 40}, False),
        ({"method": "ping", "findings": [{"label": "secret"}]}, False),
    ],
)
def test_an_event_without_a_method_is_looked_at_again_and_fails_nothing(body: dict[str, Any], is_trusted: bool) -> None:
    event = new_event(1, KIND, actor="agent:a", claimed="a client/1", body=body)
    assert looked(lambda text: False)(event) is is_trusted
