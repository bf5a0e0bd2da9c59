"""What work on incidents speaks of. No I/O."""

from __future__ import annotations

from enum import StrEnum

import msgspec

from watchkeeper.events.model import SEVERITIES
from watchkeeper.respond.model import Alert, Entry, Incident, Run

SEVERITY_WORDS = {str(number): word for number, word in SEVERITIES.items()}


class Disposition(StrEnum):
    """What a closed incident was."""

    TRUE_POSITIVE = "true_positive"
    """An attack."""
    BENIGN_TRUE_POSITIVE = "benign_true_positive"
    """What the rules describe did happen, and it was meant to."""
    FALSE_POSITIVE = "false_positive"
    """It did not happen: a rule is wrong."""
    DUPLICATE = "duplicate"
    """Another incident says the same."""
    TEST = "test"
    """Somebody tried something out."""
    INSUFFICIENT_DATA = "insufficient_data"
    """Nobody can tell."""


class LinkKind(StrEnum):
    """What an incident can have to do with."""

    ALERT = "alert"
    SERVER = "server"
    PRINCIPAL = "principal"
    TOOL = "tool"
    """`SERVER/TOOL`."""
    FINGERPRINT = "fingerprint"
    """Of a version of a definition."""
    ADVISORY = "advisory"
    """An identifier such as `CVE-2025-6514`, or the page of one."""
    HUNT = "hunt"
    INCIDENT = "incident"
    TICKET = "ticket"
    """A page of another system, by its address."""


class NoteKind(StrEnum):
    """What a note is for."""

    NOTE = "note"
    LESSON = "lesson"
    """What was learnt; tasks can follow from it."""
    INJECT = "inject"
    """What a tabletop exercise lets happen (NIST SP 800-84)."""


class Change(msgspec.Struct, frozen=True):
    """A member that a person changed, with what it was before."""

    time: int
    by: str
    field: str
    was: str
    becomes: str
    reason: str

    @property
    def was_told(self) -> str:
        """What it was, as people say it."""
        return self._told(self.was)

    @property
    def becomes_told(self) -> str:
        """What it became, as people say it."""
        return self._told(self.becomes)

    def _told(self, value: str) -> str:
        return SEVERITY_WORDS.get(value, value) if self.field == "severity" else value


class Note(msgspec.Struct, frozen=True):
    """What somebody wrote down."""

    id: str
    incident: str
    time: int
    by: str
    text: str
    kind: NoteKind = NoteKind.NOTE
    corrects: str = ""
    """Id of the note that this one corrects; both stay."""


class Task(msgspec.Struct, frozen=True):
    """What somebody is to do."""

    id: str
    incident: str
    title: str
    created_by: str
    created_at: int
    assignee: str = ""
    due_at: int = 0
    """0 where nobody said when."""
    done_at: int = 0
    done_by: str = ""
    lesson: str = ""
    """Id of the lesson that it follows from; empty for a task of the response itself."""

    def is_overdue(self, now: int) -> bool:
        """Whether it should have been done by now."""
        return 0 < self.due_at < now and not self.done_at


class Link(msgspec.Struct, frozen=True):
    """Something that an incident has to do with."""

    id: str
    kind: LinkKind
    value: str
    by: str
    time: int
    title: str = ""


class Effort(msgspec.Struct, frozen=True):
    """Time that somebody says they spent."""

    id: str
    time: int
    by: str
    minutes: int
    what: str = ""


class Stamp(msgspec.Struct, frozen=True):
    """When an incident came to a category of CSF 2.0, as SP 800-61r3 profiles it for incident response."""

    function: str
    category: str
    """CSF 2.0 identifier, such as `RS.MI`."""
    name: str
    at: int
    """0 while it has not come there."""
    source: str
    """The fact that it is taken from."""


class CaseFile(msgspec.Struct, frozen=True):
    """Everything about one incident but its timeline, which `timeline` gives by the page."""

    incident: Incident
    alerts: tuple[Alert, ...]
    runs: tuple[Run, ...]
    tasks: tuple[Task, ...]
    notes: tuple[Note, ...]
    links: tuple[Link, ...]
    history: tuple[Change, ...]
    effort: tuple[Effort, ...]
    phases: tuple[Stamp, ...]
    merged: tuple[Incident, ...] = ()
    """Incidents that were merged into this one."""
    entries: int = 0
    """Lines of its timeline."""


class TimelinePage(msgspec.Struct, frozen=True):
    """Some lines of a timeline, in its order."""

    entries: tuple[Entry, ...]
    offset: int
    total: int


class Filter(msgspec.Struct, frozen=True):
    """Which incidents are asked for; an empty member asks for nothing."""

    text: str = ""
    """Searched in number, title, server and principal."""
    state: str = ""
    status: str = ""
    """A status, or `open` for all but closed ones."""
    severity: int = 1
    """At least."""
    assignee: str = ""
    """`operator:NAME`, or `nobody`."""
    server: str = ""
    principal: str = ""
    since: int = 0
    """Opened at this time or later."""
    merged: bool = False
    """Also those that were merged into others."""


class Page(msgspec.Struct, frozen=True):
    """Some of the incidents that were asked for, the newest first."""

    incidents: tuple[Incident, ...]
    total: int
