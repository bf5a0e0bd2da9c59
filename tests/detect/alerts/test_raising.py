"""How an alert is worded."""

from __future__ import annotations

import msgspec
import pytest

from tests.detect.alerts.found import a_call
from watchkeeper.detect.alerts.raising import summary


@pytest.mark.behaviour("alerts.worded-once")
@pytest.mark.parametrize(
    ("kind", "server", "target", "told"),
    [
        ("gateway.request.decided", "files", "read", "T: read on files, by agent:ann"),
        ("gateway.order.lifted", "files", "files/read", "T: files/read, by agent:ann"),
        ("gateway.order.issued", "files", "files", "T: files, by agent:ann"),
        ("gateway.order.issued", "files", "files2/read", "T: files2/read on files, by agent:ann"),
        ("gateway.order.issued", "", "bob", "T: bob, by agent:ann"),
        ("gateway.request.decided", "files", "files/read", "T: files/read on files, by agent:ann"),
        ("gateway.request.decided", "files", "files", "T: files on files, by agent:ann"),
        ("gateway.request.decided", "files", "", "T: files, by agent:ann"),
        ("gateway.request.decided", "", "", "T, by agent:ann"),
    ],
)
def test_an_order_names_its_server_once_and_a_tool_is_called_as_it_calls_itself(
    kind: str, server: str, target: str, told: str
) -> None:
    event = msgspec.structs.replace(a_call(server=server, target=target), kind=kind)
    assert summary("T", event) == told
