"""Lists of several members as one: order, pages, caching, and what is missing."""

from __future__ import annotations

import asyncio
from typing import Any

import msgspec
import pytest
from hypothesis import HealthCheck, given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st

from tests.gateway.aggregate.conftest import Company, Make, error, modern, tool
from tests.gateway.conftest import mirrors
from watchkeeper.gateway.aggregate.model import Member
from watchkeeper.gateway.aggregate.names import Names
from watchkeeper.gateway.aggregate.pages import Position, merge, page_in

LEFT_OUT = "watchkeeper/leftOut"


async def pages(company: Company, method: str = "tools/list", **params: Any) -> list[dict[str, Any]]:
    """Every page of a list, as results."""
    found: list[dict[str, Any]] = []
    cursor: dict[str, Any] = {}
    while True:
        got = await company.modern(method, None, **cursor, **params)
        assert got.status == 200, got.body
        found.append(got.json["result"])
        if "nextCursor" not in found[-1]:
            return found
        cursor = {"cursor": found[-1]["nextCursor"]}


def names(found: list[dict[str, Any]]) -> list[str]:
    return [entry["name"] for page in found for entry in page["tools"]]


@pytest.mark.behaviour("aggregate.merged-in-order")
async def test_a_list_has_every_members_entries_in_the_settings_order_every_time(make_company: Make) -> None:
    company = await make_company(time="both", git="both", mail="both")
    company.time.pages["tools/list"] = [[tool("b"), tool("a")]]
    company.git.pages["tools/list"] = [[tool("z", **{"x-vendor": {"n": 1.0}})]]
    company.mail.pages["tools/list"] = [[tool("m")]]
    lists = [names(await pages(company)) for _ in range(3)]
    assert lists == [["time__b", "time__a", "git__z", "mail__m"]] * 3


@pytest.mark.behaviour("aggregate.definitions-keep-their-bytes")
async def test_a_definition_keeps_every_byte_but_its_name(make_company: Make) -> None:
    company = await make_company(git="both", time="both")
    entry = b'{ "title" : "T\\u00e9", "name":"status" ,"inputSchema":{"type":"object","$defs":{"x":{"minimum":1.50}}}}'

    async def writes(message: dict[str, Any], writer: asyncio.StreamWriter) -> bool:
        if message.get("method") != "tools/list":
            return False
        body = b'{"jsonrpc":"2.0","id":1,"result":{"resultType":"complete","tools":[' + entry + b"]}}"
        writer.write(
            b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n" % len(body) + body
        )
        return True

    company.git.writes = writes
    got = await company.modern("tools/list")
    assert entry.replace(b'"status"', b'"git__status"') in got.body


@pytest.mark.behaviour("aggregate.pages-complete")
async def test_no_entry_is_lost_or_doubled_over_pages_of_any_sizes(make_company: Make) -> None:
    company = await make_company(a="both", b="both", c="both")
    company.a.pages["tools/list"] = [[tool("1"), tool("2")], [], [tool("3")], [tool("4")]]
    company.b.pages["tools/list"] = [[tool("1")]]
    company.c.pages["tools/list"] = [[], [tool("1"), tool("2")]]
    found = await pages(company)
    assert len(found) == 4
    assert sorted(names(found)) == ["a__1", "a__2", "a__3", "a__4", "b__1", "c__1", "c__2"]
    assert [message["params"].get("cursor") for message in company.a.calls("tools/list")] == [None, "", "2", "3"]
    assert len(company.b.calls("tools/list")) == 1


@pytest.mark.behaviour("aggregate.cursor-bound")
async def test_a_cursor_is_good_for_its_own_list_and_principal_alone(make_company: Make) -> None:
    company = await make_company(a="both", b="both")
    company.a.pages = {method: [[], []] for method in ("tools/list", "prompts/list")}
    cursor = (await company.modern("tools/list")).json["result"]["nextCursor"]
    asked = len(company.a.got)
    body = modern("tools/list", cursor=cursor)
    foreign = await company.post(body, *mirrors("tools/list", None), token=b"Bearer token-of-bob")
    assert foreign.json["error"]["code"] == -32602
    for method, sent in (
        ("prompts/list", cursor),
        ("tools/list", cursor[:-1] + "A"),
        ("tools/list", ""),
        ("tools/list", 1),
    ):
        assert (await company.modern(method, None, cursor=sent)).json["error"]["code"] == -32602
    assert len(company.a.got) == asked


@pytest.mark.behaviour("aggregate.cache-narrowest")
async def test_a_merged_list_may_be_cached_no_longer_and_no_wider_than_any_members(make_company: Make) -> None:
    company = await make_company(a="both", b="both")
    for one in (company.a, company.b):
        one.pages["tools/list"] = [[tool("x")]]
    assert [(p["ttlMs"], p["cacheScope"]) for p in await pages(company)] == [(1000, "public")]
    company.b.list_extra = {"ttlMs": 7, "cacheScope": "private"}
    assert [(p["ttlMs"], p["cacheScope"]) for p in await pages(company)] == [(7, "private")]
    company.b.list_extra = {}
    assert [(p["ttlMs"], p["cacheScope"]) for p in await pages(company)] == [(0, "private")]


@pytest.mark.behaviour("aggregate.missing-member-said")
async def test_a_member_that_fails_is_missed_aloud_and_takes_no_other_with_it(make_company: Make) -> None:
    company = await make_company(a="both", b="both", c="both")
    for one in (company.a, company.b, company.c):
        one.pages["tools/list"] = [[tool("x")]]
    assert len(names(await pages(company))) == 3
    await company.b.raw.stop()
    company.c.says = lambda message: error(-32603) if message["method"] == "tools/list" else None
    found = await pages(company)
    assert names(found) == ["a__x"]
    assert found[0]["_meta"][LEFT_OUT] == [
        {"server": "b", "reason": "it cannot be reached"},
        {"server": "c", "reason": "it answers with the error -32603"},
    ]
    assert (found[0]["ttlMs"], found[0]["cacheScope"]) == (0, "private")
    narrowed = company.events("gateway.endpoint.narrowed")
    assert [(e.server, e.actor, e.body["member"]) for e in narrowed] == [
        ("all", "agent:alice", "b"),
        ("all", "agent:alice", "c"),
    ]


@pytest.mark.behaviour("aggregate.missing-member-said")
async def test_when_no_member_has_a_list_the_answer_is_an_error_not_an_empty_list(make_company: Make) -> None:
    company = await make_company(a="both", b="both")
    got = await company.modern("resources/list")
    assert (got.status, got.json["error"]["code"]) == (404, -32601)
    await company.a.raw.stop()
    await company.b.raw.stop()
    got = await company.modern("tools/list")
    assert (got.status, got.json["error"]["code"]) == (502, 50200)


@pytest.mark.behaviour("aggregate.silent-member-bounded")
async def test_a_member_that_never_answers_is_left_out_after_its_time(make_company: Make) -> None:
    company = await make_company(a="both", b="both", options={"member_seconds": 0.3})
    company.a.pages["tools/list"] = [[tool("x")]]

    async def silent(message: dict[str, Any], writer: asyncio.StreamWriter) -> bool:
        return message.get("method") == "tools/list"

    company.b.writes = silent
    found = await pages(company)
    assert names(found) == ["a__x"]
    assert found[0]["_meta"][LEFT_OUT] == [{"server": "b", "reason": "it does not answer"}]


@pytest.mark.behaviour("aggregate.endless-lists-cut")
async def test_a_list_that_goes_in_a_circle_is_cut_off(make_company: Make) -> None:
    company = await make_company(evil="both", git="both")
    company.git.pages["tools/list"] = [[tool("x")]]
    company.evil.says = lambda message: (
        {"result": {"resultType": "complete", "tools": [], "nextCursor": "again", "ttlMs": 0, "cacheScope": "public"}}
        if message["method"] == "tools/list"
        else None
    )
    found = await pages(company)
    assert names(found) == ["git__x"]
    assert len(company.evil.calls("tools/list")) == 2
    assert [left["server"] for left in found[-1]["_meta"][LEFT_OUT]] == ["evil"]


@pytest.mark.behaviour("aggregate.stale-cursor-said")
async def test_when_a_member_forgets_its_cursor_the_client_is_told_to_list_again(make_company: Make) -> None:
    company = await make_company(a="both", b="both")
    company.a.pages["tools/list"] = [[tool("1")], [tool("2")]]
    company.b.pages["tools/list"] = [[tool("1")], [tool("2")]]
    cursor = (await company.modern("tools/list")).json["result"]["nextCursor"]
    company.a.says = lambda message: error(-32602) if "cursor" in message.get("params", {}) else None
    assert (await company.modern("tools/list", None, cursor=cursor)).json["error"]["code"] == -32602


@pytest.mark.behaviour("aggregate.lists-of-the-older-era")
async def test_the_older_era_lists_through_its_session_without_the_newer_eras_members(make_company: Make) -> None:
    company = await make_company(a="legacy", b="legacy")
    company.a.pages["tools/list"] = [[tool("1")], [tool("2")]]
    company.b.pages["tools/list"] = [[tool("1")]]
    company.a.list_extra = company.b.list_extra = {}
    session = await company.begin()
    first = (await company.legacy(session, "tools/list", _meta={"progressToken": 1})).json["result"]
    assert [t["name"] for t in first.pop("tools")] == ["a__1", "b__1"]
    cursor = first.pop("nextCursor")
    assert first == {}
    assert "_meta" not in company.a.calls("tools/list")[0]["params"] or "progressToken" not in str(company.a.got)
    second = (await company.legacy(session, "tools/list", cursor=cursor)).json["result"]
    assert [t["name"] for t in second["tools"]] == ["a__2"]
    assert [head.header("mcp-session-id") for head in company.a.heads][-2:] == ["a-1", "a-1"]


@pytest.mark.behaviour("aggregate.levels-to-all")
async def test_a_log_level_goes_to_every_member_that_has_one(make_company: Make) -> None:
    company = await make_company(a="legacy", b="legacy")
    company.b.says = lambda message: error(-32601) if message["method"] == "logging/setLevel" else None
    session = await company.begin()
    got = await company.legacy(session, "logging/setLevel", level="debug")
    assert got.json == {"jsonrpc": "2.0", "id": 1, "result": {}}
    assert len(company.a.calls("logging/setLevel")) == len(company.b.calls("logging/setLevel")) == 1


@pytest.mark.behaviour("aggregate.own-answers")
async def test_a_ping_is_answered_here_and_recorded(make_company: Make) -> None:
    company = await make_company(a="legacy", b="legacy")
    session = await company.begin()
    assert (await company.legacy(session, "ping", id="p")).json == {"jsonrpc": "2.0", "id": "p", "result": {}}
    assert company.a.calls("ping") == []
    recorded = [e for e in company.events("gateway.request.decided") if e.body["method"] == "ping"]
    assert [(e.server, e.outcome) for e in recorded] == [("all", "allow")]


# -- properties


async def _never(_: object) -> Any:
    raise AssertionError("nothing is asked here")


_NAME = st.text(st.characters(codec="utf-8", exclude_categories=("Cs",)), max_size=8)
_PAGES = st.lists(st.lists(_NAME, max_size=5, unique=True), min_size=1, max_size=5)


@pytest.mark.behaviour("aggregate.pages-complete")
@given(of_a=_PAGES, of_b=_PAGES, budget=st.integers(0, 200))
def test_whatever_the_pages_every_entry_is_listed_exactly_once(
    of_a: list[list[str]], of_b: list[list[str]], budget: int
) -> None:
    members = [Member("a", "a__", _never), Member("b", "b__", _never)]
    lists = {"a": of_a, "b": of_b}
    open_places = [Position("a"), Position("b")]
    listed: list[str] = []
    rounds = 0
    while open_places:
        rounds += 1
        assert rounds <= len(of_a) + len(of_b)
        asked = []
        for place in open_places:
            number = int(place.cursor or 0) if place.cursor is not None else 0
            result: dict[str, Any] = {"tools": [{"name": name} for name in lists[place.server][number]]}
            if number + 1 < len(lists[place.server]):
                result["nextCursor"] = str(number + 1)
            page = page_in("tools/list", msgspec.json.encode(result))
            assert page is not None
            asked.append((members[0 if place.server == "a" else 1], place, page))
        merged = merge("tools/list", Names(members), asked, budget)
        listed += [msgspec.json.decode(entry)["name"] for entry in merged.entries]
        open_places = merged.open
    expected = [f"a__{n}" for page in of_a for n in page] + [f"b__{n}" for page in of_b for n in page]
    assert sorted(listed) == sorted(expected)


@pytest.mark.behaviour("aggregate.pages-complete")
@hypothesis_settings(max_examples=15, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(sizes=st.lists(st.integers(0, 3), min_size=1, max_size=4), vanished=st.integers(0, 3))
async def test_a_list_that_changes_between_pages_loses_and_doubles_nothing_of_the_other_member(
    make_company: Make, sizes: list[int], vanished: int
) -> None:
    company = await make_company(a="both", b="both")
    stable = [[tool(f"{page}-{n}") for n in range(size)] for page, size in enumerate(sizes)]
    company.a.pages["tools/list"] = stable
    company.b.pages["tools/list"] = [[tool(str(n))] for n in range(4)]
    cursor: dict[str, Any] = {}
    found: list[str] = []
    for number in range(10):
        if number == vanished:
            company.b.pages["tools/list"] = [[tool("new")]] * 4
        result = (await company.modern("tools/list", None, **cursor)).json["result"]
        found += [entry["name"] for entry in result["tools"]]
        if "nextCursor" not in result:
            break
        cursor = {"cursor": result["nextCursor"]}
    assert [name for name in found if name.startswith("a__")] == [f"a__{t['name']}" for page in stable for t in page]
