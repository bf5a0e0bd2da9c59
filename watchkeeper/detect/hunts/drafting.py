"""From a few events to a rule that tells them from what went on beside them, with its tests. Pure.

The chosen events become `match` tests, their neighbours `clean` ones. What all chosen ones have and neighbours lack is
the condition: as few fields as do it, the general before the particular (what was found and decided, then who and
where). A draft is a beginning: whoever enables it reads it first.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import msgspec
import yaml

from watchkeeper.core.errors import Invalid
from watchkeeper.detect.check import check
from watchkeeper.detect.model import Heading
from watchkeeper.detect.sigma.rules import parse_rule
from watchkeeper.events import Event

_PREFERRED = (
    "body.findings.label", "body.findings.rule", "body.rules", "body.answer.outcome", "body.method", "outcome",
    "body.code", "body.status", "target", "server",
)  # fmt: skip
_MEMBERS = ("outcome", "server", "target", "actor")
_NEVER = frozenset(
    {"id", "correlation", "duration_us", "bytes_in", "bytes_out", "session", "version", "excerpt", "start", "end"}
    | {"path", "position", "arguments", "result", "message", "captured", "asked", "policy", "route", "reason"}
)
"""Of a body: what is another in each event, or is long."""
_TEXTS = ("body.arguments", "body.result")
_TOKEN = re.compile(r"[A-Za-z0-9_./~:@-]{6,80}")
_LAST = 1000
_CLEAN = 3
_DEPTH = 4


class Part(msgspec.Struct, frozen=True):
    """One comparison of the draft."""

    field: str
    """As Sigma writes it, its modifier apart."""
    value: Any
    is_contained: bool = False
    """Whether the value is a part of the text."""

    def holds(self, fields: Mapping[str, Sequence[Any]]) -> bool:
        values = fields.get(self.field, ())
        return any(self.value in one for one in values) if self.is_contained else self.value in values


def draft(heading: Heading, chosen: Sequence[Event], neighbours: Sequence[Event], rule_id: str) -> str:
    """The file's text. Raises `Invalid` when nothing tells the events from their neighbours."""
    if not chosen:
        raise Invalid("no event stands behind these rows", hint="choose rows that name an event's id, or who and when")
    kinds = sorted({event.kind for event in chosen})
    beside = [event for event in neighbours if event.kind in kinds]
    parts = _parts(chosen, beside)
    detection: dict[str, Any] = {"kind": kinds[0] if len(kinds) == 1 else kinds}
    for part in parts:
        detection[f"{part.field}|contains" if part.is_contained else part.field] = _sigma(part.value)
    clean = [_reduced(event, parts) for event in beside[:_CLEAN]] or [_another(chosen[0], parts)]
    document = {
        "title": f"{heading.title} (draft)",
        "id": rule_id,
        "name": f"{heading.name.removeprefix('hunt_')}_draft",
        "status": "experimental",
        "description": f"Drafted from {len(chosen)} events that the hunt {heading.name.removeprefix('hunt_')} found.",
        "tags": list(heading.tags),
        "logsource": {"product": "mcp", "service": "watchkeeper", "category": kinds[0].partition(".")[0]},
        "detection": {"found": detection, "condition": "found"},
        "falsepositives": ["Not known yet: simulate it before it may wake anyone."],
        "level": heading.level.name.lower(),
        "watchkeeper": {
            "response": heading.response,
            "tests": {"match": _distinct(_reduced(event, parts) for event in chosen), "clean": _distinct(clean)},
        },
    }
    if len({kind.partition(".")[0] for kind in kinds}) > 1:
        del document["logsource"]["category"]  # type: ignore[attr-defined]
    text: str = yaml.safe_dump(document, sort_keys=False, width=118)
    if wrong := check(parse_rule(text, "draft")).wrong:
        raise Invalid(f"the draft fails its own tests: {wrong[0]}", hint="choose fewer rows, or rows that are alike")
    return text


def _parts(chosen: Sequence[Event], beside: Sequence[Event]) -> list[Part]:
    """The fewest comparisons that all chosen ones pass and no neighbour does."""
    fields = [fields_of(event) for event in chosen]
    candidates = _candidates(fields)
    left = [fields_of(event) for event in beside]
    parts: list[Part] = []
    while left:
        best = max(candidates, key=lambda part: sum(not part.holds(one) for one in left), default=None)
        if best is None or all(best.holds(one) for one in left):
            raise Invalid(
                f"nothing tells these events from {len(left)} of their neighbours",
                hint="choose fewer rows, or rows that are alike",
            )
        parts.append(best)
        left = [one for one in left if best.holds(one)]
    return parts or [part for part in candidates if part.field != "actor"][:2]


def _candidates(every: Sequence[Mapping[str, Sequence[Any]]]) -> list[Part]:
    """What all have in common, the general first."""
    first = every[0]
    common = [
        Part(name, value)
        for name, values in first.items()
        if name not in _TEXTS
        for value in values
        if all(value in one.get(name, ()) for one in every)
    ]
    for name in _TEXTS:
        tokens = {token for text in first.get(name, ()) for token in _TOKEN.findall(str(text))}
        shared = [token for token in tokens if all(any(token in text for text in one.get(name, ())) for one in every)]
        common += [Part(name, token, is_contained=True) for token in sorted(shared, key=lambda t: (-len(t), t))[:20]]
    return sorted(common, key=_rank)


def _rank(part: Part) -> tuple[int, str]:
    if part.field == "actor":
        return _LAST, part.field
    known = _PREFERRED.index(part.field) if part.field in _PREFERRED else len(_PREFERRED) + part.is_contained
    return known, f"{part.field} {part.value}"


def fields_of(event: Event) -> dict[str, list[Any]]:
    """What a draft may compare, by field."""
    found = {name: [value] for name in _MEMBERS if (value := getattr(event, name))}
    _walk(event.body, "body", found, 0)
    for name in _TEXTS:
        text = event.body.get(name.removeprefix("body."))
        if isinstance(text, str):
            found[name] = [text]
    return found


def _walk(value: Any, name: str, found: dict[str, list[Any]], depth: int) -> None:
    if isinstance(value, dict) and depth < _DEPTH:
        for key, inner in value.items():
            if key not in _NEVER and re.fullmatch(r"[a-z_]{1,40}", key):
                _walk(inner, f"{name}.{key}", found, depth + 1)
    elif isinstance(value, list):
        for inner in value[:20]:
            _walk(inner, name, found, depth)
    elif isinstance(value, str | int) and value not in ("", None) and len(str(value)) <= 200:
        found.setdefault(name, []).append(value)


def _reduced(event: Event, parts: Sequence[Part]) -> dict[str, Any]:
    """The event as a test: who and where, and of its body what the draft compares."""
    test: dict[str, Any] = {"kind": event.kind}
    test |= {name: getattr(event, name) for name in ("actor", "server", "target", "outcome") if getattr(event, name)}
    body: dict[str, Any] = {}
    for part in parts:
        path = part.field.split(".")
        if path[0] == "body":
            _copy(event.body, body, path[1:], part)
    return test | ({"body": body} if body else {})


def _copy(value: Mapping[str, Any], into: dict[str, Any], path: Sequence[str], part: Part) -> None:
    inner = value.get(path[0])
    if inner is None:
        return
    if len(path) == 1:
        if part.is_contained:  # the rest of a long text is nobody's business
            inner = part.value if part.value in str(inner) else "something else"
        into[path[0]] = inner
    elif isinstance(inner, dict):
        _copy(inner, into.setdefault(path[0], {}), path[1:], part)
    elif isinstance(inner, list):
        kept: list[dict[str, Any]] = into.setdefault(path[0], [{} for one in inner if isinstance(one, dict)])
        for one, to in zip((one for one in inner if isinstance(one, dict)), kept, strict=False):
            _copy(one, to, path[1:], part)


def _another(event: Event, parts: Sequence[Part]) -> dict[str, Any]:
    """A clean example where there is no neighbour: the same in all but one thing."""
    test = _reduced(event, parts)
    if not parts:
        return test | {"kind": "gateway.process.started"}
    path = parts[0].field.split(".")
    at: Any = test
    for name in path[:-1]:
        at = at[name][0] if isinstance(at[name], list) else at[name]
    at[path[-1]] = "something else"
    return test


def _sigma(value: Any) -> Any:
    """A value in which nothing is a wildcard."""
    return re.sub(r"([\\*?])", r"\\\1", value) if isinstance(value, str) else value


def _distinct(tests: Iterable[dict[str, Any]]) -> list[dict[str, Any]]:
    return list({msgspec.json.encode(test): test for test in tests}.values())
