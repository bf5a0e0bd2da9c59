"""Every sink over HTTP against a receiver that plays every fault: nothing lost, in order, counted exactly."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from bench._receivers import Bulk, Hec, Otlp, Receiver, Served, in_order
from tests.events.sinks.conftest import RECEIVERS, TOKEN, Shipping, numbered, settings_for, write
from tests.gateway.certificates import Authority

Serve = Callable[[Receiver], Served]
FAULTS = ("503", "cut", "429", "garbage", "half", "lost", "html", "hang")


def url_of(served: Served) -> str:
    return f"https://127.0.0.1:{served.port}"


@pytest.mark.behaviour("sinks.at-least-once")
@pytest.mark.parametrize("name", RECEIVERS)
def test_whatever_a_receiver_does_everything_arrives_in_order_and_is_counted_once(
    name: str, data_dir: Path, serve: Serve, authority: Authority
) -> None:
    receiver = RECEIVERS[name]()
    receiver.faults.extend(FAULTS)
    served = serve(receiver)
    sink = settings_for(name, url_of(served), authority.path, batch_events=7, timeout_seconds=0.5)
    with Shipping(data_dir, sink) as shipping:
        got = receiver.until(40)
        standing = shipping.until(lambda s: s.waiting == 0 and s.state == "idle")
    assert in_order(got)
    assert (standing.tally.sent, standing.tally.filtered, standing.tally.total) == (40, 1, 41)
    assert standing.tally.dropped == {}
    assert (standing.put_aside, standing.error) == (0, "")
    assert shipping.kinds() == ["events.sink.failed", "events.sink.recovered"]


@pytest.mark.behaviour("sinks.poison")
@pytest.mark.parametrize("name", RECEIVERS)
def test_an_event_that_is_refused_is_put_aside_alone_and_can_be_replayed(
    name: str, data_dir: Path, serve: Serve, authority: Authority
) -> None:
    bad = [numbered(41), numbered(42)]
    write(data_dir, "other", [bad[0], numbered(43), bad[1]])
    receiver = RECEIVERS[name]()
    receiver.poison = {event.id for event in bad}
    served = serve(receiver)
    with Shipping(data_dir, settings_for(name, url_of(served), authority.path)) as shipping:
        receiver.until(41)
        standing = shipping.until(lambda s: s.waiting == 0 and s.put_aside == 2)
        assert standing.state == "idle"
    assert (standing.tally.sent, standing.tally.dead, standing.tally.total) == (41, 2, 45)
    assert in_order([one for one in receiver.got if one[0] == "gateway"])
    (told,) = [event for event in shipping.told if event.kind == "events.sink.dropped"]
    assert told.body["reasons"] == {"put_aside": 2}
    aside = (data_dir / "sinks" / "it" / "dead.jsonl").read_text(encoding="utf-8")
    assert bad[0].id in aside
    assert "get_current_time" not in aside, "an event's content is nowhere but in the journal"


@pytest.mark.behaviour("sinks.retry-after")
def test_a_receiver_that_asks_to_be_left_alone_is(data_dir: Path, serve: Serve, authority: Authority) -> None:
    receiver = Bulk()
    receiver.faults.append("429")
    served = serve(receiver)
    with Shipping(data_dir, settings_for("elastic", url_of(served), authority.path)) as shipping:
        standing = shipping.until(lambda s: s.state == "failing")
        assert 0.5 < standing.again_in <= 1.0, "retry_seconds alone would be 0.1"
        assert standing.error.startswith("429")
        receiver.until(40)


@pytest.mark.behaviour("sinks.no-doubles")
def test_elastic_knows_an_event_that_it_has(data_dir: Path, serve: Serve, authority: Authority) -> None:
    receiver = Bulk()
    receiver.faults.extend(["lost", "half"])
    served = serve(receiver)
    with Shipping(data_dir, settings_for("elastic", url_of(served), authority.path)) as shipping:
        standing = shipping.until(lambda s: s.tally.sent == 40)
    assert len(receiver.got) == len(receiver.documents) == 40
    assert "were there already" in standing.said
    document = receiver.documents[receiver.got[0][2]]
    assert document["event"]["sequence"] == 1
    assert document["watchkeeper"]["body"]["number"] == 1


def test_of_a_bulk_that_is_taken_in_part_the_rest_is_sent_again(
    data_dir: Path, serve: Serve, authority: Authority
) -> None:
    receiver = Bulk()
    receiver.busy_after = 9
    served = serve(receiver)
    with Shipping(data_dir, settings_for("elastic", url_of(served), authority.path)) as shipping:
        shipping.until(lambda s: s.tally.sent == 40)
    assert in_order(receiver.got)
    assert len(receiver.got) == 40


@pytest.mark.behaviour("sinks.hec-acknowledged")
def test_what_the_indexers_have_not_acknowledged_is_not_dealt_with(
    data_dir: Path, serve: Serve, authority: Authority
) -> None:
    receiver = Hec(acknowledges=True)
    receiver.indexes = False
    served = serve(receiver)
    sink = settings_for("splunk_hec_ack", url_of(served), authority.path, settle_seconds=0.5)
    with Shipping(data_dir, sink) as shipping:
        standing = shipping.until(lambda s: s.state == "failing")
        assert (standing.tally.sent, standing.waiting) == (0, 41)
        assert "not acknowledged" in standing.error
        receiver.indexes = True
        shipping.until(lambda s: s.tally.sent == 40)
    assert in_order(receiver.got)


@pytest.mark.parametrize(
    ("kept", "said", "todo"),
    [("another-token", "Invalid token", "credentials"), (TOKEN, "Data channel is missing", "acknowledged")],
)
def test_a_wrong_setting_puts_nothing_aside(
    kept: str, said: str, todo: str, data_dir: Path, serve: Serve, authority: Authority
) -> None:
    receiver = Hec(kept, acknowledges=kept == TOKEN)
    served = serve(receiver)
    with Shipping(data_dir, settings_for("splunk_hec", url_of(served), authority.path)) as shipping:
        standing = shipping.until(lambda s: s.attempts >= 2)
    assert said in standing.error
    assert todo in standing.hint
    assert (standing.put_aside, standing.tally.sent) == (0, 0)
    assert TOKEN not in repr(standing)
    assert TOKEN not in repr(shipping.told)


def test_a_certificate_of_another_authority_is_not_trusted(data_dir: Path, serve: Serve, tmp_path: Path) -> None:
    served = serve(Bulk())
    stranger = Authority(tmp_path / "other", "other-ca")
    with Shipping(data_dir, settings_for("elastic", url_of(served), stranger.path)) as shipping:
        standing = shipping.until(lambda s: s.attempts >= 1)
    assert "certificate" in standing.error
    assert served.receiver.got == []


@pytest.mark.behaviour("sinks.otlp")
def test_otlp_has_logs_spans_and_counts(data_dir: Path, serve: Serve, authority: Authority) -> None:
    receiver = Otlp()
    served = serve(receiver)
    with Shipping(data_dir, settings_for("otlp", url_of(served), authority.path)) as shipping:
        shipping.until(lambda s: s.tally.sent == 40)
    assert len(receiver.got) == len(receiver.spans) == 40
    assert receiver.spans[0].name == "tools/call get_current_time"
    assert receiver.spans[9].end_time_unix_nano - receiver.spans[9].start_time_unix_nano == 10_000_000
    counts = [
        point for metric in receiver.metrics if metric.name == "watchkeeper.calls" for point in metric.sum.data_points
    ]
    assert sum(point.as_int for point in counts) == 40
    assert {pair.key: pair.value.string_value for pair in counts[0].attributes} == {
        "watchkeeper.server": "time",
        "mcp.method.name": "tools/call",
        "watchkeeper.outcome": "allow",
        "gen_ai.tool.name": "get_current_time",
    }
    durations = [
        p for m in receiver.metrics if m.name == "mcp.client.operation.duration" for p in m.histogram.data_points
    ]
    assert sum(point.count for point in durations) == 40
    assert sum(sum(point.bucket_counts) for point in durations) == 40
    assert round(sum(point.sum for point in durations), 6) == round(sum(range(1, 41)) / 1000, 6)


def test_what_otlp_says_it_rejected_is_counted_and_not_sent_again(
    data_dir: Path, serve: Serve, authority: Authority
) -> None:
    receiver = Otlp()
    receiver.rejects = 3
    served = serve(receiver)
    with Shipping(data_dir, settings_for("otlp", url_of(served), authority.path)) as shipping:
        standing = shipping.until(lambda s: s.waiting == 0 and s.state == "idle")
    assert (standing.tally.sent, standing.tally.dropped) == (37, {"rejected": 3})
    assert len(receiver.got) == 40
    assert "too old" in standing.said
