"""A search as the page shows it: links that narrow, exclude and zoom, a chart's bars, an event's pivots. Pure.

Every link is a whole search again, in the query language, so that a page can be sent to somebody and means the same.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from urllib.parse import urlencode

from watchkeeper.core.clock import to_iso
from watchkeeper.events import Event
from watchkeeper.events.query import BadQuery, written
from watchkeeper.events.query.fields import SEVERITIES
from watchkeeper.events.query.model import All, Compare, Contains, Expr, Is, Not, Pattern
from watchkeeper.events.search import Asked
from watchkeeper.events.search.conversation import left_out
from watchkeeper.events.search.counting import Counts

PRESETS = (
    ("15m", "15 minutes"),
    ("1h", "hour"),
    ("4h", "4 hours"),
    ("24h", "24 hours"),
    ("7d", "7 days"),
    ("30d", "30 days"),
    ("all", "all there is"),
)
_STOPPED = ("deny", "ask", "failure")
_WIDTH, _HEIGHT = 960, 84
_LONGEST = 1500
"""Characters of an argument or a result in an opened row; the event's own page has all."""
_LINKED = 200
"""Characters of a value that a link names exactly; of a longer one it looks for the beginning."""
_MEMBERS = ("session", "correlation", "approval", "incident", "principal", "event", "policy", "ending")


@dataclass(frozen=True)
class Wrong:
    """Why a search cannot be made, and where in the query."""

    reason: str
    hint: str = ""
    before: str = ""
    there: str = ""
    behind: str = ""


@dataclass(frozen=True)
class Place:
    """Where one is: what was typed, and the range as it was chosen."""

    text: str
    since: str
    until: str
    follow: bool = False
    asked: Asked | None = None

    def address(self, **changed: str) -> str:
        """The same search with other parts; a page never goes along."""
        parts = {"q": self.text, "since": self.since, "until": self.until, "follow": "1" if self.follow else ""}
        kept = {name: value for name, value in (parts | changed).items() if value}
        return f"/events?{urlencode(kept, errors='replace')}" if kept else "/events"

    def only(self, field: str, value: object) -> str:
        """Narrowed to this value."""
        return self.address(q=self._and(_exactly(field, value)))

    def without(self, field: str, value: object) -> str:
        """Without this value."""
        return self.address(q=self._and(Not(_exactly(field, value))))

    def zoomed(self, start: int, end: int) -> str:
        return self.address(since=to_iso(start), until=to_iso(end), follow="")

    def export(self, form: str, now: int) -> str:
        assert self.asked is not None
        return f"/events/export?{self.asked.link(now, format=form)}"

    def permanent(self, now: int) -> str:
        assert self.asked is not None
        return f"/events?{self.asked.link(now)}"

    def _and(self, part: Expr) -> str:
        here = self.asked.whole if self.asked is not None else None
        if here is None:
            return written(part)
        parts = here.parts if isinstance(here, All) else (here,)
        return written(here if part in parts else All((*parts, part)))


@dataclass(frozen=True)
class Bar:
    """One span of the chart, drawn."""

    x: float
    width: float
    good_y: float
    good: float
    bad_y: float
    bad: float
    start: int
    end: int
    total: int
    stopped: int


@dataclass(frozen=True)
class Chart:
    bars: Sequence[Bar]
    top: int
    width: int = _WIDTH
    height: int = _HEIGHT


def chart(counts: Counts) -> Chart:
    """The bars of a histogram, stopped ones at the bottom."""
    top = max((span.total for span in counts.spans), default=0)
    step = _WIDTH / max(1, len(counts.spans))
    bars = []
    for number, span in enumerate(counts.spans):
        stopped = sum(span.counts.get(word, 0) for word in _STOPPED)
        bad = _tall(stopped, top)
        good = _tall(span.total - stopped, top)
        bars.append(
            Bar(
                x=round(number * step, 2),
                width=round(max(0.8, step - min(2.0, step * 0.15)), 2),
                good_y=_HEIGHT - bad - good,
                good=good,
                bad_y=_HEIGHT - bad,
                bad=bad,
                start=span.start,
                end=span.start + counts.span,
                total=span.total,
                stopped=stopped,
            )
        )
    return Chart(bars, top)


def wrong(error: BadQuery) -> Wrong:
    """A bad query, cut into what stands before the place, at it, and behind it."""
    begin = max(0, error.at - 200)
    end = error.at + error.length
    return Wrong(
        error.reason,
        error.hint,
        ("…" if begin else "") + error.text[begin : error.at],
        error.text[error.at : end] or " ",
        error.text[end : end + 200],
    )


def pivots(event: Event) -> list[tuple[str, str, str]]:
    """(field, value, as it is shown) of everything in an event that one may go on from."""
    rows = [
        ("kind", event.kind),
        ("actor", event.actor),
        ("claimed", event.claimed),
        ("server", event.server),
        ("target", event.target),
        ("outcome", event.outcome),
        ("severity", SEVERITIES[event.severity - 1]),
        ("era", event.era),
        ("trace", event.trace.partition("-")[0]),
        ("method", event.body.get("method")),
        *(("label", label) for label in event.labels),
        *(("rule", rule) for rule in _texts(event.body.get("rules"))),
        *(("finding", _text(one.get("label"))) for one in _dicts(event.body.get("findings"))),
        *((name, event.body.get(name)) for name in _MEMBERS),
    ]
    seen = dict.fromkeys((name, value) for name, value in rows if isinstance(value, str) and value)
    return [(name, value, value) for name, value in seen]


def said(event: Event) -> list[tuple[str, str]]:
    """What was said, for an opened row: arguments, result, a message; what was not kept is said to be so."""
    rows = [(name, _text(event.body.get(name))) for name in ("arguments", "result", "message")]
    shown = [(name, text if len(text) <= _LONGEST else text[:_LONGEST] + " …") for name, text in rows if text]
    return [*shown, *((f"{name}: {words}", "") for name, words in left_out(event))]


def _tall(count: int, top: int) -> float:
    return round(max(1.5, count * _HEIGHT / top), 2) if count and top else 0.0


def _exactly(field: str, value: object) -> Expr:
    text = str(value)
    if len(text) > _LINKED:
        return Contains(text[:_LINKED])  # a link must not be as long as what an agent may say
    if field == "severity":
        level = SEVERITIES.index(text) + 1 if text in SEVERITIES else int(text)
        return Compare(field, "=", level)
    if field in ("status", "version"):
        return Compare(field, "=", int(text))
    return Is(field, (Pattern(text),))


def _text(value: object) -> str:
    return value if isinstance(value, str) else ""


def _texts(value: object) -> list[str]:
    return [one for one in value if isinstance(one, str)] if isinstance(value, (list, tuple)) else []


def _dicts(value: object) -> list[dict[str, object]]:
    return [one for one in value if isinstance(one, dict)] if isinstance(value, (list, tuple)) else []
