"""What a `correlation:` says, as data; pySigma is asked whether it is Sigma."""

from __future__ import annotations

from typing import Any

import pytest
import yaml
from sigma.correlations import SigmaCorrelationRule

from watchkeeper.core.errors import Misconfigured
from watchkeeper.detect.correlation.model import (
    Correlation,
    Every,
    Expression,
    Matched,
    Never,
    Operator,
    Some,
    Threshold,
    Type,
)
from watchkeeper.detect.sigma.files.documents import Document
from watchkeeper.detect.sigma.reading.correlations import read_correlation

MINUTE = 60_000_000
A, B, C = Matched("A"), Matched("B"), Matched("C")


def resolve(name: str) -> str:
    if len(name) != 1:
        raise Misconfigured(f"it refers to {name}, which is not here")
    return name.upper()


def read(text: str) -> Correlation:
    content: dict[str, Any] = {"title": "x", "correlation": yaml.safe_load(text)}
    return read_correlation(Document(content, "c.yml", 1), resolve)


def is_sigma(text: str) -> bool:
    return bool(SigmaCorrelationRule.from_dict({"title": "x", "correlation": yaml.safe_load(text)}))


def decided(read: Correlation) -> dict[str, Any]:
    """All of it that is not as it is by default."""
    plain = Correlation(heading=read.heading, type=read.type, rules=read.rules, timespan=read.timespan)
    return {
        name: getattr(read, name)
        for name in read.__struct_fields__
        if name in ("type", "rules", "timespan") or getattr(read, name) != getattr(plain, name)
    }


READ = {
    "count": (
        "{type: event_count, rules: [a], timespan: 1m, group-by: [actor, server], condition: {gte: 10}}",
        {
            "type": Type.EVENT_COUNT,
            "group_by": ("actor", "server"),
            "condition": (Threshold(Operator.GREATER_EQUAL, 10),),
        },
    ),
    "values": (
        "{type: value_count, rules: a, timespan: 1m, group-by: actor, condition: {gt: 3, field: [target, server]}}",
        {
            "type": Type.VALUE_COUNT,
            "group_by": ("actor",),
            "condition": (Threshold(Operator.GREATER, 3),),
            "fields": ("target", "server"),
        },
    ),
    "percentile": (
        "{type: value_percentile, rules: [a], timespan: 1m, condition: {gt: 2.5, field: body.x, percentile: 95}}",
        {
            "type": Type.VALUE_PERCENTILE,
            "condition": (Threshold(Operator.GREATER, 2.5),),
            "fields": ("body.x",),
            "percentile": 95.0,
        },
    ),
    "sum": (
        "{type: value_sum, rules: [a], timespan: 1m, generate: true, condition: {gt: 1, field: x}}",
        {
            "type": Type.VALUE_SUM,
            "condition": (Threshold(Operator.GREATER, 1),),
            "fields": ("x",),
            "generates": True,
        },
    ),
    "all-of-them": (
        "{type: temporal, rules: [a, b], timespan: 1m, aliases: {who: {a: actor, b: body.who}}, group-by: [who]}",
        {
            "type": Type.TEMPORAL,
            "rules": ("A", "B"),
            "condition": (Threshold(Operator.GREATER_EQUAL, 2),),
            "group_by": ("who",),
            "aliases": {"who": {"A": "actor", "B": "body.who"}},
        },
    ),
    "extended": (
        "{type: temporal, timespan: 1m, condition: 'a and (b or not c)'}",
        {"type": Type.TEMPORAL, "rules": ("A", "B", "C"), "expression": Every((A, Some((B, Never(C)))))},
    ),
    "extended-ordered": (
        "{type: temporal_ordered, rules: [b, a], timespan: 1m, condition: a and b}",
        {"type": Type.TEMPORAL_ORDERED, "rules": ("B", "A"), "expression": Every((A, B))},
    ),
    "absence": (
        "{type: temporal_ordered, timespan: 1m, group-by: [actor], condition: a and b and not c}",
        {"type": Type.ABSENCE, "rules": ("A", "B"), "missing": ("C",), "group_by": ("actor",)},
    ),
    "absence-of-any": (
        "{type: temporal_ordered, timespan: 1m, condition: a and not (b or c)}",
        {"type": Type.ABSENCE, "missing": ("B", "C")},
    ),
    "not-before": (
        "{type: temporal_ordered, rules: [b, a], timespan: 1m, condition: a and not b}",
        {"type": Type.TEMPORAL_ORDERED, "rules": ("B", "A"), "expression": Every((A, Never(B)))},
    ),
    "silence": (
        "{type: event_count, rules: [a], timespan: 1m, group-by: [server], condition: {lt: 1}}",
        {"type": Type.ABSENCE, "missing": ("A",), "group_by": ("server",)},
    ),
    "silence-as-nought": (
        "{type: event_count, rules: [a], timespan: 1m, condition: {eq: 0}}",
        {"type": Type.ABSENCE, "missing": ("A",)},
    ),
}


@pytest.mark.behaviour("rules.correlations-are-read")
@pytest.mark.parametrize("name", READ)
def test_a_correlation_is_read_and_is_sigma_for_others_too(name: str) -> None:
    text, expected = READ[name]
    assert decided(read(text)) == {"rules": ("A",), "timespan": MINUTE} | expected
    assert is_sigma(text)


def test_a_range_needs_two_comparisons() -> None:
    found = read("{type: event_count, rules: [a], timespan: 2h, condition: {gte: 10, lt: 100}}")
    assert found.condition == (Threshold(Operator.GREATER_EQUAL, 10), Threshold(Operator.LESS, 100))
    assert found.timespan == 120 * MINUTE


REFUSED = {
    "no-mapping": "[a]",
    "no-type": "{rules: [a], timespan: 1m, condition: {gte: 1}}",
    "unknown-type": "{type: absence, rules: [a], timespan: 1m}",
    "unknown-key": "{type: event_count, rules: [a], timespan: 1m, condition: {gte: 1}, window: sliding}",
    "no-timespan": "{type: event_count, rules: [a], condition: {gte: 1}}",
    "timespan-of-a-wrong-type": "{type: event_count, rules: [a], timespan: 60, condition: {gte: 1}}",
    "timespan-of-nothing": "{type: event_count, rules: [a], timespan: 0m, condition: {gte: 1}}",
    "timespan-without-end": "{type: event_count, rules: [a], timespan: 99999y, condition: {gte: 1}}",
    "timespan-in-odd-digits": "{type: event_count, rules: [a], timespan: ²m, condition: {gte: 1}}",
    "no-rules": "{type: event_count, timespan: 1m, condition: {gte: 1}}",
    "no-such-rule": "{type: event_count, rules: [unknown], timespan: 1m, condition: {gte: 1}}",
    "rules-of-a-wrong-type": "{type: event_count, rules: {a: b}, timespan: 1m, condition: {gte: 1}}",
    "no-condition": "{type: event_count, rules: [a], timespan: 1m}",
    "a-condition-that-is-no-number": "{type: event_count, rules: [a], timespan: 1m, condition: {gte: ten}}",
    "a-condition-that-is-infinite": "{type: event_count, rules: [a], timespan: 1m, condition: {gte: .inf}}",
    "a-condition-that-is-true": "{type: event_count, rules: [a], timespan: 1m, condition: {gte: true}}",
    "an-unknown-comparison": "{type: event_count, rules: [a], timespan: 1m, condition: {about: 3}}",
    "an-expression-of-a-count": "{type: event_count, rules: [a], timespan: 1m, condition: a and b}",
    "values-without-a-field": "{type: value_count, rules: [a], timespan: 1m, condition: {gte: 1}}",
    "a-sum-of-two-fields": "{type: value_sum, rules: [a], timespan: 1m, condition: {gte: 1, field: [x, y]}}",
    "no-percentile": "{type: value_percentile, rules: [a], timespan: 1m, condition: {gte: 1, field: x}}",
    "a-percentile-beyond": (
        "{type: value_percentile, rules: [a], timespan: 1m, condition: {gte: 1, field: x, percentile: 101}}"
    ),
    "true-of-nothing": "{type: temporal, timespan: 1m, condition: not a}",
    "true-of-nothing-beside": "{type: temporal, timespan: 1m, condition: a or not b}",
    "open-bracket": "{type: temporal, timespan: 1m, condition: a and (b or c}",
    "no-word-between": "{type: temporal, timespan: 1m, condition: a b}",
    "ends-early": "{type: temporal, timespan: 1m, condition: a and}",
    "deep": "{type: temporal, timespan: 1m, condition: '" + "not " * 1000 + "a'}",
    "deep-brackets": "{type: temporal, timespan: 1m, condition: '" + "(" * 1000 + "a'}",
    "lists-that-disagree": "{type: temporal, rules: [a, b], timespan: 1m, condition: a and c}",
    "an-order-with-a-strange-not": "{type: temporal_ordered, timespan: 1m, condition: a and (b or not c)}",
    "an-alias-of-a-stranger": "{type: temporal, rules: [a, b], timespan: 1m, aliases: {who: {c: x}}}",
    "aliases-of-a-wrong-type": "{type: temporal, rules: [a, b], timespan: 1m, aliases: {who: x}}",
}


@pytest.mark.behaviour("rules.correlations-are-read")
@pytest.mark.parametrize("flaw", REFUSED)
def test_a_flaw_is_refused(flaw: str) -> None:
    with pytest.raises(Misconfigured) as told:
        read(REFUSED[flaw])
    assert told.value.reason


@pytest.mark.parametrize(
    ("text", "expression"),
    [
        ("a or b and not c", Some((A, Every((B, Never(C)))))),
        ("(a or b) AND c", Every((Some((A, B)), C))),
    ],
)
def test_not_binds_closest_and_or_least(text: str, expression: Expression) -> None:
    assert read(f"{{type: temporal, timespan: 1m, condition: '{text}'}}").expression == expression
