"""What waits for one client of a server over stdio."""

from __future__ import annotations

import pytest

from watchkeeper.gateway.stdio.stream import Stream

LARGE = b"x" * 6_000_000


@pytest.mark.behaviour("stdio.waiting-bytes-bounded")
async def test_what_waits_is_bounded_in_bytes_and_the_answer_still_comes() -> None:
    stream = Stream(512)
    assert [stream.put(LARGE) for _ in range(4)] == [True, True, False, False]
    assert await stream.next() == LARGE
    assert stream.put(LARGE)
    stream.end(LARGE * 3)
    assert (stream.dropped, stream.final) == (2, LARGE * 3)


async def test_one_message_that_is_larger_than_the_bound_passes_alone() -> None:
    stream = Stream(512)
    assert stream.put(LARGE * 3)
    assert not stream.put(b"{}")
    assert stream.drain() == [LARGE * 3]
    assert stream.put(b"{}")
