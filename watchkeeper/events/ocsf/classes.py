"""The classes of OCSF that our events become, with their numbers and names. Pure data.

From the published schema of `VERSION`; a test holds every class, activity and profile against it.
"""

from __future__ import annotations

import msgspec

VERSION = "1.8.0"
OTHER = 99
"""OCSF's number for what it has no number for; the name beside it says what it is."""
CONTROL = "security_control"
AI = "ai_operation"
TRACE = "trace"

_CATEGORIES = {
    0: "Uncategorized",
    1: "System Activity",
    2: "Findings",
    3: "Identity & Access Management",
    6: "Application Activity",
    7: "Remediation",
}


class OcsfClass(msgspec.Struct, frozen=True):
    """One class of event."""

    uid: int
    name: str
    activities: dict[int, str]
    """Those that we use; `OTHER` is everywhere."""
    profiles: tuple[str, ...] = (CONTROL,)

    @property
    def category(self) -> int:
        return self.uid // 1000

    @property
    def category_name(self) -> str:
        return _CATEGORIES[self.category]


BASE = OcsfClass(0, "Base Event", {})
EVENT_LOG = OcsfClass(1008, "Event Log Activity", {2: "Delete", 6: "Start"})
DETECTION = OcsfClass(2004, "Detection Finding", {1: "Create", 2: "Update", 3: "Close"})
INCIDENT = OcsfClass(2005, "Incident Finding", {1: "Create", 2: "Update", 3: "Close"})
DATA_SECURITY = OcsfClass(2006, "Data Security Finding", {1: "Create", 2: "Update", 3: "Close"})
ACCOUNT_CHANGE = OcsfClass(3001, "Account Change", {1: "Create", 5: "Disable", 6: "Delete"})
AUTHENTICATION = OcsfClass(3002, "Authentication", {1: "Logon", 2: "Logoff"})
AUTHORIZE_SESSION = OcsfClass(3003, "Authorize Session", {1: "Assign Privileges"})
ENTITY = OcsfClass(
    3004,
    "Entity Management",
    {1: "Create", 3: "Update", 4: "Delete", 5: "Move", 8: "Enable", 10: "Activate", 12: "Suspend", 13: "Resume"},
)
USER_ACCESS = OcsfClass(3005, "User Access Management", {1: "Assign Privileges", 2: "Revoke Privileges"})
LIFECYCLE = OcsfClass(
    6002, "Application Lifecycle", {3: "Start", 4: "Stop", 5: "Restart", 6: "Enable", 7: "Disable", 8: "Update"}
)
API = OcsfClass(6003, "API Activity", {1: "Create", 2: "Read", 3: "Update", 4: "Delete"}, profiles=(AI, CONTROL, TRACE))
APP_ERROR = OcsfClass(6008, "Application Error", {1: "General Error"})
REMEDIATION = OcsfClass(7001, "Remediation Activity", {1: "Isolate", 3: "Restore"})

CLASSES = (
    BASE, EVENT_LOG, DETECTION, INCIDENT, DATA_SECURITY, ACCOUNT_CHANGE, AUTHENTICATION, AUTHORIZE_SESSION, ENTITY,
    USER_ACCESS, LIFECYCLE, API, APP_ERROR, REMEDIATION,
)  # fmt: skip

SEVERITIES = {1: "Informational", 2: "Low", 3: "Medium", 4: "High", 5: "Critical"}
SUCCESS, FAILURE = 1, 2
STATUSES = {SUCCESS: "Success", FAILURE: "Failure"}
