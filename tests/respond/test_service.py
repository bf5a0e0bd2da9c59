from __future__ import annotations

import pytest

from watchkeeper.respond.model import IncidentState
from watchkeeper.respond.settings import RespondSettings

KINDS = [
    "respond.incident.opened",
    "respond.playbook.started",
    "respond.step.completed",
    "respond.step.completed",
    "respond.containment.verified",
    "respond.step.skipped",
    "respond.notification.sent",
    "respond.step.completed",
    "respond.playbook.finished",
    "respond.incident.updated",
]


@pytest.mark.behaviour("respond.alert-to-contained")
def test_a_rug_pull_becomes_an_incident_that_is_contained_and_proven(estate, gate):
    with estate.responding() as service:
        estate.rug_pull()
        estate.until_finished()
        (incident,) = service.incidents.list()
        case = service.incidents.show(incident.number)
    assert (incident.state, incident.advice) == (IncidentState.CONTAINED, "")
    assert [(o.kind.value, o.target, o.incident) for o in estate.orders.in_force()] == [
        ("hold_tool", "files/read_file", incident.id)
    ]
    assert sorted(e.kind for e in estate.events("respond.")) == sorted(KINDS)
    assert [s.state for s in case.runs[0].steps] == ["completed", "completed", "skipped", "completed"]
    assert incident.ttd_ms is not None and incident.ttc_ms is not None
    assert all(entry.index >= 0 for entry in case.timeline if entry.event and entry.writer)
    print("ttd", incident.ttd_ms, "ttc", incident.ttc_ms)
    for e in case.timeline: print(e)
