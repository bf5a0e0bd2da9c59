"""A change of configuration under an endpoint: what stays as it was keeps its sessions, what does not begins again."""

from __future__ import annotations

import msgspec
import pytest

from tests.gateway.aggregate.conftest import Company, Make, tool
from watchkeeper.gateway.fitting import Terms
from watchkeeper.gateway.model import Route
from watchkeeper.gateway.pool import HttpUpstream


async def listed(company: Company, session: str) -> list[str]:
    got = await company.legacy(session, "tools/list")
    return [entry["name"] for entry in got.json["result"]["tools"]]


async def two(make_company: Make) -> tuple[Company, str]:
    company = await make_company(a="both", b="both")
    for one in (company.a, company.b):
        one.pages["tools/list"] = [[tool("x")]]
    return company, await company.begin()


@pytest.mark.behaviour("aggregate.changes-keep-sessions")
async def test_a_session_outlives_a_change_of_what_is_not_its_endpoint(make_company: Make) -> None:
    company, session = await two(make_company)
    terms = Terms(msgspec.structs.replace(company.settings, drain_seconds=0.5), None, None)
    again = msgspec.structs.replace(company.endpoint)
    await company.gateway.change(company.routes, terms, [again])
    assert await listed(company, session) == ["a__x", "b__x"]
    assert (company.a.begun, company.b.begun) == (1, 1)


@pytest.mark.behaviour("aggregate.changes-keep-sessions")
async def test_a_member_that_is_reached_anew_gets_a_new_session_in_the_clients_old_one(make_company: Make) -> None:
    company, session = await two(make_company)
    company.a.sessions.clear()
    upstream = HttpUpstream(f"http://127.0.0.1:{company.a.raw.port}/mcp", company.settings)
    routes = [Route(name="a", upstream=upstream), company.routes[1]]
    await company.gateway.change(routes, Terms(company.settings, None, None), [company.endpoint])
    assert await listed(company, session) == ["a__x", "b__x"]
    assert (company.a.begun, company.b.begun) == (2, 1)


@pytest.mark.behaviour("aggregate.changes-keep-sessions")
async def test_an_endpoint_that_shows_other_servers_begins_again(make_company: Make) -> None:
    company, session = await two(make_company)
    fewer = msgspec.structs.replace(company.endpoint, prefixes={"b": "b__"})
    await company.gateway.change(company.routes[1:], Terms(company.settings, None, None), [fewer])
    assert (await company.legacy(session, "tools/list")).status == 404
    assert await listed(company, await company.begin()) == ["b__x"]
