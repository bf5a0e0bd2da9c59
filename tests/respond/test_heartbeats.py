"""A heartbeat's end in response: it is told, and nothing else comes of it."""

from __future__ import annotations

import pytest

from tests.respond.conftest import Estate, Gate


@pytest.mark.behaviour("deadman.heartbeat")
def test_a_heartbeat_opens_no_incident_and_starts_no_playbook(estate: Estate, gate: Gate) -> None:
    with estate.responding() as service:
        beat = estate.raise_alert(
            7, playbook="rug_pull", principal="agent:desk", event_kind="gateway.heartbeat.sounded", name="heartbeat"
        )
        estate.raise_alert(8, name="tool_changed", server="other")
        estate.until(lambda: len(estate.events("respond.incident.opened")) == 1)
        told = service.heartbeats.told()
    assert list(told["heard"]) == [beat.body["event"]]
    assert set(told["rules"]) == {"tool_changed"}
    (heard,) = estate.events("respond.heartbeat.heard")
    assert (heard.body["event"], heard.body["alert"]) == (beat.body["event"], beat.id)
    (incident,) = service.incidents.list()
    assert incident.server == "other"
    assert gate.probes == []
