"""How an alert is worded."""

from __future__ import annotations

import pytest

from tests.detect.alerts.found import a_call
from watchkeeper.detect.alerts.raising import summary


@pytest.mark.behaviour("alerts.worded-once")
@pytest.mark.parametrize(
    ("server", "target", "told"),
    [
        ("files", "read", "T: read on files, by agent:ann"),
        ("files", "files/read", "T: files/read, by agent:ann"),
        ("files", "files", "T: files, by agent:ann"),
        ("files", "files2/read", "T: files2/read on files, by agent:ann"),
        ("files", "", "T: files, by agent:ann"),
        ("", "read", "T: read, by agent:ann"),
        ("", "/read", "T: /read, by agent:ann"),
        ("", "", "T, by agent:ann"),
    ],
)
def test_a_server_is_named_once(server: str, target: str, told: str) -> None:
    assert summary("T", a_call(server=server, target=target)) == told
