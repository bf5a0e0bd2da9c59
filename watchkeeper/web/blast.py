"""The blast radius of an incident as a drawing: who was touched, by what, and what holds it. Pure; trusts no name.

Things stand in lanes from left to right: the incident, the rules that matched, who acted, with what, where, and the
orders in force. Of each lane a few are drawn, those with the most to do with the rest; how many more there are is said.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from itertools import pairwise
from typing import TYPE_CHECKING

from watchkeeper.web.commands import link
from watchkeeper.web.shapes import state

if TYPE_CHECKING:
    from watchkeeper.respond.cases.model import CaseFile
    from watchkeeper.respond.model import Alert
    from watchkeeper.web.model import OrderRow

Key = tuple[str, str]
LANES = (
    ("Incident", ("incident",)),
    ("Rules that matched", ("rule",)),
    ("Who", ("principal", "session")),
    ("With what", ("tool", "indicator")),
    ("Where", ("server", "elsewhere")),
    ("Orders in force", ("order",)),
)
MOST = 7
"""Things that are drawn in a lane."""
LONGEST = 1_000
"""Characters of a name that leads anywhere: what is longer would be in the page over and over."""
WIDTH, HEIGHT, ACROSS, DOWN, TOP = 178, 46, 40, 12, 30
_SERVERS = frozenset({"quarantine_server", "block_server", "drain_transport", "set_read_only"})
_STANDINGS = {
    "held": ("⊘", "good", "order in force"),
    "doubted": ("◐", "warn", "in force, not proven"),
    "stopped": ("✕", "note", "stopped"),
    "loose": ("▲", "bad", "not contained"),
    "past": ("·", "quiet", "the incident is closed"),
}
"""Standing → symbol, tone, words: nothing is said by colour alone."""


@dataclass(frozen=True)
class Thing:
    """Something that an incident has to do with."""

    kind: str
    name: str
    symbol: str = ""
    tone: str = "quiet"
    words: str = ""
    """How it stands."""
    address: str = ""
    label: str = ""
    """What it is called for people, where its name is an id."""
    ties: tuple[Key, ...] = ()
    """What it is connected with."""

    @property
    def key(self) -> Key:
        return self.kind, self.name


@dataclass(frozen=True)
class Box:
    """A thing in its place, in the drawing's own units."""

    thing: Thing
    x: int
    y: int


@dataclass(frozen=True)
class Lane:
    """A column."""

    title: str
    x: int
    more: int = 0
    """Things that are not drawn."""
    end: int = 0
    """Below its last box."""


@dataclass(frozen=True)
class Drawing:
    """Everything that the page draws, and all things for the table that says the same."""

    width: int
    height: int
    lanes: Sequence[Lane]
    boxes: Sequence[Box]
    lines: Sequence[str]
    """Paths."""
    things: Sequence[Thing]


def drawn(file: CaseFile, orders: Sequence[OrderRow]) -> Drawing:
    """The drawing of an incident with its orders."""
    things = things_of(file, [order for order in orders if not order.lifted_at])
    ties = {frozenset((thing.key, other)) for thing in things for other in thing.ties}
    counted = Counter(key for tie in ties for key in tie)
    boxes: dict[Key, Box] = {}
    lanes, x = [], 0
    columns = [(title, _ranked((t for t in things if t.kind in kinds), counted)) for title, kinds in LANES]
    tallest = max(min(len(column), MOST) + (len(column) > MOST) for _, column in columns)
    for title, column in columns:
        if not column:
            continue
        shown = column[:MOST]
        y = TOP + (tallest - len(shown) - (len(column) > MOST)) * (HEIGHT + DOWN) // 2
        for thing in shown:
            boxes[thing.key] = Box(thing, x, y)
            y += HEIGHT + DOWN
        lanes.append(Lane(title, x, len(column) - len(shown), y))
        x += WIDTH + ACROSS
    lines = sorted(
        _path(*sorted((boxes[key] for key in tie), key=lambda b: b.x)) for tie in ties if tie <= boxes.keys()
    )
    return Drawing(x - ACROSS, TOP + tallest * (HEIGHT + DOWN), lanes, list(boxes.values()), lines, things)


def things_of(file: CaseFile, orders: Sequence[OrderRow]) -> list[Thing]:
    """Everything that it has to do with, each once, with its ties."""
    ties: dict[Key, set[Key]] = {("incident", file.incident.number): set()}
    stopped: dict[Key, bool] = {}
    for alert in file.alerts:
        _tie_alert(ties, stopped, ("incident", file.incident.number), alert)
    if not file.alerts:  # what a person said it is about: else it stands in the alerts
        for kind, name in (("principal", file.incident.principal), ("server", file.incident.server)):
            if name:
                _tie(ties, ("incident", file.incident.number), (kind, name))
    for one in file.links:
        if one.kind.value in ("server", "principal", "tool"):
            _tie(ties, ("incident", file.incident.number), (one.kind.value, one.value))
    held: set[Key] = set()
    for order in orders:
        subjects = _subjects(order, file.alerts)
        for subject in subjects or [("incident", file.incident.number)]:
            _tie(ties, ("order", f"{order.kind.replace('_', ' ')} {order.target}"), subject)
        held |= set(subjects)
    for alert in file.alerts:  # whoever is held, or is kept from a server, has no session that goes on
        if alert.session and {("principal", alert.principal), ("server", alert.server)} & held:
            held.add(_session(alert))
    return [_thing(file, key, ties[key], held, stopped) for key in ties]


def _tie_alert(ties: dict[Key, set[Key]], stopped: dict[Key, bool], incident: Key, alert: Alert) -> None:
    rule = ("rule", alert.rule)
    _tie(ties, incident, rule)
    chain = [rule]
    if alert.principal:
        chain.append(("principal", alert.principal))
    if alert.target and alert.target != alert.server:
        chain.append(("tool", f"{alert.server}/{alert.target}" if alert.server else alert.target))
    if alert.server:
        chain.append(("server", alert.server))
    for left, right in pairwise(chain):
        _tie(ties, left, right)
    if alert.session:
        session, at = _session(alert), 2 if alert.principal else 1
        for other in chain[at - 1 : at + 1]:  # whose it is, or what found it; and what was done in it
            _tie(ties, session, other)
        chain.append(session)
    for kind, value, _ in alert.indicators:
        _tie(ties, rule, ("indicator", f"{kind} {value}"))
    for key in chain[1:]:
        stopped[key] = stopped.get(key, True) and alert.was_stopped


def _session(alert: Alert) -> Key:
    """As orders name it."""
    return "session", f"{alert.server or '*'}/session:{alert.session}"


def _tie(ties: dict[Key, set[Key]], left: Key, right: Key) -> None:
    ties.setdefault(left, set()).add(right)
    ties.setdefault(right, set()).add(left)


def _subjects(order: OrderRow, alerts: Iterable[Alert]) -> list[Key]:
    """What an order is about."""
    kind, target = order.kind, order.target
    if kind == "hold_tool" or (kind == "taint_source" and "/" in target):
        return [("tool", target)]
    if kind in _SERVERS or kind == "taint_source":
        return [("server", target)]
    if kind == "block_version":
        return [("server", target.rpartition("@")[0] or target)]
    if kind == "quarantine_principal":
        return [("principal", _as_seen(target, alerts))]
    if kind == "quarantine_session":
        what, _, name = target.partition("/")[2].partition(":")
        return [("principal", _as_seen(name, alerts)) if what == "principal" and name else ("session", target)]
    if kind == "deny_egress":
        server, slash, host = target.partition("/")
        return [("server", server), ("elsewhere", host)] if slash else [("elsewhere", target)]
    known = [f"{a.server}/{a.target}" for a in alerts if a.fingerprint and a.fingerprint == target]
    return [("tool", name) for name in dict.fromkeys(known)]


def _as_seen(principal: str, alerts: Iterable[Alert]) -> str:
    """An order's name of a client, as the alerts write it."""
    return next((a.principal for a in alerts if a.principal in (principal, f"agent:{principal}")), principal)


def _thing(file: CaseFile, key: Key, ties: set[Key], held: set[Key], stopped: dict[Key, bool]) -> Thing:
    kind, name = key
    bare = Thing(kind, name, address=_address(kind, name), ties=tuple(sorted(ties)))
    if kind == "rule":
        return replace(bare, label=next((a.title for a in reversed(file.alerts) if a.rule == name), ""))
    if kind == "indicator":
        return bare
    if kind == "session":
        bare = replace(bare, label=f"{name.partition('/')[0]} {name.rpartition(':')[2][:8]}")
    if kind == "order":
        return replace(bare, symbol="⊘", tone="note", words="in force")
    if kind == "incident":
        symbol, tone, words = state(file.incident.state.value)
        return replace(bare, symbol=symbol, tone=tone, words=words)
    is_proven = file.incident.state.value in ("contained", "closed")
    if key in held or (kind == "tool" and ("server", name.partition("/")[0]) in held):
        standing = "held" if is_proven else "doubted"
    elif file.incident.state.value == "closed":
        standing = "past"
    else:
        standing = "stopped" if stopped.get(key) else "loose"
    symbol, tone, words = _STANDINGS[standing]
    return replace(bare, symbol=symbol, tone=tone, words=words)


def _address(kind: str, name: str) -> str:
    if len(name) > LONGEST:
        return ""
    if kind == "rule":
        return link("rules", name)
    if kind in ("principal", "server"):
        return link("alerts", state="all", **{kind: name})
    if kind == "tool":
        server, _, tool = name.partition("/")
        return link("definition", server=server, kind="tool", name=tool)
    if kind == "session":
        return link("conversations", name.rpartition(":")[2] or name)
    if kind == "indicator":
        return link("intelligence", q=name.partition(" ")[2])
    return "#orders" if kind == "order" else ""


def _ranked(things: Iterable[Thing], counted: Counter[Key]) -> list[Thing]:
    loud = {"bad": 0, "warn": 1, "good": 2}
    return sorted(things, key=lambda t: (loud.get(t.tone, 3), t.kind == "session", -counted[t.key], t.kind, t.name))


def _path(left: Box, right: Box) -> str:
    begin, end = left.x + WIDTH, right.x
    if end <= begin:  # in one lane: round the outside
        begin = end = left.x + WIDTH
        bend = begin + ACROSS // 2
    else:
        bend = (begin + end) // 2
    y1, y2 = left.y + HEIGHT // 2, right.y + HEIGHT // 2
    return f"M{begin} {y1}C{bend} {y1} {bend} {y2} {end} {y2}"
