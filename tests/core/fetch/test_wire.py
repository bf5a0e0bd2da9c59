"""Whatever a server sends, reading it ends in an answer or in one of two errors."""

from __future__ import annotations

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from tests.core.fetch.conftest import answer
from watchkeeper.core.fetch._wire import Answer
from watchkeeper.core.fetch.model import FetchFailed, FetchRefused
from watchkeeper.core.fetch.target import Target

_TARGET = Target("https", "a.example", 443, "/")
_LIMIT = 4096
_GOOD = answer(b'{"a":1}')
_CHUNKED = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3;x=y\r\nabc\r\n0\r\nT: 1\r\n\r\n"
_PARTS = st.sampled_from(
    [
        b"HTTP/1.1 200 OK\r\n",
        b"HTTP/1.1 103 E\r\n",
        b"HTTP/1.1 304 N\r\n",
        b"Content-Length: 3\r\n",
        b"Content-Length: 99999999999999999999\r\n",
        b"Content-Type: a\r\n",
        b"Transfer-Encoding: chunked\r\n",
        b"Upgrade: h2c\r\nConnection: upgrade\r\n",
        b" folded\r\n",
        b"X\x00: y\r\n",
        b": z\r\n",
        b"\r\n",
        b"abc",
        b"3\r\nabc\r\n",
        b"0\r\n\r\n",
    ]
)
_LINES = st.lists(_PARTS, max_size=14)


@pytest.mark.behaviour("fetch.readable")
@given(st.one_of(st.binary(max_size=200), _LINES.map(b"".join)), st.integers(1, 50))
@example(_GOOD, 1)
@example(_CHUNKED, 1)
@example(b"HTTP/1.1 101 S\r\nUpgrade: x\r\nConnection: upgrade\r\n\r\n", 50)
def test_any_bytes_in_any_pieces_end_in_an_answer_or_an_error_of_ours(data: bytes, size: int) -> None:
    got = Answer(_TARGET, _LIMIT)
    try:
        for at in range(0, len(data), size):
            if not got.is_complete:
                got.feed(data[at : at + size])
        if not got.is_complete:
            got.end()
    except (FetchRefused, FetchFailed):
        return
    assert got.status >= 200
    assert len(got.body) <= _LIMIT


@pytest.mark.behaviour("fetch.documents")
@pytest.mark.parametrize("size", [1, 2, 7, 1000])
def test_an_answer_is_the_same_however_it_is_cut(size: int) -> None:
    for data, body in ((_GOOD, b'{"a":1}'), (_CHUNKED, b"abc")):
        got = Answer(_TARGET, _LIMIT)
        for at in range(0, len(data), size):
            if not got.is_complete:
                got.feed(data[at : at + size])
        assert (got.is_complete, got.status, bytes(got.body)) == (True, 200, body)
