"""Cutting a stream into lines."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from watchkeeper.events.ingest.lines import Line, Lines


@given(st.lists(st.binary(max_size=20)), st.integers(1, 7), st.integers(1, 30))
def test_however_it_is_cut_up_the_lines_are_the_same(parts: list[bytes], chunk: int, longest: int) -> None:
    data = b"\n".join(part.replace(b"\r", b"") for part in parts)
    lines = Lines(0, longest)
    found = [line for at in range(0, len(data), chunk) for line in lines.feed(data[at : at + chunk])]
    found += filter(None, [lines.last()])
    wanted = [line for line in data.split(b"\n") if line.strip() or len(line) > longest]
    assert [(line.data, line.is_too_long) for line in found] == [
        (b"", True) if len(line) > longest else (line, False) for line in wanted
    ]
    assert lines.at == len(data)


def test_a_line_without_end_is_not_kept_in_memory() -> None:
    lines = Lines(10, 100)
    for _ in range(1000):
        assert list(lines.feed(b"x" * 1000)) == []
    assert len(lines._rest) <= 1000
    assert list(lines.feed(b"x\nshort\r\n")) == [
        Line(b"", 10 + 1_000_002, is_too_long=True),
        Line(b"short", 10 + 1_000_009),
    ]
