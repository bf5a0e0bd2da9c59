"""The quick look against the thorough one."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from watchkeeper.detect.intelligence.keeping.index import Few
from watchkeeper.detect.intelligence.looking.finding import Finder
from watchkeeper.detect.intelligence.looking.observables import is_candidate, observables
from watchkeeper.detect.intelligence.looking.quick import Quick
from watchkeeper.detect.intelligence.model import Indicator, Tlp
from watchkeeper.detect.intelligence.values import guess
from watchkeeper.events import new_event

VALUES = (
    *("evil.net", "a.co.uk", "1.2.3.4", "9.8.0.0/16", "2a01::/32", "2a02::5", "me@evil.net", "ab" * 16, "0f" * 32),
    *("sha256:" + "0e" * 32, "http://evil.net/", "https://evil.org/A?b=c", "ftp://1.2.3.5/x", "ws://evil.net:81/x"),
)
LOOKUP = Few(
    Indicator(
        type=kind, value=value, id="i", source="s", confidence=80, valid_from=0, valid_until=0, modified=0,
        tlp=Tlp.CLEAR,
    )
    for kind, value in map(guess, VALUES)
)  # fmt: skip
PIECES = st.sampled_from(
    (*VALUES, *"abn.:/?#=&@%-_+~0129", "http", "HTTPS", "://", ":443", ":80", "sub.", "X", "Evil.NET", "%2e", "é", "。",
     "hxxp://", "user:pw@", "1.2.3.", "9.8.7.6", "[::1]", "pkg:npm/x")
)  # fmt: skip


@pytest.mark.behaviour("intel.quick")
@given(st.lists(PIECES, min_size=1, max_size=7))
@settings(max_examples=600, deadline=None)
def test_the_quick_look_lets_through_what_the_thorough_one_finds(pieces: list[str]) -> None:
    word = "".join(pieces).encode()
    found = list(Finder(LOOKUP)._known(observables(word))) if is_candidate(word) else []
    assert not found or Quick(LOOKUP).may(word), found


@pytest.mark.behaviour("intel.quick")
def test_most_words_are_set_aside_by_the_quick_look() -> None:
    words = ["readme.txt", "/srv/a.b/c", "https://good.org/x?y=1", "10.0.0.1:80", "agent:7", "cd" * 16, "you@good.org"]
    assert [word for word in words if Quick(LOOKUP).may(word.encode())] == []


@pytest.mark.behaviour("intel.quick")
def test_what_only_looks_like_an_address_does_not_stop_the_look() -> None:
    event = new_event(5, "gateway.request.decided", body={"arguments": "me@.1.2.3 1..2.3 9.8.7.99999 é evil.net 50%"})
    assert [hit.key for hit in Finder(LOOKUP).look(event)] == ["d:evil.net"]
