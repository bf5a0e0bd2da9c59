"""Where an incident has come to, in the categories of the Cybersecurity Framework 2.0 that NIST SP 800-61r3 profiles.

Raw times only: what is computed from them is the business of the accounts above.
"""

from __future__ import annotations

from collections.abc import Sequence

from watchkeeper.respond.cases.model import Note, NoteKind, Stamp
from watchkeeper.respond.model import Incident


def phases_of(incident: Incident, notes: Sequence[Note], first_action: int = 0) -> tuple[Stamp, ...]:
    """The stamps of an incident in the order of the life cycle; `at` is 0 where it has not come to a category.

    `first_action`: when a playbook began, or 0.
    """
    lessons = [note.time for note in notes if note.kind is NoteKind.LESSON]
    taken = [at for at in (incident.acknowledged_at, first_action) if at]
    return (
        Stamp("Detect", "DE.AE", "Adverse Event Analysis", incident.alerted_at, "first alert"),
        Stamp("Respond", "RS.MA", "Incident Management", min(taken, default=0), "acknowledged, or a playbook began"),
        Stamp("Respond", "RS.AN", "Incident Analysis", incident.analysed_at, "moved to in progress"),
        Stamp("Respond", "RS.MI", "Incident Mitigation", incident.contained_at, "containment verified"),
        Stamp(
            "Recover", "RC.RP", "Incident Recovery Plan Execution", incident.recovered_at, "safe operation, as stamped"
        ),
        Stamp("Identify", "ID.IM", "Improvement", min(lessons, default=0), "first lesson"),
    )
