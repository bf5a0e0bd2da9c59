"""What the page of an incident needs from below, as a Protocol, and where one is on it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Protocol

from watchkeeper.web.commands import link

if TYPE_CHECKING:  # who only reads settings must not wait for response
    from watchkeeper.operators.model import Acting
    from watchkeeper.respond.cases.model import CaseFile, Change, TimelinePage
    from watchkeeper.respond.cases.similar import Likeness
    from watchkeeper.web.model import OrderRow

LINES = 60
"""Lines of a timeline on one page."""
MARKS = ("attack", "alert", "action", "contained", "failed", "note")
FORMATS = (
    ("pdf", "Report (PDF)", "the report after an incident, for people"),
    ("markdown", "Report (Markdown)", "the same as text"),
    ("jsonl", "JSON lines", "everything, as `incidents import` takes it"),
    ("stix", "STIX 2.1", "a bundle for threat intelligence platforms"),
    ("veris", "VERIS", "a record for the sharing of incidents"),
    ("ocsf", "OCSF 2005", "an incident finding for a data lake"),
    ("timesketch", "Timesketch", "its timeline"),
)
DISPOSITIONS = (
    ("true_positive", "True positive", "An attack."),
    ("benign_true_positive", "Benign", "It happened, and it was meant to."),
    ("false_positive", "False positive", "It did not happen: a rule is wrong."),
    ("duplicate", "Duplicate", "Another incident says the same."),
    ("test", "Test", "Somebody tried something out."),
    ("insufficient_data", "Cannot be told", "There is not enough to say."),
)
STATUSES = ("in_progress", "on_hold", "resolved")


@dataclass(frozen=True)
class CaseWhole:
    """An incident with everything about it, and what who looks may do."""

    file: CaseFile
    timeline: TimelinePage
    orders: Sequence[OrderRow] = ()
    similar: Sequence[Likeness] = ()
    people: Sequence[str] = ()
    """Operators whom it can be given to, by name."""
    into: str = ""
    """Number of the incident that it was merged into."""
    exercise: bool = False
    may_work: bool = False
    may_arrange: bool = False

    def since(self, revision: int) -> Sequence[Change]:
        """What was changed after this revision was shown; nothing where none was."""
        behind = self.file.incident.revision - revision
        return self.file.history[-behind:] if revision > 0 and behind > 0 else ()


class Cases(Protocol):
    """Incidents of one tenant. Every method blocks. Raises `Denied`."""

    def show(self, acting: Acting, name: str, place: CasePlace, *, similar: bool) -> CaseWhole:
        """By number or id. Raises `NotFound`."""
        ...

    def act(self, acting: Acting, name: str, said: Mapping[str, str]) -> str:
        """What a form asks for; where it leads, as the number of an incident.

        Raises `Invalid`, `Conflict`, `NotFound`: nothing is done.
        """
        ...

    def export(self, acting: Acting, name: str, form: str) -> bytes:
        """In one of `FORMATS`. That it left the house is recorded. Raises `NotFound`, `Invalid`."""
        ...


@dataclass(frozen=True)
class CasePlace:
    """Which part of a timeline an address asks for."""

    incident: str
    mark: str = ""
    page: int = 1
    posted: Mapping[str, str] = field(default_factory=dict)
    """What a form said that was refused: nobody writes it twice."""

    @property
    def offset(self) -> int:
        return (self.page - 1) * LINES

    @property
    def act(self) -> str:
        """Which form was refused."""
        return self.posted.get("act", "")

    def address(self, *, mark: str = "", page: int = 1) -> str:
        """The same incident with other lines."""
        return link("incidents", self.incident, mark=mark, page="" if page == 1 else page) + "#timeline"

    def was(self, act: str, name: str) -> str:
        """What was said in this field, if it was this act that was refused."""
        return self.posted.get(name, "") if self.act == act else ""


def place_of(incident: str, params: Mapping[str, str], posted: Mapping[str, str] | None = None) -> CasePlace:
    """The place of an address; what makes no sense in it is left out."""
    mark, page = params.get("mark", ""), params.get("page", "")
    number = int(page) if page.isascii() and page.isdigit() and len(page) < 6 else 1
    return CasePlace(incident, mark if mark in MARKS else "", max(1, number), posted or {})
