"""Alerts and rules as the pages show them: what the console asks for, and where one is in the queue."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Protocol
from urllib.parse import urlencode

if TYPE_CHECKING:  # who only reads settings must not wait for detection
    from watchkeeper.detect.alerts.exceptions.impact import Impact
    from watchkeeper.detect.alerts.queue.model import Alert, Opened, Page
    from watchkeeper.detect.alerts.queue.precision import Precision
    from watchkeeper.events import Event
    from watchkeeper.operators.model import Acting

STATES = ("open", "new", "acknowledged", "assigned", "closed", "all")
DISPOSITIONS = (
    ("true_positive", "True positive", "An attack, or what the rule is there to find."),
    ("benign_true_positive", "Benign", "It happened, and it was meant to."),
    ("false_positive", "False positive", "It did not happen: the rule is wrong."),
    ("duplicate", "Duplicate", "Another alert says the same; it counts for nothing."),
)
PAGE = 50


@dataclass(frozen=True)
class Reason:
    """One comparison of the rule's condition that holds of the event."""

    field: str
    operator: str
    wanted: str
    seen: tuple[str, ...]


@dataclass(frozen=True)
class RuleLine:
    """A rule in the list."""

    id: str
    name: str
    title: str
    level: int
    kind: str
    """`rule`, `correlation` or `step` (one that only feeds correlations)."""
    state: str
    """`enabled`, `silent` or `disabled`."""
    tags: tuple[str, ...] = ()
    tactic: str = ""
    """Where its file lies, in words."""
    precision: Precision | None = None
    volume: tuple[int, ...] = ()
    """Alerts a day, today last."""


@dataclass(frozen=True)
class RuleWhole:
    """A rule with everything about it."""

    line: RuleLine
    condition: str
    """The part of its file that decides."""
    text: str
    source: str
    group: str = ""
    falsepositives: tuple[str, ...] = ()
    response: str = ""
    playbook: str = ""
    why_state: str = ""
    must_match: int = 0
    must_not: int = 0
    wrong: tuple[str, ...] = ()
    """The tests of its own that it fails."""
    exceptions: Sequence[Mapping[str, Any]] = ()
    recent: Sequence[Alert] = ()


@dataclass(frozen=True)
class AlertWhole:
    """An alert with everything about it, and what who looks may do."""

    opened: Opened
    trigger: Event | None
    rule: RuleLine | None
    """None when there is no such rule any more."""
    condition: str = ""
    reasons: Sequence[Reason] = ()
    is_other_version: bool = False
    """Whether the rule has been changed since."""
    may_assess: bool = False
    may_except: bool = False
    precision: Precision | None = None
    told: Mapping[str, str] = field(default_factory=dict)


class Alerts(Protocol):
    """The queue and the rules, as who is in may see them. Every method blocks. Raises `Denied`."""

    def page(self, acting: Acting, asked: Mapping[str, Any], offset: int) -> Page: ...

    def show(self, acting: Acting, alert_id: str) -> AlertWhole:
        """Raises `NotFound`."""
        ...

    def assess(self, acting: Acting, alert_id: str, said: Mapping[str, str]) -> None:
        """`act`, `to`, `disposition`, `note`. Raises `NotFound`, `Invalid`, `Conflict`."""
        ...

    def try_exception(self, acting: Acting, draft: Mapping[str, Any]) -> Impact:
        """Raises `Invalid`."""
        ...

    def add_exception(self, acting: Acting, draft: Mapping[str, Any]) -> None:
        """Raises `Invalid`, `Conflict`."""
        ...

    def rules(self, acting: Acting) -> Sequence[RuleLine]: ...

    def rule(self, acting: Acting, rule_id: str) -> RuleWhole:
        """Raises `NotFound`."""
        ...


@dataclass(frozen=True)
class Place:
    """Where one is in the queue: everything that an address keeps."""

    state: str = "open"
    severity: str = ""
    rule: str = ""
    server: str = ""
    principal: str = ""
    who: str = ""
    """`me` or `nobody`."""
    kind: str = ""
    exception: str = ""
    q: str = ""
    page: str = ""

    def address(self, **changed: str) -> str:
        """The same place with other parts; another filter begins at its first page."""
        parts = {name: getattr(self, name) for name in self.__dataclass_fields__} | {"page": ""} | changed
        parts["state"] = "" if parts["state"] == "open" else parts["state"]
        kept = {name: value for name, value in parts.items() if value}
        return f"/alerts?{urlencode(kept, errors='replace')}" if kept else "/alerts"

    def asked(self, me: str) -> dict[str, Any]:
        """The filter that it stands for."""
        return {
            "state": self.state,
            "severity": int(self.severity or 1),
            "rule": self.rule,
            "server": self.server,
            "principal": self.principal,
            "assignee": me if self.who == "me" else self.who,
            "kind": self.kind,
            "exception": self.exception,
            "words": self.q,
        }

    @property
    def chips(self) -> list[tuple[str, str, str]]:
        """(filter, value, the address without it)."""
        named = {"rule": self.rule, "server": self.server, "principal": self.principal, "exception": self.exception}
        named["kind"] = "held back by exceptions" if self.kind == "excepted" else self.kind
        named["whose"] = {"me": "mine", "nobody": "nobody's"}.get(self.who, "")
        fields = {"whose": "who"}
        return [(name, value, self.address(**{fields.get(name, name): ""})) for name, value in named.items() if value]


def place_of(params: Mapping[str, str]) -> Place:
    """The place of an address; what makes no sense in it is left out."""
    known = {name: params.get(name, "")[:200] for name in Place.__dataclass_fields__}
    if known["state"] not in STATES:
        known["state"] = "open"
    if known["severity"] not in ("2", "3", "4", "5"):
        known["severity"] = ""
    if known["who"] not in ("me", "nobody"):
        known["who"] = ""
    if known["kind"] not in ("excepted", "throttled", "all"):
        known["kind"] = ""
    if not (known["page"].isascii() and known["page"].isdigit() and len(known["page"]) < 6):
        known["page"] = ""
    return Place(**known)
