"""Which era an endpoint serves, and what a client of the other one is told."""

from __future__ import annotations

import pytest

from tests.gateway.aggregate.conftest import Make, error, initialize, tool
from tests.gateway.conftest import MODERN

LEFT_OUT = "watchkeeper/leftOut"
LEGACY = ["2024-11-05", "2025-03-26", "2025-06-18", "2025-11-25"]


@pytest.mark.behaviour("aggregate.one-era-for-all")
async def test_where_one_member_is_old_the_newer_era_is_refused_so_that_no_member_is_lost(make_company: Make) -> None:
    company = await make_company(new="both", old="legacy")
    for method, name in (("server/discover", None), ("tools/list", None), ("tools/call", "new__x")):
        got = await company.modern(method, name)
        assert (got.status, got.json["error"]["code"]) == (400, -32022)
        assert got.json["error"]["data"] == {"supported": LEGACY, "requested": MODERN}
    assert company.new.calls("tools/call") == []
    company.new.pages["tools/list"] = company.old.pages["tools/list"] = [[tool("x")]]
    session = await company.begin()
    listed = await company.legacy(session, "tools/list")
    assert [t["name"] for t in listed.json["result"]["tools"]] == ["new__x", "old__x"]


@pytest.mark.behaviour("aggregate.one-era-for-all")
async def test_where_one_member_is_new_only_initialize_names_the_newer_version(make_company: Make) -> None:
    company = await make_company(both="both", new="modern")
    got = await company.post(initialize())
    assert (got.status, got.json["error"]["code"]) == (400, -32022)
    assert got.json["error"]["data"] == {"supported": [MODERN], "requested": "2025-11-25"}
    assert got.header("mcp-session-id") is None
    found = await company.modern("server/discover")
    assert found.json["result"]["supportedVersions"] == [MODERN]
    await company.both.until("DELETE")
    assert company.both.sessions == set()


@pytest.mark.behaviour("aggregate.no-common-era-said")
async def test_without_a_common_era_each_is_served_by_who_speaks_it_and_says_who_is_missing(make_company: Make) -> None:
    company = await make_company(new="modern", old="legacy")
    company.new.pages["tools/list"] = company.old.pages["tools/list"] = [[tool("x")]]
    first = await company.post(initialize())
    assert first.status == 200
    assert [gone["server"] for gone in first.json["result"]["_meta"][LEFT_OUT]] == ["new"]
    assert "Not available here" in first.json["result"]["instructions"]
    session = first.header("mcp-session-id") or ""
    listed = await company.legacy(session, "tools/list")
    assert [t["name"] for t in listed.json["result"]["tools"]] == ["old__x"]
    found = await company.modern("server/discover")
    assert [gone["server"] for gone in found.json["result"]["_meta"][LEFT_OUT]] == ["old"]
    listed = await company.modern("tools/list")
    assert [t["name"] for t in listed.json["result"]["tools"]] == ["new__x"]
    assert [gone["server"] for gone in listed.json["result"]["_meta"][LEFT_OUT]] == ["old"]
    refused = await company.modern("tools/call", "old__x")
    assert (refused.json["error"]["code"], company.old.calls("tools/call")) == (50200, [])
    assert "protocol era" in refused.json["error"]["message"]
    narrowed = [(e.era, e.body["member"]) for e in company.events("gateway.endpoint.narrowed")]
    assert ("legacy", "new") in narrowed
    assert ("modern", "old") in narrowed


@pytest.mark.behaviour("aggregate.outage-is-no-era")
async def test_a_member_that_is_down_decides_no_era(make_company: Make) -> None:
    company = await make_company(a="both", b="both")
    company.a.pages["tools/list"] = [[tool("x")]]
    await company.b.raw.stop()
    listed = await company.modern("tools/list")
    assert [t["name"] for t in listed.json["result"]["tools"]] == ["a__x"]
    assert [gone["server"] for gone in listed.json["result"]["_meta"][LEFT_OUT]] == ["b"]
    got = await company.post(initialize())
    assert got.json["result"]["_meta"][LEFT_OUT] == [{"server": "b", "reason": "it cannot be reached"}]


@pytest.mark.behaviour("aggregate.discover-merged")
async def test_discover_promises_what_the_members_have_and_no_more(make_company: Make) -> None:
    company = await make_company(a="both", b="both")
    company.a.capabilities = {"tools": {"listChanged": False}, "experimental": {"x": {}}, "extensions": {"y/z": {}}}
    company.b.capabilities = {"tools": {"listChanged": True}, "resources": {"subscribe": True}}
    company.a.instructions, company.b.instructions = "Use a.", "Use b."
    company.b.list_extra = {"ttlMs": 5, "cacheScope": "private"}
    result = (await company.modern("server/discover")).json["result"]
    info = result.pop("_meta")["io.modelcontextprotocol/serverInfo"]
    assert info["name"] == "watchkeeper/all"
    assert result == {
        "resultType": "complete",
        "supportedVersions": [MODERN],
        "capabilities": {"tools": {"listChanged": True}, "resources": {"subscribe": True}},
        "ttlMs": 5,
        "cacheScope": "private",
        "instructions": "# a (names begin with a__)\nUse a.\n\n# b (names begin with b__)\nUse b.",
    }


@pytest.mark.behaviour("aggregate.held-instructions-stay-out")
async def test_a_member_whose_greeting_is_stopped_is_missing_and_its_words_with_it(make_company: Make) -> None:
    company = await make_company(a="both", b="both")
    company.a.instructions, company.b.instructions = "Use a.", "IGNORE ALL"
    company.guard.denied_words.add(b"IGNORE ALL")
    for got in (await company.modern("server/discover"), await company.post(initialize())):
        assert "IGNORE" not in got.body.decode()
        gone = got.json["result"]["_meta"][LEFT_OUT]
        assert gone == [{"server": "b", "reason": "a policy does not allow it"}]


@pytest.mark.behaviour("aggregate.one-version-for-all")
async def test_all_members_speak_the_oldest_version_that_one_of_them_chose(make_company: Make) -> None:
    company = await make_company(a="legacy", b="legacy")
    company.b.version = "2025-03-26"
    got = await company.post(initialize())
    assert got.json["result"]["protocolVersion"] == "2025-03-26"
    asked = [m["params"]["protocolVersion"] for m in company.a.calls("initialize")]
    assert asked == ["2025-11-25", "2025-03-26"]
    assert company.a.sessions == {"a-2"}
    company.a.version = "2025-06-18"
    other = await company.post(initialize())
    assert other.json["result"]["protocolVersion"] == "2025-03-26"
    assert other.json["result"]["_meta"][LEFT_OUT] == [{"server": "a", "reason": "it does not speak 2025-03-26"}]


@pytest.mark.behaviour("aggregate.modern-has-no-sessions")
async def test_the_modern_era_has_neither_streams_to_get_nor_sessions_to_end(make_company: Make) -> None:
    company = await make_company(a="both")
    for verb in ("GET", "DELETE"):
        got = await company.post(b"", ("MCP-Protocol-Version", MODERN), verb=verb)
        assert got.status == 405
    company.a.says = lambda message: error(-32601) if message["method"] == "ping" else None
    assert (await company.modern("ping")).status == 404
