"""How long a kind of event is worth keeping: five classes, so that an operator sets five periods and not a hundred.

Pure. What is deleted when is the lake's and the journal's; how long a class is kept stands in their settings. The
classes follow what an event is for, not who records it.
"""

from __future__ import annotations

from enum import StrEnum


class RetentionClass(StrEnum):
    """The classes, from the most rows to the fewest."""

    TRAFFIC = "traffic"
    """What agents and servers did: requests, messages, sessions, how servers fared."""
    DEFINITION = "definition"
    """What servers showed: definitions seen, pins and their changes."""
    DETECTION = "detection"
    """What was noticed and what was done about it: alerts, incidents, playbooks, approvals, orders."""
    ADMINISTRATION = "administration"
    """Who changed what: settings, policies, operators, credentials."""
    RECORD = "record"
    """What journal and lake say about themselves: openings, gaps, erasures, holds, deletions. Proofs lean on it."""


_BY_PREFIX = {
    "journal": RetentionClass.RECORD,
    "privacy": RetentionClass.RECORD,
    "lake": RetentionClass.RECORD,
    "events": RetentionClass.ADMINISTRATION,
    "gateway": RetentionClass.TRAFFIC,
    "gateway.recording": RetentionClass.RECORD,
    "gateway.certificate": RetentionClass.ADMINISTRATION,
    "gateway.principal": RetentionClass.ADMINISTRATION,
    "gateway.credential": RetentionClass.ADMINISTRATION,
    "gateway.grant": RetentionClass.ADMINISTRATION,
    "gateway.token": RetentionClass.DETECTION,
    "gateway.order": RetentionClass.DETECTION,
    "gateway.custody": RetentionClass.DETECTION,
    "gateway.probe": RetentionClass.DETECTION,
    "gateway.approval": RetentionClass.DETECTION,
    "ingest": RetentionClass.TRAFFIC,
    "policy": RetentionClass.ADMINISTRATION,
    "registry": RetentionClass.DEFINITION,
    "detect": RetentionClass.DETECTION,
    "respond": RetentionClass.DETECTION,
    "operators": RetentionClass.ADMINISTRATION,
    "web": RetentionClass.ADMINISTRATION,
    "admin": RetentionClass.ADMINISTRATION,
    "exercise": RetentionClass.DETECTION,
}


def retention_class(kind: str) -> RetentionClass:
    """The class of a kind. A kind that nobody knows is kept as long as what is kept longest."""
    parts = kind.split(".")
    for length in (2, 1):
        found = _BY_PREFIX.get(".".join(parts[:length]))
        if found is not None:
            return found
    return RetentionClass.RECORD
