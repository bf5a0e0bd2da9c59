"""The compiled rule equals a naive reading of the same YAML, on generated rules and events."""

from __future__ import annotations

from typing import Any

import pytest
import yaml
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from watchkeeper.core.errors import Misconfigured
from watchkeeper.detect import Rule
from watchkeeper.detect.matching.own import Indexed
from watchkeeper.detect.sigma.rules import parse_rule
from watchkeeper.events import Event

KINDS = ["gateway.request.decided", "gateway.message.decided", "registry.pin.changed"]
WORDS = ["a", "b", "ab", "ba", "aab", "A", "", "abba", "1", "true"]
PATTERNS = [*WORDS, "*", "a*", "*b", "a?", "?b*", "*a*b*"]
FIELDS = ["kind", "server", "target", "labels", "body.x", "body.list.n"]

scalars = st.sampled_from([*WORDS, 1, 2, 1.5, True, False, None])
events = st.builds(
    lambda kind, server, target, labels, x, numbers: Event(
        v=1,
        id="e",
        time=0,
        kind=kind,
        server=server,
        target=target,
        labels=tuple(labels),
        body=({"x": x} if x != "absent" else {}) | {"list": [{"n": n} for n in numbers]},
    ),
    st.sampled_from(KINDS),
    st.sampled_from(WORDS),
    st.sampled_from(WORDS),
    st.lists(st.sampled_from(WORDS), max_size=2),
    scalars | st.lists(scalars, max_size=2) | st.just("absent"),
    st.lists(scalars, max_size=3),
)

plain = st.tuples(st.just(""), st.lists(st.sampled_from([*PATTERNS, 1, 2, 1.5, True, None]), min_size=1, max_size=3))
kinds = st.tuples(st.just(""), st.lists(st.sampled_from([*KINDS, "GATEWAY.request.decided"]), min_size=1, max_size=2))
shaped = st.tuples(
    st.sampled_from(["|contains", "|startswith", "|endswith", "|contains|all", "|cased", "|neq"]),
    st.lists(st.sampled_from(WORDS[:6]), min_size=1, max_size=3),
)
numbered = st.tuples(st.sampled_from(["|gt", "|gte", "|lt", "|lte"]), st.sampled_from([[1], [2], [1.5]]))
existing = st.tuples(st.just("|exists"), st.sampled_from([[True], [False]]))
items = st.sampled_from(FIELDS).flatmap(
    lambda field: st.tuples(st.just(field), kinds if field == "kind" else plain | shaped | numbered | existing)
)
selections = st.lists(items, min_size=1, max_size=3).map(
    lambda chosen: {field + modifier: values for field, (modifier, values) in chosen}
)
NAMES = ["sel_a", "sel_b", "other"]
conditions = st.recursive(
    st.sampled_from([*NAMES, "1 of sel_*", "all of sel_*", "1 of them", "all of them"]),
    lambda inner: st.one_of(
        inner.map(lambda a: f"not ({a})"),
        st.tuples(inner, inner).map(lambda pair: f"({pair[0]}) and ({pair[1]})"),
        st.tuples(inner, inner).map(lambda pair: f"({pair[0]}) or ({pair[1]})"),
    ),
    max_leaves=4,
)


def values_at(thing: Any, path: list[str]) -> list[Any]:
    if isinstance(thing, (list, tuple)):
        return [value for item in thing for value in values_at(item, path)]
    if path:
        return values_at(thing[path[0]], path[1:]) if isinstance(thing, dict) and path[0] in thing else []
    return [] if thing is None or thing == "" else [thing]


def glob(pattern: str, text: str) -> bool:
    if not pattern:
        return not text
    if pattern[0] == "*":
        return glob(pattern[1:], text) or (bool(text) and glob(pattern, text[1:]))
    return bool(text) and pattern[0] in ("?", text[0]) and glob(pattern[1:], text[1:])


def shown(value: Any) -> str:
    return str(value).lower() if isinstance(value, bool) else str(value)


def is_number(value: Any) -> bool:
    return isinstance(value, (int, float)) and not isinstance(value, bool)


def holds(wanted: Any, modifiers: list[str], found: list[Any]) -> bool:
    compare = {"gt": "__gt__", "gte": "__ge__", "lt": "__lt__", "lte": "__le__"}
    if modifiers and modifiers[0] in compare:
        return any(is_number(v) and getattr(float(v), compare[modifiers[0]])(float(wanted)) for v in found)
    if "exists" in modifiers:
        return bool(found) is wanted
    if wanted is None:
        return not found
    if isinstance(wanted, bool):
        return any(shown(v).lower() == shown(wanted) for v in found)
    if is_number(wanted):
        return any(v == wanted if is_number(v) else v == str(wanted) for v in found)
    if "cased" in modifiers:
        return any(glob(wanted, shown(v)) for v in found) if wanted else "" in found
    if "contains" in modifiers:
        wanted = f"*{wanted}*"
    if "startswith" in modifiers:
        wanted = f"{wanted}*"
    if "endswith" in modifiers:
        wanted = f"*{wanted}"
    return any(glob(wanted.lower(), shown(v).lower()) for v in found) if wanted else not found


def item_holds(key: str, values: list[Any], event: dict[str, Any]) -> bool:
    field, *modifiers = key.split("|")
    found = values_at(event, field.split("."))
    each = [holds(value, modifiers, found) for value in values]
    result = all(each) if "all" in modifiers else any(each)
    return not result if "neq" in modifiers else result


def naive(detection: dict[str, Any], condition: str, event: Event) -> bool:
    seen = {"kind": event.kind, "server": event.server, "target": event.target, "labels": event.labels}
    plain_event = seen | {"body": event.body}
    truth = {
        name: all(item_holds(key, values, plain_event) for key, values in items.items())
        for name, items in detection.items()
    }
    sel = [value for name, value in truth.items() if name.startswith("sel_")]
    text = condition
    for words, value in (
        ("1 of sel_*", any(sel)),
        ("all of sel_*", all(sel)),
        ("1 of them", any(truth.values())),
        ("all of them", all(truth.values())),
        *truth.items(),
    ):
        text = text.replace(words, str(value))
    return bool(eval(text))  # of True, False, and, or, not and brackets


def used(condition: str) -> set[str]:
    if "them" in condition:
        return set(NAMES)
    names = {name for name in NAMES if name in condition}
    return names | ({"sel_a", "sel_b"} if "sel_*" in condition else set())


def parsed(document: dict[str, Any]) -> Rule | None:
    """The rule, or nothing when it was refused because it can never match."""
    try:
        return parse_rule(yaml.safe_dump(document), "generated")
    except Misconfigured as refused:
        if "can never match" in refused.reason:
            return None
        raise


@pytest.mark.behaviour("detect.equals-naive")
@given(st.fixed_dictionaries(dict.fromkeys(NAMES, selections)), conditions, st.lists(events, min_size=1, max_size=8))
@settings(max_examples=300, deadline=None, suppress_health_check=[HealthCheck.too_slow])
def test_a_compiled_rule_equals_a_naive_reading(
    detection: dict[str, Any], condition: str, observed: list[Event]
) -> None:
    detection = {name: detection[name] for name in NAMES if name in used(condition)}
    document = {
        "title": "A rule",
        "id": "0a9b3f1c-5b0a-4a57-9d2e-4f0a4f3a9c01",
        "logsource": {"product": "mcp", "service": "watchkeeper"},
        "level": "low",
        "detection": detection | {"condition": condition},
    }
    rule = parsed(document)
    indexed = Indexed((rule,) if rule else ())
    for event in observed:
        assert bool(indexed.match(event).rules) == (rule is not None and rule.matches(event))
        assert (rule is not None and rule.matches(event)) == naive(detection, condition, event), (
            condition,
            detection,
            event,
        )
