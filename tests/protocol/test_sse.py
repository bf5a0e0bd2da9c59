"""Cutting a stream into events, whatever the chunks and the line ends."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from watchkeeper.protocol.sse import Splitter, TooLong, event_with, placeholder, read_fields

LINES = st.sampled_from([b"data: a", b"data:b", b": c", b"id: 1", b"event: e", b"retry: 5", b"", b"", b"data"])
ENDS = st.sampled_from([b"\n", b"\r\n", b"\r"])


def dispatched(stream: bytes) -> list[bytes]:
    """What a client sees, by the book: the data of each event that has some."""
    text = stream.replace(b"\r\n", b"\n").replace(b"\r", b"\n")
    seen, data = [], []
    for line in text.split(b"\n")[:-1]:
        if not line:
            if data:
                seen.append(b"\n".join(data))
            data = []
        elif line.partition(b":")[0] == b"data":
            data.append(line.partition(b":")[2].removeprefix(b" "))
    return seen


@pytest.mark.behaviour("protocol.events-cut-by-the-book")
@given(st.lists(st.tuples(LINES, ENDS), max_size=20), st.lists(st.integers(1, 12), max_size=40))
def test_events_are_cut_as_a_client_cuts_them_and_no_byte_is_lost(lines, cuts) -> None:
    stream = b"".join(line + end for line, end in lines) + b"\n\n"
    splitter = Splitter(10_000)
    events: list[bytes] = []
    rest = stream
    for cut in cuts:
        events += splitter.feed(rest[:cut])
        rest = rest[cut:]
    events += splitter.feed(rest)
    whole = [read_fields(event).data for event in events if b"data" in event]
    assert b"".join(events) + splitter.flush() == stream
    assert whole == dispatched(stream)


def test_an_event_is_there_as_soon_as_its_blank_line_is() -> None:
    for end in (b"\n", b"\r\n", b"\r"):
        splitter = Splitter(100)
        assert splitter.feed(b"data: x" + end + end) == [b"data: x" + end + end]


def test_a_line_feed_after_a_carriage_return_belongs_to_it_even_in_the_next_chunk() -> None:
    splitter = Splitter(100)
    assert splitter.feed(b"data: x\r") == []
    assert splitter.feed(b"\ndata: y\r\n\r\n") == [b"data: x\r\ndata: y\r\n\r\n"]


@pytest.mark.parametrize("data", [b"data: " + b"x" * 200, b"x\n" * 100, b"data: " + b"x" * 200 + b"\n\n"])
def test_an_event_beyond_the_limit_is_refused(data: bytes) -> None:
    with pytest.raises(TooLong):
        Splitter(100).feed(data)


def test_fields_are_read_as_a_client_reads_them() -> None:
    fields = read_fields(b"\xef\xbb\xbfid: 4\r\nevent:e\ndata: a\rdata:  b\nid: x\0y\nunknown: z\n\n")
    assert (fields.id, fields.event, fields.data) == (b"4", b"e", b"a\n b")


def test_what_stands_for_a_withheld_event_keeps_its_id() -> None:
    assert placeholder(read_fields(b"id: 4\ndata: x\n\n")) == b"id: 4\n\n"
    assert placeholder(read_fields(b"data: x\n\n")) == b""
    assert event_with(read_fields(b"id: 4\nevent: e\ndata: x\n\n"), b"{}") == b"id: 4\nevent: e\ndata: {}\n\n"
