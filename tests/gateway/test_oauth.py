"""The gateway as an OAuth resource server: real tokens of a real authorization server, over real sockets."""

from __future__ import annotations

import asyncio
import base64
import hashlib
import hmac
import json
import time
from collections.abc import Awaitable, Callable
from typing import Any

import pytest

from tests.gateway.authorization_server import AuthorizationServer, new_key
from tests.gateway.conftest import MODERN, House, call, mirrors, post, read_message
from watchkeeper.core.clock import SECOND, Clock, ManualClock, SystemClock
from watchkeeper.core.fetch.client import Fetcher
from watchkeeper.core.fetch.settings import FetchSettings
from watchkeeper.gateway.oauth.issuers import Issuers
from watchkeeper.gateway.oauth.settings import IssuerSettings

Make = Callable[..., Awaitable[House]]


class Scene:
    """A gateway that trusts one authorization server under the name `corp`."""

    def __init__(self, house: House, server: AuthorizationServer, issuers: Issuers) -> None:
        self.house = house
        self.server = server
        self.issuers = issuers

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.house.port}/mcp"

    def token(self, **claims: Any) -> str:
        return self.server.mint(**({"audience": self.url} | claims))

    async def send(self, token: str | None, **params: Any) -> Any:
        sent = f"Bearer {token}".encode() if token is not None else None
        return await self.house.post(call(**params), token=sent)

    async def refused(self, token: str, why: str) -> None:
        """401, with a challenge that says what is wrong, and nothing reaches the server or the journal."""
        seen = len(self.house.server.got)
        got = await self.send(token)
        assert got.status == 401
        assert f'error="invalid_token", error_description="{why}"' in got.header("www-authenticate")
        assert f'resource_metadata="http://127.0.0.1:{self.house.port}/.well-known' in got.header("www-authenticate")
        assert len(self.house.server.got) == seen
        assert token not in "".join(str(event) for event in self.house.events(""))


def issuers_of(server: AuthorizationServer, clock: Clock | None = None, **settings: Any) -> Issuers:
    fetcher = Fetcher(FetchSettings(allow_hosts=(f"127.0.0.1:{server.port}",), seconds=5.0))
    return Issuers({"corp": IssuerSettings(url=server.issuer, **settings)}, fetcher, clock or SystemClock())


@pytest.fixture
async def make_scene(make_house: Make, authorization_server: AuthorizationServer) -> Callable[..., Awaitable[Scene]]:
    async def make(*, clock: Clock | None = None, route: dict[str, Any] | None = None, **settings: Any) -> Scene:
        issuers = issuers_of(authorization_server, clock, **settings)
        return Scene(await make_house(issuers=issuers, route=route), authorization_server, issuers)

    return make


@pytest.fixture
async def scene(make_scene: Callable[..., Awaitable[Scene]]) -> Scene:
    return await make_scene()


def encoded(value: dict[str, Any]) -> str:
    return base64.urlsafe_b64encode(json.dumps(value).encode()).rstrip(b"=").decode()


# -- whom it takes


@pytest.mark.behaviour("oauth.token-is-principal")
async def test_a_token_of_the_issuer_names_the_caller(scene: Scene) -> None:
    assert (await scene.send(scene.token(sub="ada", client_id="cli", scope="read"))).status == 200
    [decided] = scene.house.events("gateway.request.decided")
    assert decided.actor == "agent:corp/ada"
    [verified] = scene.house.events("gateway.caller.verified")
    assert (verified.actor, verified.body) == (
        "agent:corp/ada",
        {"client": "cli", "credential": "jwt", "scopes": ["read"]},
    )


@pytest.mark.behaviour("gateway.credential-stripped")
async def test_the_token_goes_no_further(scene: Scene) -> None:
    token = scene.token()
    await scene.send(token)
    [got] = scene.house.server.got
    assert got.header("authorization") is None
    assert token not in str(got)
    assert token not in str(scene.house.events(""))


@pytest.mark.behaviour("oauth.local-names-apart")
async def test_a_subject_cannot_take_the_name_of_a_client_here(scene: Scene) -> None:
    await scene.send(scene.token(sub="alice"))
    await scene.send(scene.token(sub="../x y\u202e"))
    assert [e.actor for e in scene.house.events("gateway.request.decided")] == [
        "agent:corp/alice",
        "agent:corp/..%2Fx%20y%E2%80%AE",
    ]
    assert (await scene.house.post(call())).status == 200
    assert scene.house.events("gateway.request.decided")[-1].actor == "agent:alice"


@pytest.mark.behaviour("oauth.every-request")
async def test_the_token_is_asked_for_on_every_request_of_a_connection(scene: Scene) -> None:
    token, port = scene.token(), scene.house.port
    async with scene.house.connect() as (reader, writer):
        writer.write(post(call(), port=port, token=f"Bearer {token}".encode()))
        assert (await read_message(reader, is_answer=True)).status == 200
        writer.write(post(call(), port=port, token=None))
        assert (await read_message(reader, is_answer=True)).status == 401


@pytest.mark.behaviour("oauth.one-look-up")
async def test_a_token_is_verified_once(scene: Scene, monkeypatch: pytest.MonkeyPatch) -> None:
    token = scene.token()
    assert (await scene.send(token)).status == 200
    monkeypatch.setattr("watchkeeper.gateway.oauth.issuers.verify", None)
    assert (await scene.send(token)).status == 200
    assert len(scene.house.events("gateway.caller.verified")) == 1


# -- whom it does not

BAD: dict[str, tuple[dict[str, Any], str]] = {
    "another-audience": ({"audience": "https://other.test/mcp"}, "the token was issued for another resource"),
    "the-servers-own-address": ({"audience": "UPSTREAM"}, "the token was issued for another resource"),
    "no-audience": ({"audience": None}, "the token was issued for another resource"),
    "two-audiences": (
        {"audience": ["HERE", "https://other.test/mcp"]},
        "the token was issued for other resources, too",
    ),
    "another-issuer": ({"iss": "https://other.test"}, "the token's issuer is not accepted here"),
    "issuer-with-slash": ({"iss": "SLASH"}, "the token's issuer is not accepted here"),
    "no-issuer": ({"iss": None}, "the token does not say who issued it"),
    "expired": ({"exp": int(time.time()) - 120}, "the token has expired"),
    "never-expires": ({"exp": None}, "the token never expires"),
    "expires-as-text": ({"exp": "2100-01-01"}, "the token's exp is no time"),
    "expires-as-truth": ({"exp": True}, "the token's exp is no time"),
    "not-yet-valid": ({"nbf": int(time.time()) + 86_400}, "the token is not valid yet"),
    "issued-in-the-future": ({"iat": int(time.time()) + 86_400}, "the token is not valid yet"),
    "no-subject": ({"sub": None}, "the token does not name a principal (sub)"),
    "empty-subject": ({"sub": ""}, "the token does not name a principal (sub)"),
    "endless-subject": ({"sub": "x" * 300}, "the token does not name a principal (sub)"),
    "id-token": ({"header": {"typ": "JWT"}}, "the token is not an access token by its type (typ)"),
    "no-type": ({"header": {"typ": None}}, "the token is not an access token by its type (typ)"),
    "unknown-extension": (
        {"header": {"crit": ["exp"]}},
        "the token asks for an extension that is not understood here",
    ),
    "dpop-bound": (
        {"cnf": {"jkt": "0ZcOCORZNYy-DWpqq30jZyJGHTN0d2HglBV3uiguA4I"}},
        "the token is bound to a key in a way that is not checked here",
    ),
    "certificate-bound": (
        {"cnf": {"x5t#S256": base64.urlsafe_b64encode(b"x" * 32).rstrip(b"=").decode()}},
        "this token is bound to a client certificate, which was not shown",
    ),
    "unknown-key": (
        {"header": {"kid": "nobody's"}},
        "the token is signed with a key that its issuer does not publish",
    ),
    "too-many-scopes": ({"scope": " ".join(map(str, range(300)))}, "the token has too many scopes"),
}


@pytest.mark.behaviour("oauth.bad-tokens-refused")
@pytest.mark.parametrize("flaw", BAD)
async def test_a_bad_token_is_refused_and_nothing_reaches_the_server(scene: Scene, flaw: str) -> None:
    claims, why = BAD[flaw]
    places = {"HERE": scene.url, "UPSTREAM": f"http://127.0.0.1:{scene.house.server.port}/mcp"}
    places["SLASH"] = scene.server.issuer + "/"
    audience = claims.get("audience", scene.url)
    audience = (
        [places.get(one, one) for one in audience] if isinstance(audience, list) else places.get(audience, audience)
    )
    claims = {name: places.get(value, value) if isinstance(value, str) else value for name, value in claims.items()}
    await scene.refused(scene.token(**claims | {"audience": audience}), why)


@pytest.mark.behaviour("oauth.signature-is-proof")
async def test_a_signature_that_proves_nothing_is_refused(scene: Scene) -> None:
    good = scene.token()
    head, body, signature = good.split(".")
    other = "B" if signature[4] != "B" else "C"
    await scene.refused(f"{head}.{body}.{signature[:4]}{other}{signature[5:]}", "the token's signature does not verify")
    claims = json.loads(base64.urlsafe_b64decode(body + "=="))
    more = encoded(claims | {"sub": "root"})
    await scene.refused(f"{head}.{more}.{signature}", "the token's signature does not verify")
    forged = scene.token(key=new_key(kid=scene.server.keys[-1].kid))
    await scene.refused(forged, "the token's signature does not verify")


@pytest.mark.behaviour("oauth.algorithms-allowed")
async def test_an_algorithm_that_anybody_can_use_is_refused(scene: Scene) -> None:
    why = "the token is signed in a way that is not accepted"
    _, body, signature = scene.token().split(".")
    kid = scene.server.keys[-1].kid
    for alg in ("none", "None", "NONE", "HS256", "", "ES256K"):
        head = encoded({"alg": alg, "typ": "at+jwt", "kid": kid})
        await scene.refused(f"{head}.{body}.{signature}", why)
    public = json.dumps(scene.server.jwks()["keys"][0]).encode()
    head = encoded({"alg": "HS256", "typ": "at+jwt", "kid": kid})
    mac = hmac.new(public, f"{head}.{body}".encode(), hashlib.sha256).digest()
    await scene.refused(f"{head}.{body}.{base64.urlsafe_b64encode(mac).rstrip(b'=').decode()}", why)
    unsigned = encoded({"alg": "none", "typ": "at+jwt"})
    assert (await scene.send(f"{unsigned}.{body}.")).status == 401


@pytest.mark.behaviour("oauth.header-keys-ignored")
async def test_keys_that_the_token_brings_are_not_looked_at(scene: Scene) -> None:
    evil = new_key(kid="evil")
    with AuthorizationServer.running() as attacker:
        attacker.keys = [evil]
        for lure in (
            {"jku": attacker.issuer + "/jwks"},
            {"x5u": attacker.issuer + "/cert"},
            {"jwk": evil.as_dict(private=False)},
            {"jku": attacker.issuer + "/jwks", "kid": scene.server.keys[-1].kid},
        ):
            got = await scene.send(scene.token(key=evil, header=lure))
            assert got.status == 401
        assert attacker.asked == []
    assert scene.house.server.got == []


@pytest.mark.behaviour("oauth.form")
async def test_what_is_not_exactly_a_token_is_nobodys(scene: Scene) -> None:
    token = scene.token()
    head, body, signature = token.split(".")
    doubled = base64.urlsafe_b64encode(b'{"iss":"https://other.test","iss":"%s"}' % scene.server.issuer.encode())
    for form in (
        f"{token}.", f".{token}", f"{head}.{body}", f"{head}..{signature}", f"{token}=", token + "A" * 9000,
        f"{head}=.{body}.{signature}", f"{head}.{doubled.rstrip(b'=').decode()}.{signature}",
        f"{head}.bm90IGpzb24.{signature}",
        f"{encoded({'alg': ['ES256']})}.{body}.{signature}", f"{head}.{encoded({'iss': 1})}.{signature}",
    ):  # fmt: skip
        got = await scene.send(form)
        assert got.status == 401
        assert got.header("www-authenticate").startswith('Bearer realm="watchkeeper", error="invalid_token"')
    assert scene.house.server.got == []


@pytest.mark.behaviour("oauth.header-only")
async def test_a_token_in_the_query_or_twice_is_refused(scene: Scene) -> None:
    token, port = scene.token(), scene.house.port
    asked = await scene.house.send(post(call(), port=port, token=None, path=f"/mcp?access_token={token}"))
    assert asked.status == 404
    both = await scene.house.send(
        post(call(), port=port, token=f"Bearer {token}".encode(), path=f"/mcp?access_token={token}")
    )
    assert both.status == 404
    twice = await scene.house.send(
        post(call(), ("Authorization", f"Bearer {token}"), port=port, token=f"Bearer {token}".encode())
    )
    assert twice.status == 400
    assert scene.house.server.got == []
    assert token not in str(scene.house.events(""))


# -- the issuer's keys


@pytest.mark.behaviour("oauth.keys-rotate")
async def test_a_new_key_is_learnt_when_it_is_first_used(make_scene: Callable[..., Awaitable[Scene]]) -> None:
    scene = await make_scene(retry_seconds=0.001)
    assert (await scene.send(scene.token())).status == 200
    scene.server.rotate()
    assert (await scene.send(scene.token())).status == 200
    assert scene.server.count("/jwks") == 2


@pytest.mark.behaviour("oauth.keys-dropped")
async def test_a_key_that_is_no_longer_published_opens_nothing(make_scene: Callable[..., Awaitable[Scene]]) -> None:
    scene = await make_scene(retry_seconds=0.001)
    old = scene.token()
    assert (await scene.send(old)).status == 200
    scene.server.rotate(keep=0)
    assert (await scene.send(scene.token())).status == 200  # from here on the new keys are known
    await scene.refused(old, "the token is signed with a key that its issuer does not publish")


@pytest.mark.behaviour("oauth.keys-no-flood")
async def test_forged_key_names_do_not_make_us_ask_again_and_again(scene: Scene) -> None:
    assert (await scene.send(scene.token())).status == 200
    asked = len(scene.server.asked)
    for number in range(20):
        await scene.refused(
            scene.token(header={"kid": f"forged-{number}"}),
            "the token is signed with a key that its issuer does not publish",
        )
    assert len(scene.server.asked) == asked


@pytest.mark.behaviour("oauth.keys-issuer-down")
async def test_while_the_issuer_is_down_its_tokens_are_good_up_to_a_bound(
    make_scene: Callable[..., Awaitable[Scene]],
) -> None:
    clock = ManualClock(SystemClock().now())
    scene = await make_scene(clock=clock, keys_max_seconds=1000.0)
    assert (await scene.send(scene.token())).status == 200
    scene.server.stop()
    clock.advance(900 * SECOND)
    kept = {"exp": int(clock.now() / SECOND) + 3600}
    assert (await scene.send(scene.token(**kept))).status == 200
    clock.advance(200 * SECOND)
    got = await scene.send(scene.token(**kept))
    assert (got.status, got.header("retry-after"), got.header("www-authenticate")) == (503, "5", None)
    scene.server.start()
    clock.advance(20 * SECOND)
    assert (await scene.send(scene.token(**kept))).status == 200


@pytest.mark.behaviour("oauth.keys-issuer-down")
async def test_an_issuer_that_never_answered_is_no_word_against_its_tokens(scene: Scene) -> None:
    scene.server.failing = 500
    assert (await scene.send(scene.token())).status == 503
    assert scene.house.server.got == []


@pytest.mark.behaviour("oauth.metadata-of-the-issuer")
@pytest.mark.parametrize(
    "said", [{"issuer": "https://other.test"}, {"issuer": None}, {"jwks_uri": None}, {"jwks_uri": "ftp://x"}]
)
async def test_metadata_that_speaks_of_another_issuer_is_not_believed(scene: Scene, said: dict[str, Any]) -> None:
    scene.server.metadata = said
    assert (await scene.send(scene.token())).status == 503
    assert scene.house.server.got == []


async def test_the_keys_address_can_be_set_and_openid_discovery_works(
    make_scene: Callable[..., Awaitable[Scene]], authorization_server: AuthorizationServer
) -> None:
    scene = await make_scene(jwks_url=authorization_server.issuer + "/jwks")
    assert (await scene.send(scene.token())).status == 200
    assert [seen.path for seen in authorization_server.asked] == ["/jwks"]
    with AuthorizationServer.running(path="/realms/one") as other:
        issuers = issuers_of(other)
        caller = await issuers.settle(other.mint(audience="x").encode(), frozenset({"x"}))
        assert caller.principal == "agent:corp/ada"


@pytest.mark.behaviour("oauth.keys-one-question")
async def test_many_who_wait_ask_once(scene: Scene) -> None:
    answers = await asyncio.gather(*(scene.send(scene.token(sub=f"u{n}")) for n in range(10)))
    assert [got.status for got in answers] == [200] * 10
    assert scene.server.count("/jwks") == 1


@pytest.mark.parametrize("alg", ["RS256", "PS256", "ES256", "EdDSA"])
async def test_each_algorithm_that_is_accepted_verifies(make_house: Make, alg: str) -> None:
    with AuthorizationServer.running(alg=alg) as server:
        scene = Scene(await make_house(issuers=issuers_of(server)), server, issuers_of(server))
        assert (await scene.send(scene.token())).status == 200


# -- what it says of itself


@pytest.mark.behaviour("oauth.resource-metadata")
@pytest.mark.parametrize("path", ["/.well-known/oauth-protected-resource", "/.well-known/oauth-protected-resource/mcp"])
async def test_the_door_publishes_what_tokens_must_be_for(
    make_scene: Callable[..., Awaitable[Scene]], path: str
) -> None:
    scene = await make_scene(scopes=("mcp.use", "offline_access"))
    got = await scene.house.send(post(b"", port=scene.house.port, token=None, verb="GET", path=path))
    assert got.status == 200
    assert got.header("content-type") == "application/json"
    assert got.json == {
        "resource": scene.url,
        "authorization_servers": [scene.server.issuer],
        "bearer_methods_supported": ["header"],
        "scopes_supported": ["mcp.use"],
        "resource_name": "srv",
    }
    assert scene.house.server.got == []
    assert (await scene.house.send(post(b"", port=scene.house.port, token=None, path=path))).status == 405


@pytest.mark.behaviour("oauth.resource-metadata")
async def test_the_metadata_answers_for_the_name_the_client_called(scene: Scene) -> None:
    port = scene.house.port
    data = post(b"", port=port, token=None, verb="GET", path="/.well-known/oauth-protected-resource/mcp")
    data = data.replace(f"Host: 127.0.0.1:{port}".encode(), f"Host: localhost:{port}".encode())
    assert (await scene.house.send(data)).json["resource"] == f"http://localhost:{port}/mcp"
    assert (await scene.send(scene.token(audience=f"http://localhost:{port}/mcp"))).status == 200
    rebound = data.replace(b"Host: localhost", b"Host: evil.test")
    assert (await scene.house.send(rebound)).status == 403


@pytest.mark.behaviour("oauth.public-url")
async def test_a_public_address_is_the_only_one_that_tokens_may_name(
    make_scene: Callable[..., Awaitable[Scene]],
) -> None:
    scene = await make_scene(route={"public_url": "https://tools.example/files"})
    got = await scene.send(None)
    pointer = "https://tools.example/.well-known/oauth-protected-resource/files"
    assert got.header("www-authenticate") == f'Bearer realm="watchkeeper", resource_metadata="{pointer}"'
    path = "/.well-known/oauth-protected-resource/files"
    said = await scene.house.send(post(b"", port=scene.house.port, token=None, verb="GET", path=path))
    assert said.json["resource"] == "https://tools.example/files"
    assert (await scene.send(scene.token(audience="https://tools.example/files"))).status == 200
    await scene.house.post(call(), token=b"Bearer " + scene.token().encode())
    assert len(scene.house.server.got) == 1


@pytest.mark.behaviour("oauth.resource-metadata")
async def test_without_an_issuer_there_is_nothing_to_publish(house: House) -> None:
    path = "/.well-known/oauth-protected-resource"
    assert (await house.send(post(b"", port=house.port, token=None, verb="GET", path=path))).status == 404
    assert (await house.post(call(), token=None)).header("www-authenticate") == 'Bearer realm="watchkeeper"'


@pytest.mark.behaviour("oauth.challenge")
async def test_a_challenge_says_where_to_ask_and_for_which_scopes(make_scene: Callable[..., Awaitable[Scene]]) -> None:
    scene = await make_scene(scopes=("mcp.use",), route={"scopes": ("files.read",)})
    got = await scene.send(None)
    where = f"http://127.0.0.1:{scene.house.port}/.well-known/oauth-protected-resource/mcp"
    assert got.status == 401
    assert got.header("www-authenticate") == (
        f'Bearer realm="watchkeeper", scope="files.read mcp.use", resource_metadata="{where}"'
    )


# -- scopes


@pytest.mark.behaviour("oauth.insufficient-scope")
async def test_a_missing_scope_is_told_with_all_that_are_needed(make_scene: Callable[..., Awaitable[Scene]]) -> None:
    scene = await make_scene(scopes=("mcp.use",), route={"scopes": ("files.read",)})
    got = await scene.send(scene.token(scope="mcp.use other"))
    assert got.status == 403
    challenge = got.header("www-authenticate")
    assert 'error="insufficient_scope"' in challenge
    assert 'scope="files.read mcp.use"' in challenge
    assert "resource_metadata=" in challenge
    assert scene.house.server.got == []
    assert (await scene.send(scene.token(scope="mcp.use files.read"))).status == 200
    assert (await scene.house.post(call())).status == 200  # a token of ours is not limited by scopes


@pytest.mark.behaviour("oauth.scope-hierarchy")
async def test_a_scope_may_include_others(make_scene: Callable[..., Awaitable[Scene]]) -> None:
    implies = {"files.admin": ("files.write",), "files.write": ("files.read",)}
    scene = await make_scene(implies=implies, route={"scopes": ("files.read",)})
    assert (await scene.send(scene.token(scope="files.admin"))).status == 200
    assert (await scene.send(scene.token(scope="files.readonly"))).status == 403


@pytest.mark.behaviour("oauth.elevation-recorded")
async def test_who_comes_back_with_more_scopes_is_recorded(scene: Scene) -> None:
    await scene.send(scene.token(scope="read"))
    await scene.send(scene.token(scope="read"))
    assert scene.house.events("gateway.scope") == []
    await scene.send(scene.token(scope="write read"))
    [event] = scene.house.events("gateway.scope.elevated")
    assert (event.actor, event.body["gained"]) == ("agent:corp/ada", ["write"])


# -- servers that do not follow every specification


async def test_other_dialects_are_a_matter_of_settings(make_scene: Callable[..., Awaitable[Scene]]) -> None:
    scene = await make_scene(
        token_types=("JWT",),
        audiences=("api://tools",),
        other_audiences=("userinfo",),
        scope_claim="scp",
        principal_claim="client_id",
        groups_claim="roles",
        route={"scopes": ("files.read",)},
    )
    token = scene.token(
        audience=["api://tools", "userinfo"],
        header={"typ": "JWT"},
        scp=["files.read"],
        client_id="bot",
        roles=["b", "a"],
    )
    assert (await scene.send(token)).status == 200
    assert scene.house.events("gateway.request.decided")[0].actor == "agent:corp/bot"
    here = scene.token(header={"typ": "JWT"}, scp=["files.read"])
    assert (await scene.send(here)).status == 401


@pytest.mark.behaviour("oauth.tenants")
async def test_a_tenant_of_the_token_is_part_of_the_name(make_scene: Callable[..., Awaitable[Scene]]) -> None:
    scene = await make_scene(tenant_claim="tid")
    assert (await scene.send(scene.token(tid="acme"))).status == 200
    [decided] = scene.house.events("gateway.request.decided")
    assert (decided.actor, decided.tenant) == ("agent:acme:corp/ada", "acme")
    await scene.refused(scene.token(), "the token does not name a tenant (tid)")
    await scene.refused(scene.token(tid="a:b"), "the token does not name a tenant (tid)")


@pytest.mark.behaviour("oauth.policy-knows-the-caller")
async def test_policy_is_told_the_groups_and_scopes_of_this_requests_token(
    make_scene: Callable[..., Awaitable[Scene]],
) -> None:
    scene = await make_scene(groups_claim="groups")
    await scene.send(scene.token(groups=["ops", "scope:admin"], scope="write read"))
    await scene.send(scene.token(groups=[], scope=""))
    assert scene.house.guard.marks == [("ops", "scope%3Aadmin", "scope:read", "scope:write"), ()]
    assert (await scene.send(scene.token(groups="ops"))).status == 401


async def test_modern_requests_carry_tokens_the_same_way(scene: Scene) -> None:
    body = call(modern=True)
    got = await scene.house.post(body, *mirrors(), token=b"Bearer " + scene.token().encode())
    assert got.status == 200
    assert MODERN in str(scene.house.server.got[0].headers)


# -- tools that need more


STEPS = {"scopes": ("files.read",), "tool_scopes": {"delete_*": ("files.write",), "*_all": ("files.admin",)}}


@pytest.mark.behaviour("oauth.step-up")
async def test_a_tool_that_needs_more_is_refused_with_everything_the_call_needs(
    make_scene: Callable[..., Awaitable[Scene]],
) -> None:
    scene = await make_scene(route=STEPS)
    token = scene.token(scope="files.read")
    for _ in range(2):  # the second time the head is known
        got = await scene.send(token, name="delete_all")
        assert got.status == 403
        assert got.header("www-authenticate") == (
            'Bearer realm="watchkeeper", error="insufficient_scope", '
            'error_description="The credential lacks the scope files.admin files.write.", '
            'scope="files.admin files.read files.write", '
            f'resource_metadata="http://127.0.0.1:{scene.house.port}/.well-known/oauth-protected-resource/mcp"'
        )
        assert (got.json["id"], got.json["error"]["code"]) == (1, 40300)
    assert scene.house.server.got == []
    [first, _] = scene.house.events("gateway.request.decided")
    assert (first.outcome, first.body["rules"]) == ("deny", ["scope.missing"])
    assert (await scene.send(token, name="read_one")).status == 200
    more = scene.token(scope="files.read files.write files.admin")
    assert (await scene.send(more, name="delete_all")).status == 200
    path = "/.well-known/oauth-protected-resource"
    said = (await scene.house.send(post(b"", port=scene.house.port, token=None, verb="GET", path=path))).json
    assert said["scopes_supported"] == ["files.admin", "files.read", "files.write"]
    assert 'scope="files.read"' in (await scene.send(None)).header("www-authenticate")


@pytest.mark.behaviour("oauth.step-up")
async def test_a_caller_whom_a_scope_would_not_help_gets_no_challenge(
    make_scene: Callable[..., Awaitable[Scene]],
) -> None:
    scene = await make_scene(route=STEPS)
    scene.house.guard.denied_methods = {"tools/call"}
    got = await scene.send(scene.token(scope="files.read"), name="delete_one")
    assert (got.status, got.header("www-authenticate")) == (200, None)  # a policy's denial, told to the model
    assert got.json["result"]["isError"]


@pytest.mark.behaviour("oauth.step-up")
async def test_on_a_shadow_route_a_missing_scope_is_only_recorded(
    make_house: Make, authorization_server: AuthorizationServer
) -> None:
    house = await make_house(shadow=True, issuers=issuers_of(authorization_server), route=STEPS)
    scene = Scene(house, authorization_server, issuers_of(authorization_server))
    assert (await scene.send(scene.token(scope="files.read"), name="delete_one")).status == 200
    [decided] = house.events("gateway.request.decided")
    assert (decided.body["rules"], decided.labels) == (["scope.missing"], ("shadow",))
