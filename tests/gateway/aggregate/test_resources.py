"""Whose a resource is: no prefix says it, so lists, templates and answers do."""

from __future__ import annotations

import pytest

from tests.gateway.aggregate.conftest import Company, Make
from tests.gateway.conftest import call, mirrors


async def with_resources(make_company: Make) -> Company:
    company = await make_company(a="both", b="both", c="both")
    company.a.pages["resources/list"] = [[{"uri": "a://1", "name": "1"}], [{"uri": "x://both", "name": "2"}]]
    company.b.pages["resources/list"] = [[{"uri": "b://1", "name": "1"}, {"uri": "x://both", "name": "2"}]]
    company.a.pages["resources/templates/list"] = [[{"uriTemplate": "a://logs/{day}", "name": "logs"}]]
    company.b.pages["resources/templates/list"] = [[{"uriTemplate": "b://{+path}", "name": "all"}]]
    return company


async def read(company: Company, uri: str) -> str:
    got = await company.modern("resources/read", uri)
    if "error" in got.json:
        return f"{got.json['error']['code']}"
    return str(got.json["result"]["contents"][0]["text"])


@pytest.mark.behaviour("aggregate.resources-routed")
async def test_a_resource_is_read_from_the_member_that_lists_it_or_whose_template_fits(make_company: Make) -> None:
    company = await with_resources(make_company)
    read_from = {uri: await read(company, uri) for uri in ("a://1", "b://1", "a://logs/monday", "b://deep/down")}
    assert read_from == {"a://1": "a", "b://1": "b", "a://logs/monday": "a", "b://deep/down": "b"}
    assert company.a.heads[-1].header("mcp-name") == "a://logs/monday"
    lists = [len(company.a.calls(method)) for method in ("resources/list", "resources/templates/list")]
    assert lists == [2, 1]  # asked for once, then remembered


@pytest.mark.behaviour("aggregate.resources-ambiguous")
async def test_a_resource_that_two_members_claim_is_nobodys_and_that_is_recorded(make_company: Make) -> None:
    company = await with_resources(make_company)
    assert await read(company, "x://both") == "-32602"
    assert await read(company, "z://unknown") == "-32602"
    assert company.a.calls("resources/read") == company.b.calls("resources/read") == []
    rules = [e.body["rules"] for e in company.events("gateway.request.decided") if e.server == "all"]
    assert rules == [["endpoint.ambiguous"], ["endpoint.unknown"]]
    company.a.pages["resources/list"] = [[{"uri": "x://both", "name": "2"}, {"uri": "a://1", "name": "1"}]]
    listed = await company.modern("resources/list")
    assert [entry["uri"] for entry in listed.json["result"]["resources"]] == ["a://1", "b://1"]
    collided = company.events("gateway.endpoint.collided")
    assert [(e.body["member"], e.body["names"]) for e in collided] == [("b", ["x://both"])]


@pytest.mark.behaviour("aggregate.resources-routed")
async def test_the_client_may_name_the_member_it_means(make_company: Make) -> None:
    company = await with_resources(make_company)
    meta = {"watchkeeper/server": "b", "io.modelcontextprotocol/protocolVersion": "2026-07-28"}
    body = call("resources/read", modern=True, uri="x://both", _meta=meta)
    got = await company.post(body, *mirrors("resources/read", "x://both"))
    assert got.json["result"]["contents"][0]["text"] == "b"
    body = call("resources/read", modern=True, uri="x://both", _meta=meta | {"watchkeeper/server": "svn"})
    assert (await company.post(body, *mirrors("resources/read", "x://both"))).json["error"]["code"] == -32602


@pytest.mark.behaviour("aggregate.linked-resources")
async def test_a_resource_that_a_members_answer_links_to_is_read_from_it(make_company: Make) -> None:
    company = await with_resources(make_company)
    link = {"type": "resource_link", "uri": "z://linked", "name": "l"}
    company.a.says = lambda message: {"result": {"content": [link]}} if message["method"] == "tools/call" else None
    assert await read(company, "z://linked") == "-32602"
    await company.modern("tools/call", "a__make")
    assert await read(company, "z://linked") == "a"


@pytest.mark.behaviour("aggregate.resources-routed")
async def test_subscriptions_of_the_older_era_and_their_updates_keep_the_uri(make_company: Make) -> None:
    company = await with_resources(make_company)
    session = await company.begin()
    assert (await company.legacy(session, "resources/subscribe", uri="b://1")).json["result"] == {}
    assert [m["params"]["uri"] for m in company.b.calls("resources/subscribe")] == ["b://1"]
    assert company.a.calls("resources/subscribe") == []
    assert (await company.legacy(session, "resources/read", uri="z://unknown")).json["error"]["code"] == -32002


@pytest.mark.behaviour("aggregate.prompts-and-completion")
async def test_a_templates_completion_goes_to_its_member(make_company: Make) -> None:
    company = await with_resources(make_company)
    for one in (company.a, company.b):
        one.says = lambda message, name=one.name: (  # type: ignore[misc]
            {"result": {"completion": {"values": [name]}}} if message["method"] == "completion/complete" else None
        )
    ref = {"type": "ref/resource", "uri": "a://logs/{day}"}
    got = await company.modern("completion/complete", None, ref=ref, argument={"name": "day", "value": "m"})
    assert got.json["result"]["completion"]["values"] == ["a"]
    for bad in ({}, {"type": "ref/prompt", "name": "svn__x"}, {"name": "a__x", "uri": "a://1"}):
        got = await company.modern("completion/complete", None, ref=bad, argument={"name": "day", "value": "m"})
        assert got.json["error"]["code"] == -32602
