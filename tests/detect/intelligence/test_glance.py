"""One glance at an event against a look at each of its words."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from watchkeeper.detect.intelligence.keeping.index import Few
from watchkeeper.detect.intelligence.looking.finding import Finder
from watchkeeper.detect.intelligence.looking.glance import Glance
from watchkeeper.detect.intelligence.looking.observables import is_candidate, observables
from watchkeeper.detect.intelligence.looking.quick import Quick
from watchkeeper.detect.intelligence.looking.words import shown
from watchkeeper.detect.intelligence.model import Indicator, Tlp, Type
from watchkeeper.detect.intelligence.values import guess
from watchkeeper.events import Event, new_event

VALUES = (
    *("evil.net", "a.co.uk", "1.2.3.4", "9.8.0.0/16", "2a01::/32", "2a02::5", "1:2:3:4:5:6:7:8", "me@evil.net"),
    *("ab" * 16, "0f" * 32, "sha256:" + "0e" * 32, "http://evil.net/", "https://evil.org/A?b=c", "ftp://1.2.3.5/x"),
)


def known(*more: tuple[Type, str]) -> Few:
    return Few(
        Indicator(
            type=kind, value=value, id="i", source="s", confidence=80, valid_from=0, valid_until=0, modified=0,
            tlp=Tlp.CLEAR,
        )
        for kind, value in (*map(guess, VALUES), (Type.DOMAIN, "evil.lan2"), *more)
    )  # fmt: skip


PLACES = known()
ALL = known((Type.PACKAGE, "npm/bad"), (Type.URL, "http://intranet/x"))
FINDERS = {id(lookup): (Finder(lookup), Glance(lookup)) for lookup in (PLACES, ALL)}
PIECES = st.sampled_from(
    (*VALUES, *"abn.:/?#=&@%-_+~0129'\"[](){},;\n\\", " ", " ", " ", "http", "HTTPS", "://", ":443", "sub.", "Evil.NET",
     "x.evil.lan2", "%2e", "é", "。", "hxxp://", "user:pw@", "1.2.3.", "9.8.7.6", "9.8.999.1", "[::1]",
     "::ffff:102:304", "0:0:0:0:0:ffff:1.2.3.4", "[.]", "(dot)", "[DOT]", "[at]", "(@)", "[:]", "[://]", "net",
     "evil", " at ", "dot", "npx -y ", "bad", "pkg:npm/bad", "http://intranet/x", "12:30:45", "sha256:",
     "\\u002e", "\\n")
)  # fmt: skip


def call(text: str, **more: object) -> Event:
    return new_event(5, "gateway.request.decided", body={"arguments": text, **more})


@pytest.mark.behaviour("intel.quick")
@pytest.mark.parametrize("lookup", [PLACES, ALL], ids=["places", "all"])
@given(pieces=st.lists(PIECES, min_size=1, max_size=9), opening=st.sampled_from(("", "{", '{"a":"')))
@settings(max_examples=300, deadline=None)
def test_a_glance_lets_through_what_a_look_at_each_word_finds(lookup: Few, pieces: list[str], opening: str) -> None:
    finder, glance = FINDERS[id(lookup)]  # the same ones for all examples: what they remember is tried, too
    data = shown(call(opening + "".join(pieces)))
    found = finder._pairs(data)
    assert not found or glance.may(data), found


@pytest.mark.behaviour("intel.quick")
@given(
    pieces=st.lists(PIECES.filter(lambda piece: "\\" not in piece), min_size=1, max_size=9), number=st.integers(0, 9)
)
@settings(max_examples=300, deadline=None)
def test_json_without_an_escape_shows_the_same_read_or_not(pieces: list[str], number: int) -> None:
    text = "".join(pieces).replace('"', " ").replace("\n", " ")
    event = call(f'{{"a":"{text}","b":{number},"c.d":["{text}"]}}', status=200, rules=["a.b"])
    escaped = call(event.body["arguments"], status=200, rules=["a.b"], other="\\")
    looked = [[(hit.type, hit.seen, hit.key) for hit in Finder(ALL).look(one)] for one in (event, escaped)]
    assert looked[0] == looked[1]


@pytest.mark.behaviour("intel.quick")
def test_most_events_are_set_aside_by_a_glance() -> None:
    texts = ["Look at readme.txt.", '{"url":"https://good.org/x?y=1"}', "10.0.0.1:80 at 12:30:45", "cd" * 16, "npx a"]
    assert [text for text in texts if Glance(PLACES).may(shown(call(text)))] == []


@pytest.mark.behaviour("intel.quick")
def test_a_name_whose_last_label_ends_in_a_digit_is_no_address() -> None:
    word = b"www.evil.lan2"
    assert is_candidate(word)
    assert observables(word) == [(Type.DOMAIN, "www.evil.lan2")]
    assert Quick(PLACES).may(word)
