"""Columns made in bulk are the rows made one by one, for any record that the journal may hold."""

from __future__ import annotations

import json

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from watchkeeper.events.lake.columns import Numbered, columns_of
from watchkeeper.events.lake.schema import to_batch, to_row
from watchkeeper.events.model import Event, Severity, decode, encode

T = 1_790_000_000_000_000
texts = st.text(max_size=8)
values = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**70), 2**70) | st.floats(allow_nan=False, allow_infinity=False) | texts,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(texts, inner, max_size=3),
    max_leaves=6,
)
names = st.sampled_from(["method", "rules", "reason", "status", "duration_us", "arguments", "result", "x"]) | texts
events = st.builds(
    Event,
    v=st.just(1),
    id=texts,
    time=st.integers(-(2**63), 2**63 - 1),
    kind=st.sampled_from(["gateway.request.decided", "registry.pin.held", "x"]),
    tenant=texts,
    actor=texts,
    trace=st.sampled_from(["", "x", f"{'a' * 32}-{'b' * 16}", f"{'A' * 32}-{'b' * 16}", f"{'a' * 32}-{'b' * 16}\n"]),
    severity=st.sampled_from(list(Severity)),
    labels=st.lists(texts, max_size=3).map(tuple),
    body=st.dictionaries(names, values, max_size=6),
)


@pytest.mark.behaviour("lake.columns-equal-rows")
@given(st.lists(events, max_size=5))
def test_columns_made_in_bulk_equal_rows_made_one_by_one(given_events: list[Event]) -> None:
    records = [encode(event) for event in given_events]
    made = columns_of([Numbered("w", 3, records[:2]), Numbered("v", 0, records[2:])])
    places = [("w", 3), ("w", 4), ("v", 0), ("v", 1), ("v", 2)]
    rows = [to_row(decode(record), *place) for record, place in zip(records, places, strict=False)]
    assert made.unreadable == 0
    assert made.batch == to_batch(rows)


@pytest.mark.behaviour("lake.columns-equal-rows")
def test_a_long_load_in_short_and_long_runs_is_one_batch_in_the_order_of_its_records() -> None:
    records = [
        encode(Event(v=1, id=f"id-{n}", time=T + n, kind="x.y.z", body={"arguments": "a" * n})) for n in range(20)
    ]
    runs = [
        Numbered("w", 7, records * 60),
        *(Numbered("v", 3 * n, records[:1]) for n in range(40)),
        Numbered("w", 9, []),
    ]
    made = columns_of([*runs, Numbered("u", 0, [b""] * 600), Numbered("u", 600, records)])
    places = (
        [("w", 7 + n) for n in range(1200)] + [("v", 3 * n) for n in range(40)] + [("u", 600 + n) for n in range(20)]
    )
    given = records * 60 + records[:1] * 40 + records
    rows = [to_row(decode(record), *place) for record, place in zip(given, places, strict=True)]
    assert (made.batch == to_batch(rows), made.unreadable) == (True, 600)


@pytest.mark.behaviour("lake.columns-equal-rows")
def test_records_that_nobody_can_read_are_counted_and_the_others_keep_their_places() -> None:
    good = encode(Event(v=1, id="a", time=T, kind="x.y.z"))
    newer = msgspec.json.encode({**json.loads(good), "severity": 9})
    made = columns_of([Numbered("w", 7, [b"", good, newer, b"\xff", good]), Numbered("v", 1, [b""])])
    assert made.unreadable == 4
    assert made.batch["idx"].to_pylist() == [8, 11]
    assert made.batch["writer"].to_pylist() == ["w", "w"]
