"""Access tokens at an endpoint: issued for its address, and held to what each member asks."""

from __future__ import annotations

import pytest

from tests.gateway.aggregate.conftest import Company, Make
from tests.gateway.authorization_server import AuthorizationServer
from tests.gateway.conftest import Got, call, mirrors
from tests.gateway.test_oauth import issuers_of


async def use(company: Company, tool: str, token: str) -> Got:
    body = call(name=tool, modern=True)
    return await company.post(body, *mirrors(name=tool), token=b"Bearer " + token.encode())


@pytest.mark.behaviour("oauth.endpoints")
async def test_a_token_for_an_endpoint_is_held_to_what_its_members_ask(
    make_company: Make, authorization_server: AuthorizationServer
) -> None:
    asked = {"scopes": ("use",), "tool_scopes": {"delete": ("files.write",)}}
    company = await make_company(a="both", issuers=issuers_of(authorization_server), route=asked)
    ports = company.gateway.ports
    here, member = (f"http://127.0.0.1:{ports[name]}/mcp" for name in ("all", "a"))
    mint = authorization_server.mint
    assert (await use(company, "a__read", mint(audience=here, scope="use"))).status == 200
    assert (await use(company, "a__read", mint(audience=member, scope="use"))).status == 401
    assert (await use(company, "a__read", mint(audience=here, scope="other"))).status == 403
    got = await use(company, "a__delete", mint(audience=here, scope="use"))
    challenge = got.header("www-authenticate") or ""
    assert got.status == 403
    assert 'scope="files.write use"' in challenge
    assert f'resource_metadata="http://127.0.0.1:{ports["all"]}/.well-known/' in challenge
    assert (await use(company, "a__delete", mint(audience=here, scope="use files.write"))).status == 200
    assert [e.actor for e in company.events("gateway.request.decided")][-1] == "agent:corp/ada"
