"""Alerts become incidents, incidents run playbooks, playbooks give orders and verify them.

Rooms: `incidents` is what faces ask, `service` is the reader of the watch process and brings the playbook engine along.
Below: `gateway` (orders) and `registry` (evidence). What a playbook may say is in `playbook`, what an action owes in
`interface`. This door stays light, so that reading the settings loads no engine.
"""

from watchkeeper.respond.model import Alert, Case, Entry, Incident, IncidentState, Mark, Notification, Run, StepResult
from watchkeeper.respond.settings import RespondSettings

__all__ = [
    "Alert",
    "Case",
    "Entry",
    "Incident",
    "IncidentState",
    "Mark",
    "Notification",
    "RespondSettings",
    "Run",
    "StepResult",
]
