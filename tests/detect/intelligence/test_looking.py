"""Observables of events, and what is known of them."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from watchkeeper.detect.intelligence.keeping.allowing import Allowed, AllowList
from watchkeeper.detect.intelligence.keeping.index import Few
from watchkeeper.detect.intelligence.looking.finding import Finder, found_in
from watchkeeper.detect.intelligence.model import Indicator, Tlp, Type
from watchkeeper.detect.intelligence.values import guess
from watchkeeper.events import Event, new_event


def known(*values: str, kind: Type | None = None) -> Few:
    pairs = [(kind, value) if kind else guess(value) for value in values]
    return Few(
        Indicator(
            type=one, value=value, id=f"i{at}", source="s", confidence=80, valid_from=0, valid_until=0, modified=0,
            tlp=Tlp.CLEAR,
        )
        for at, (one, value) in enumerate(pairs)
    )  # fmt: skip


def call(arguments: str, **more: object) -> Event:
    return new_event(5, "gateway.request.decided", body={"arguments": arguments, **more})


def seen(event: Event, lookup: Few) -> list[tuple[str, str]]:
    return sorted((hit.seen, hit.key) for hit in Finder(lookup).look(event))


@pytest.mark.behaviour("intel.boundaries")
@pytest.mark.parametrize(
    ("text", "is_found"),
    [
        ("go to evil.net.", True),
        ("EVIL.NET", True),
        ("https://a.b.evil.net:8443/x?y=1#z", True),
        ("hxxps[://]www.evil[.]net", True),
        ("evil(dot)net", True),
        ("mail me@evil.net", True),
        ("me@sub.evil.net:", True),
        ("?next=https%3A%2F%2Fevil.net%2Fx", True),
        ("https://good.org/?u=http://evil.net/", True),
        ("https://user:pw@evil.net/", True),
        ("host=evil.net&x", True),
        ("(evil.net)", True),
        ("evil.net:443", True),
        ("notevil.net", False),
        ("evil.net.good.org", False),
        ("evil.network", False),
        ("evil-net", False),
        ("https://evil.net@good.org/", False),
        ("my-evil.net", False),
        ("evil", False),
        ("net", False),
    ],
)
def test_a_name_is_found_whole_or_as_a_parent(text: str, is_found: bool) -> None:
    assert bool(seen(call(text), known("evil.net"))) is is_found


@pytest.mark.behaviour("intel.boundaries")
def test_a_walk_goes_up_to_what_was_registered_and_says_what_was_seen() -> None:
    lookup = known("evil.co.uk", "c.evil.co.uk")
    assert seen(call("x.evil.co.uk and other.co.uk"), lookup) == [("x.evil.co.uk", "d:evil.co.uk")]


@pytest.mark.behaviour("intel.escapes")
@pytest.mark.parametrize(
    "text",
    [
        "a\nevil.net\tb",
        '{"text":"a\\nevil.net"}',
        '{"text":"\\u0065vil.net"}',
        '[{"type":"text","text":"{\\"u\\":\\"https:\\\\/\\\\/evil.net\\\\/\\"}"}]',
        '[{"type":"text","text":"line\\\\nevil.net"}]',
        '{"text":"\\\\u0065vil.net"}',
        '{"cut": "evil.net',
        "evil\u200b.net",
        "访问evil.net。好",
        "evil\u3002net",
        "\uff45\uff56\uff49\uff4c.net",
        "“evil.net”",
        "\x1bevil.net",
        "C:\\new\\evil.net",
    ],
    ids=range(14),
)
def test_what_stands_around_a_value_does_not_hide_it(text: str) -> None:
    assert [key for _, key in seen(call(text), known("evil.net"))] == ["d:evil.net"]


@pytest.mark.behaviour("intel.boundaries")
def test_other_letters_make_another_name() -> None:
    assert seen(call("éevil.net"), known("evil.net")) == []
    assert seen(call("bücher.net"), known("xn--bcher-kva.net")) == [("xn--bcher-kva.net", "d:xn--bcher-kva.net")]


@pytest.mark.behaviour("intel.boundaries")
def test_each_type_is_found_where_events_show_it() -> None:
    digest = "0f" * 32
    lookup = Few(
        one
        for few in (
            known("1.2.3.4", "9.9.0.0/16", "2a01:1::/32", "http://evil.net/a", "bad@evil.net", digest),
            known(f"sha256:{'1e' * 32}", kind=Type.DEFINITION),
            known("weather", kind=Type.SERVER),
            known("npm/@evil/tool", "pypi/thing@1.0", "*/other", kind=Type.PACKAGE),
        )
        for found in few._by_key.values()
        for one in found
    )
    event = new_event(
        5,
        "gateway.upstream.spawned",
        server="Weather",
        target="http://evil.net/a?b=c#d",
        body={
            "command": ["npx", "-y", "@Evil/Tool@1.2", "--port", "1"],
            "fingerprint": f"sha256:{'1e' * 32}",
            "more": {"list": ["1.2.3.4:80", "9.9.1.1", "2a01:1::5", "Bad@Evil.net", digest.upper(), 7, None]},
            "arguments": "pip install thing==1.0 && uvx other",
        },
    )
    assert [key for _, key in seen(event, lookup)] == sorted(
        ["i:1.2.3.4", "n:9.9.0.0/16", "n:2a01:1::/32", "e:bad@evil.net", f"h:{digest}", "u:http://evil.net/a",
         "p:npm/@evil/tool", "p:*/other", "p:pypi/thing@1.0", f"f:sha256:{'1e' * 32}", "s:weather"],
        key=lambda key: next(s for s, k in seen(event, lookup) if k == key),
    )  # fmt: skip
    assert len(seen(event, lookup)) == 11


@pytest.mark.behaviour("intel.allowed")
def test_what_is_allowed_below_an_indicator_is_not_a_hit() -> None:
    allow = AllowList([Allowed(type=Type.DOMAIN, value="good.evil.net", why="ours")])
    finder = Finder(known("evil.net"), allow)
    assert [hit.seen for hit in finder.look(call("good.evil.net bad.evil.net"))] == ["bad.evil.net"]


@pytest.mark.behaviour("intel.index")
def test_another_index_is_looked_up_anew() -> None:
    finder = Finder(Few())
    assert finder.look(call("evil.net")) == []
    finder.use(known("evil.net"))
    assert len(finder.look(call("evil.net"))) == 1
    finder.use(known("other.net"))
    assert finder.look(call("evil.net")) == []


@pytest.mark.behaviour("intel.boundaries")
def test_a_text_is_searched_as_an_event_is() -> None:
    assert [hit.key for hit in found_in("GET hxxp://x.evil[.]net/ 200", known("evil.net"))] == ["d:evil.net"]
    assert [hit.key for hit in found_in("npm/tool", known("npm/tool", kind=Type.PACKAGE))] == ["p:npm/tool"]
    assert [hit.key for hit in found_in("Weather", known("weather", kind=Type.SERVER))] == ["s:weather"]


@pytest.mark.behaviour("intel.escapes")
@given(st.text(max_size=300), st.text(max_size=50))
@settings(max_examples=150, deadline=None)
def test_any_text_is_looked_at(before: str, after: str) -> None:
    finder = Finder(known("evil.net", "1.2.3.0/24"))
    finder.look(call(before, result=after, odd=[before, {after: before}]))
    assert [hit.key for hit in finder.look(call(f"{before} evil.net {after}"))][:1] in (
        ["d:evil.net"],
        ["n:1.2.3.0/24"],
    )
