"""The rules as pages show them: read once, when somebody first asks; the files say what decides."""

from __future__ import annotations

import threading
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from watchkeeper.app.ranking import own_folder, register_of
from watchkeeper.app.rulebook import detections_of
from watchkeeper.core.content import content_folder
from watchkeeper.detect.check import check, check_correlation
from watchkeeper.detect.conditions.compiling import compile_condition
from watchkeeper.detect.conditions.fields import Fields
from watchkeeper.detect.conditions.model import Comparison, Condition, Literal
from watchkeeper.detect.conditions.scope import comparisons_of
from watchkeeper.detect.model import Heading
from watchkeeper.detect.proving.silence import Ranks
from watchkeeper.events import Event
from watchkeeper.web.alerts import Reason

if TYPE_CHECKING:
    from watchkeeper.app.platform import Platform
    from watchkeeper.app.settings import Loaded
    from watchkeeper.detect.sigma.rules import Detections

_REASONS = 40
_VALUES = 6
_LONGEST = 240
_DECIDES = ("logsource", "detection", "correlation")


@dataclass(frozen=True)
class Entry:
    """One rule, or one correlation."""

    heading: Heading
    kind: str
    tactic: str
    text: str
    group: str
    must_match: int
    must_not: int
    wrong: tuple[str, ...]
    tree: Condition | None
    """Of a rule about single events."""

    @property
    def id(self) -> str:
        return self.heading.id

    @property
    def condition(self) -> str:
        """The part of the file that decides."""
        return deciding(self.text)

    def reasons(self, event: Event) -> Sequence[Reason]:
        """The comparisons that hold of this event, with what was there."""
        if self.tree is None:
            return ()
        fields, found = Fields(event), dict[tuple[str, str, str], Reason]()
        for one in comparisons_of(self.tree):
            if len(found) < _REASONS and compile_condition(one)(fields):
                seen = tuple(text[:_LONGEST] for text in fields.texts(one.field)[:_VALUES]) if one.field else ()
                reason = Reason(one.field or "any text", one.operator.value, _wanted(one), seen)
                found[reason.field, reason.operator, reason.wanted] = reason
        return list(found.values())


class Rulebook:
    """Every rule that detection runs, by id."""

    def __init__(self, loaded: Loaded, platform: Platform) -> None:
        self._loaded = loaded
        self._platform = platform
        self._lock = threading.Lock()
        self._entries: Mapping[str, Entry] | None = None
        self._ranks: Ranks | None = None

    def all(self) -> Sequence[Entry]:
        """Every one. Raises `Misconfigured` when the rules cannot be loaded."""
        return list(self._read().values())

    def find(self, rule_id: str) -> Entry | None:
        """By its id, else by its name, as people write it."""
        known = self._read()
        return known.get(rule_id) or next((one for one in known.values() if one.heading.name == rule_id), None)

    def standing(self, entry: Entry) -> tuple[str, str]:
        """What it may do in this estate, and why not more."""
        self._read()
        assert self._ranks is not None
        found = self._ranks.of(entry.heading, self._platform.clock.now())
        return found.state.value, found.why

    def _read(self) -> Mapping[str, Entry]:
        with self._lock:
            if self._entries is None:
                detections = detections_of(self._loaded)
                self._ranks = Ranks(register_of(self._platform).all, own_folder(self._loaded), detections.rules)
                self._entries = {entry.id: entry for entry in _entries(detections)}
            return self._entries


def deciding(text: str) -> str:
    """The lines of a rule's file under the keys that decide."""
    lines, inside = [], False
    for line in text.splitlines():
        if line[:1].strip() and not line.startswith(("#", "-")):
            inside = line.partition(":")[0] in _DECIDES
        if inside:
            lines.append(line)
    return "\n".join(lines).strip()


def _entries(detections: Detections) -> Sequence[Entry]:
    found = [
        Entry(
            heading=rule,
            kind="rule" if rule.alone else "step",
            tactic=_tactic(rule.source),
            text=_text(rule.source),
            group=", ".join(rule.group),
            must_match=len(rule.match),
            must_not=len(rule.clean),
            wrong=check(rule).wrong,
            tree=rule.condition,
        )
        for rule in detections.rules
    ]
    for one in detections.correlations:
        trials = detections.trials.get(one.heading.id)
        found.append(
            Entry(
                heading=one.heading,
                kind="correlation",
                tactic=_tactic(one.heading.source),
                text=_text(one.heading.source),
                group=", ".join(one.group_by or one.group),
                must_match=len(trials.match) if trials is not None else 0,
                must_not=len(trials.clean) if trials is not None else 0,
                wrong=check_correlation(one, detections).wrong,
                tree=None,
            )
        )
    return found


def _text(source: str) -> str:
    try:
        return Path(source).read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError):
        return ""


def _tactic(source: str) -> str:
    path = Path(source)
    return path.parent.name.replace("-", " ") if path.is_relative_to(content_folder("detections")) else "your own"


def _wanted(one: Comparison) -> str:
    if one.parts:
        return "".join(part.text if isinstance(part, Literal) else "?" if part.one else "*" for part in one.parts)
    return "" if one.value is None else str(one.value)
