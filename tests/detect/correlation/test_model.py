"""A correlation is plain data: what is stored is what is read."""

from __future__ import annotations

import msgspec
import pytest

from watchkeeper.detect.correlation.model import Correlation, Every, Matched, Never, Operator, Some, Threshold, Type
from watchkeeper.detect.model import Heading
from watchkeeper.events import Severity

HEADING = Heading(id="c", name="burst", title="Many", level=Severity.HIGH, version="1")


@pytest.mark.behaviour("rules.correlations-are-data")
@pytest.mark.parametrize(
    "correlation",
    [
        Correlation(
            heading=HEADING,
            type=Type.VALUE_COUNT,
            rules=("a",),
            timespan=60_000_000,
            group_by=("actor",),
            fields=("target",),
            condition=(Threshold(Operator.GREATER_EQUAL, 10), Threshold(Operator.LESS, 2.5)),
        ),
        Correlation(
            heading=HEADING,
            type=Type.TEMPORAL,
            rules=("a", "b", "c"),
            timespan=1,
            expression=Every((Matched("a"), Some((Matched("b"), Never(Matched("c")))))),
            aliases={"who": {"a": "actor", "b": "body.principal"}},
        ),
    ],
    ids=["values", "temporal"],
)
def test_a_correlation_is_stored_and_read_again(correlation: Correlation) -> None:
    assert msgspec.msgpack.decode(msgspec.msgpack.encode(correlation), type=Correlation) == correlation
