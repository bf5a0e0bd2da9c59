"""Alerts become incidents, incidents run playbooks, playbooks give orders and verify them.

`IncidentDesk` is what faces ask. The reader of the watch process is `service.RespondService`; it is not imported here,
because it brings the playbook engine along. Below: `gateway` (orders) and `registry` (evidence). What a playbook may
say is in `playbook`, what an action owes in `interface`.
"""

from watchkeeper.respond.incidents import IncidentDesk
from watchkeeper.respond.ledger import Ledger
from watchkeeper.respond.model import Alert, Case, Entry, Incident, IncidentState, Mark, Notification, Run, StepResult
from watchkeeper.respond.notifications import ConsoleNotifier
from watchkeeper.respond.settings import RespondSettings

__all__ = [
    "Alert",
    "Case",
    "ConsoleNotifier",
    "Entry",
    "Incident",
    "IncidentDesk",
    "IncidentState",
    "Ledger",
    "Mark",
    "Notification",
    "RespondSettings",
    "Run",
    "StepResult",
]
