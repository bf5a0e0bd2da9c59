"""Trouble that lasts is told when it begins and when it is over."""

from __future__ import annotations

import logging

import pytest

from watchkeeper.core.errors import Unavailable
from watchkeeper.core.lasting import Lasting


def test_a_trouble_that_lasts_is_told_once_and_its_end_once_and_the_next_one_again(
    caplog: pytest.LogCaptureFixture,
) -> None:
    trouble = Lasting(logging.getLogger("t"), "the gates cannot be looked at")

    def look(why: str = "") -> None:
        with trouble.told():
            if why:
                raise Unavailable(why)

    look()
    assert not caplog.records
    for why in ("the server is away", "the server is away", "it starts"):
        look(why)
    assert trouble.why == "it starts"
    look()
    look()
    assert trouble.why == ""
    look("the disk is full")
    assert [record.getMessage() for record in caplog.records] == [
        "the gates cannot be looked at: the server is away",
        "over after 0 s and 3 times: the gates cannot be looked at (last: it starts)",
        "the gates cannot be looked at: the disk is full",
    ]


def test_what_is_no_trouble_of_ours_goes_on() -> None:
    with pytest.raises(ZeroDivisionError), Lasting(logging.getLogger("t"), "x").told():
        raise ZeroDivisionError
