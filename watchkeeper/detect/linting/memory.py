"""What a correlation makes detection remember: groups as many as somebody likes, spans that hold weeks of events."""

from __future__ import annotations

from collections.abc import Iterator

from watchkeeper.core.clock import SECOND
from watchkeeper.detect.correlation.model import Correlation, Operator, Type
from watchkeeper.detect.linting.model import Problem, hint, warning

_DAY = 86_400 * SECOND
_LONGEST = 7 * _DAY
_UNIQUE = frozenset({"id", "trace", "time", "EventRecordID", "ProcessGuid", "UtcTime", "@timestamp", "eventID"})
_ORDERED = frozenset({Type.TEMPORAL, Type.TEMPORAL_ORDERED, Type.ABSENCE})
_MANY = 10_000


def problems_of(correlation: Correlation) -> Iterator[Problem]:
    """What may cost more than people think, or join what does not belong together."""
    if correlation.timespan > _LONGEST:
        yield warning("long-timespan", f"it remembers {correlation.timespan // _DAY} days of what it counts",
                      "count over hours or days, or write a scheduled hunt")  # fmt: skip
    fields = {f for name in correlation.group_by for f in (correlation.aliases.get(name) or {"": name}).values()}
    if unique := sorted(fields & _UNIQUE):
        yield warning("group-of-one", f"it groups by {unique[0]}, which every event has its own of",
                      "group by who or what the events have in common, e.g. actor or server")  # fmt: skip
    if not correlation.group_by:
        what = "joins events of anybody" if correlation.type in _ORDERED else "counts the events of all together"
        yield (warning if correlation.type in _ORDERED else hint)(
            "no-group-by", f"it {what}", "write `group-by:`, e.g. [actor], unless that is what is meant"
        )
    if any(one.operator in (Operator.GREATER, Operator.GREATER_EQUAL) and one.value > _MANY
           for one in correlation.condition) and correlation.type in (Type.VALUE_COUNT, Type.VALUE_PERCENTILE,
                                                                      Type.VALUE_MEDIAN):  # fmt: skip
        yield warning("much-to-remember", f"it keeps more than {_MANY} values for each group", "ask for fewer")
