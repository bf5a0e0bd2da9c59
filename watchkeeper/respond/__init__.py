"""Alerts become incidents, incidents run playbooks, playbooks give orders and verify them.

`RespondService` is the reader of the watch process; `IncidentDesk` is what faces ask. Below: `gateway` (orders) and
`registry` (evidence). What a playbook may say is in `playbook`, what an action owes in `interface`.
"""

from watchkeeper.respond.incidents import IncidentDesk, Shelf
from watchkeeper.respond.ledger import Ledger
from watchkeeper.respond.model import Alert, Case, Entry, Incident, IncidentState, Mark, Notification, Run, StepResult
from watchkeeper.respond.notifications import ConsoleNotifier
from watchkeeper.respond.service import Connections, RespondService, load_actions, load_shelf
from watchkeeper.respond.settings import RespondSettings

__all__ = [
    "Alert",
    "Case",
    "Connections",
    "ConsoleNotifier",
    "Entry",
    "Incident",
    "IncidentDesk",
    "IncidentState",
    "Ledger",
    "Mark",
    "Notification",
    "RespondService",
    "RespondSettings",
    "Run",
    "Shelf",
    "StepResult",
    "load_actions",
    "load_shelf",
]
