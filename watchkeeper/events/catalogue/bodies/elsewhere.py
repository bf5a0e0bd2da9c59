"""What goes to other systems and what comes from them: sinks, and facts that others observed."""

from __future__ import annotations

from typing import Annotated

from msgspec import UNSET, UnsetType

from watchkeeper.events.catalogue.kind import DONE, EITHER, FAILED, ON_TARGET, VERDICTS, Body, Finding, Kind, says


class _Sink(Body, frozen=True, kw_only=True):
    """Which sink."""

    sink: Annotated[str, says("Its name in the settings.")]
    type: Annotated[str, says("Its type: `syslog`, `splunk`, `otlp`, …")]


class SinkFailed(_Sink, frozen=True, kw_only=True):
    """A receiver that takes nothing."""

    why: Annotated[str, says("What went wrong.")]
    attempts: Annotated[int, says("How often it was tried.", ge=1)]
    since: Annotated[int, says("Since when, microseconds.", ge=0)]


class SinkRecovered(_Sink, frozen=True, kw_only=True):
    """A receiver that takes events again."""

    attempts: Annotated[int, says("How often it was tried in vain.", ge=1)]
    seconds: Annotated[float, says("How long it took nothing.")]


class SinkDropped(_Sink, frozen=True, kw_only=True):
    """Events that a sink will not send, or put aside."""

    reasons: Annotated[dict[str, int], says("Why → how many.")]
    count: Annotated[int, says("How many in all.", ge=1)]


class SinkTested(_Sink, frozen=True, kw_only=True):
    """A marked event."""

    text: Annotated[str, says("Says that it is a test.")]


class _Observed(Body, frozen=True, kw_only=True):
    """What another system told, bounded and redacted; nothing of it is verified."""

    source: Annotated[str, says("The source's name in the settings.")]
    format: Annotated[str, says("In which format it was told.")]
    status: Annotated[int, says("The status that the source names.")] | UnsetType = UNSET
    duration_us: Annotated[int, says("How long it took, as the source says.")] | UnsetType = UNSET
    reason: Annotated[str, says("Why, as the source says.")] | UnsetType = UNSET
    session: Annotated[str, says("The session that the source names.")] | UnsetType = UNSET
    record: Annotated[str, says("The source's own id of the record.")] | UnsetType = UNSET
    more: Annotated[str, says("What else the record said: JSON, redacted and cut.")] | UnsetType = UNSET
    time: Annotated[str, says("`received` when the record named no time.")] | UnsetType = UNSET
    said_time: Annotated[int, says("The time it named, when that cannot be.")] | UnsetType = UNSET
    arguments: Annotated[str, says("What was asked: redacted and cut.")] | UnsetType = UNSET
    result: Annotated[str, says("What was answered: redacted and cut.")] | UnsetType = UNSET
    findings: Annotated[list[Finding], says("What our inspectors noticed in it.")] | UnsetType = UNSET


class ObservedRequest(_Observed, frozen=True, kw_only=True):
    """Another gateway's record of a request."""

    method: Annotated[str, says("The MCP method.")]


class Received(_Observed, frozen=True, kw_only=True):
    """Something that is no request."""

    name: Annotated[str, says("What the source calls it.")]


class RecordsRefused(Body, frozen=True, kw_only=True):
    """Records that could not be read."""

    source: Annotated[str, says("The source's name in the settings.")]
    refused: Annotated[int, says("How many since it was last told.", ge=1)]
    reasons: Annotated[dict[str, int], says("Why → how many in all since the process began.")]


_MAY = ("actor", "claimed", "target", "trace", "outcome")
_MARKS = ("ingested", "skewed")
KINDS = {
    "events.sink.failed": Kind(body=SinkFailed, sets=ON_TARGET, outcomes=FAILED),
    "events.sink.recovered": Kind(body=SinkRecovered, sets=ON_TARGET, outcomes=DONE),
    "events.sink.dropped": Kind(body=SinkDropped, sets=ON_TARGET, outcomes=FAILED),
    "events.sink.tested": Kind(body=SinkTested, sets=("actor", "target"), labels=("test",)),
    "gateway.request.observed": Kind(
        body=ObservedRequest, sets=("server",), may=_MAY, outcomes=(*VERDICTS, *EITHER), labels=_MARKS
    ),
    "ingest.event.received": Kind(
        body=Received, sets=("server",), may=_MAY, outcomes=(*VERDICTS, *EITHER), labels=_MARKS
    ),
    "ingest.records.refused": Kind(body=RecordsRefused, sets=ON_TARGET, outcomes=FAILED),
}
