"""A person's sign-in with a real authorization server and a browser that can be sent astray."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from urllib.parse import urlencode, urlsplit, urlunsplit

import pytest

from tests.gateway.authorization_server import AuthorizationServer
from tests.gateway.conftest import Got, RawServer, plain
from tests.gateway.credentials.browser import Browser, visit
from watchkeeper.core.clock import ManualClock
from watchkeeper.core.errors import Conflict
from watchkeeper.core.fetch.client import Fetcher
from watchkeeper.core.fetch.settings import FetchSettings
from watchkeeper.core.secrets import Secret
from watchkeeper.gateway.credentials.endpoint import TokenEndpoint
from watchkeeper.gateway.credentials.issued import Purpose
from watchkeeper.gateway.credentials.issuer import Issuers
from watchkeeper.gateway.credentials.model import CredentialFailed, OAuthClient
from watchkeeper.gateway.credentials.signin.doorstep import Doorstep
from watchkeeper.gateway.credentials.signin.login import Granted, Invitation, Login


@pytest.fixture
def login(
    authorization_server: AuthorizationServer, server: RawServer, resource: str, clock: ManualClock
) -> Callable[..., Login]:
    """A sign-in for the server, with our client registered unless `client` says otherwise."""

    def make(
        client: OAuthClient | None = None, *, scopes: tuple[str, ...] = ("read",), extra: tuple[str, ...] = ()
    ) -> Login:
        hosts = (f"127.0.0.1:{authorization_server.port}", f"127.0.0.1:{server.port}", *extra)
        fetcher = Fetcher(FetchSettings(allow_hosts=hosts, seconds=5))
        endpoint = TokenEndpoint(fetcher, Issuers(fetcher, clock), clock)
        known = client or OAuthClient(authorization_server.issuer, "gateway", Secret("s3cret"))
        return Login(Purpose("srv", known, resource, scopes), resource, 0, fetcher=fetcher, endpoint=endpoint)

    return make


@pytest.fixture
def browser(authorization_server: AuthorizationServer) -> Browser:
    """A person at the browser; the client is registered with the redirect URI that is sent."""
    one = Browser()

    def register(invitation: Invitation) -> None:
        if one.query["client_id"] not in authorization_server.clients:
            secret = "s3cret" if one.query["client_id"] == "gateway" else ""
            authorization_server.add_client(one.query["client_id"], secret, one.query["redirect_uri"])

    one.before = register
    return one


def changed(url: str, **values: str | None) -> str:
    parts = urlsplit(url)
    query = dict(pair.split("=", 1) for pair in parts.query.split("&"))
    kept = {name: value for name, value in query.items() if values.get(name, "") is not None}
    fresh = {name: value for name, value in values.items() if value is not None}
    text = "&".join([f"{name}={value}" for name, value in kept.items() if name not in fresh])
    return urlunsplit(parts._replace(query="&".join(filter(None, [text, urlencode(fresh)]))))


@pytest.mark.behaviour("grants.sign-in")
async def test_a_person_signs_in_and_the_token_is_for_the_server(
    login: Callable[..., Login], browser: Browser, authorization_server: AuthorizationServer, resource: str
) -> None:
    granted = await login().run(browser)
    await asyncio.to_thread(browser.join)
    claims = authorization_server.read_token(granted.token.access.reveal())
    assert (claims["sub"], claims["aud"], claims["scope"]) == ("ada", resource, "read")
    assert granted.token.refresh
    asked = browser.query
    assert (asked["code_challenge_method"], asked["resource"], asked["response_type"]) == ("S256", resource, "code")
    assert asked["redirect_uri"].startswith("http://127.0.0.1:")
    redeemed = authorization_server.asked[-1].fields
    assert (redeemed["resource"], redeemed["redirect_uri"]) == (resource, asked["redirect_uri"])
    assert len(redeemed["code_verifier"]) >= 43


@pytest.mark.behaviour("grants.pasted")
async def test_a_person_whose_browser_is_elsewhere_pastes_the_address_it_was_sent_to(
    login: Callable[..., Login], browser: Browser, authorization_server: AuthorizationServer
) -> None:
    def paste(**values: str | None) -> str:
        status, headers, _ = visit(browser.invitations[-1].url)
        assert status == 302
        return changed(headers["location"], **values) + "\n"

    def invite(invitation: Invitation) -> None:
        browser.invitations.append(invitation)
        browser.before(invitation)

    granted = await login().run(invite, paste)
    assert granted.token.access
    for wrong in ({"state": "forged"}, {"state": None}, {"iss": "https://attacker.example"}):
        authorization_server.clients.clear()
        with pytest.raises(CredentialFailed):
            await login().run(invite, lambda wrong=wrong: paste(**wrong))
    with pytest.raises(CredentialFailed):
        await login().run(invite, lambda: "https://attacker.example/?code=a&state=" + browser.query["state"])
    assert authorization_server.count("/token") == 1


@pytest.mark.behaviour("grants.page-is-inert")
async def test_the_page_that_a_browser_comes_back_to_repeats_nothing_and_cannot_be_framed(
    login: Callable[..., Login], browser: Browser
) -> None:
    browser._tamper = lambda url: changed(url, error_description="<script>canary")
    await login().run(browser)
    await asyncio.to_thread(browser.join)
    [(status, headers, text)] = browser.seen
    assert (status, headers["x-frame-options"], headers["cache-control"]) == (200, "DENY", "no-store")
    assert headers["content-security-policy"] == "default-src 'none'; frame-ancestors 'none'"
    assert headers["referrer-policy"] == "no-referrer"
    assert "canary" not in text
    assert browser.query["state"] not in text


@pytest.mark.behaviour("grants.pkce-or-nothing")
@pytest.mark.parametrize("methods", [None, [], ["plain"]])
async def test_an_issuer_without_s256_is_not_asked(
    methods: list[str] | None, login: Callable[..., Login], browser: Browser, authorization_server: AuthorizationServer
) -> None:
    authorization_server.metadata["code_challenge_methods_supported"] = methods
    with pytest.raises(CredentialFailed, match="PKCE"):
        await login().run(browser)
    assert browser.invitations == []


@pytest.mark.behaviour("grants.iss-before-code")
@pytest.mark.parametrize("iss", ["https://attacker.example", "", None])
async def test_a_code_that_comes_with_another_issuer_is_not_redeemed(
    iss: str | None, login: Callable[..., Login], browser: Browser, authorization_server: AuthorizationServer
) -> None:
    browser._tamper = lambda url: changed(url, iss=iss)
    with pytest.raises(CredentialFailed, match="issuer"):
        await login().run(browser)
    await asyncio.to_thread(browser.join)
    assert authorization_server.count("/token") == 0


@pytest.mark.behaviour("grants.iss-before-code")
async def test_an_issuer_that_does_not_say_it_names_itself_may_leave_it_out_but_not_lie(
    login: Callable[..., Login], browser: Browser, authorization_server: AuthorizationServer
) -> None:
    authorization_server.metadata["authorization_response_iss_parameter_supported"] = False
    browser._tamper = lambda url: changed(url, iss=None)
    await login().run(browser)
    browser._tamper = lambda url: changed(url, iss="https://attacker.example")
    authorization_server.clients.clear()
    with pytest.raises(CredentialFailed, match="another issuer"):
        await login().run(browser)
    await asyncio.to_thread(browser.join)
    assert authorization_server.count("/token") == 1


@pytest.mark.behaviour("grants.state-once")
async def test_an_answer_with_another_state_changes_nothing_and_ours_counts_once(
    login: Callable[..., Login], browser: Browser, authorization_server: AuthorizationServer
) -> None:
    def astray(url: str) -> list[str]:
        doubled = url + "&state=" + browser.query["state"]
        return [changed(url, state="forged", code="stolen"), changed(url, state=None), doubled, url]

    browser._tamper = astray
    granted = await login().run(browser)
    await asyncio.to_thread(browser.join)
    assert [status for status, _, _ in browser.seen] == [400, 400, 400, 200]
    assert granted.token.access
    assert authorization_server.count("/token") == 1


@pytest.mark.behaviour("grants.state-once")
async def test_the_doorstep_answers_one_path_under_one_name_once() -> None:
    async with Doorstep(0, "our-state") as doorstep:
        url = f"{doorstep.redirect_uri}?state=our-state&code=a"
        port = urlsplit(url).port
        wrong = (
            (f"http://127.0.0.1:{port}/other?state=our-state", {}),
            (url, {"Host": "attacker.example"}),
            (url, {"Host": f"localhost:{port}"}),
        )
        for address, headers in wrong:
            assert (await asyncio.to_thread(visit, address, **headers))[0] == 404
        assert (await asyncio.to_thread(visit, url))[0] == 200
        assert (await asyncio.to_thread(visit, url.replace("code=a", "code=b")))[0] == 400
        assert (await doorstep.answer())["code"] == "a"
        with pytest.raises(Conflict):
            async with Doorstep(port or 0, "another"):
                pass


@pytest.mark.behaviour("grants.refused-sign-in")
async def test_a_person_who_refuses_is_an_error_without_the_issuers_own_words(
    login: Callable[..., Login], browser: Browser, authorization_server: AuthorizationServer
) -> None:
    authorization_server.user = None
    with pytest.raises(CredentialFailed, match="access_denied"):
        await login().run(browser)
    authorization_server.clients.clear()
    browser._tamper = lambda url: changed(url, error="<b>canary", error_description="canary")
    with pytest.raises(CredentialFailed) as refused:
        await login().run(browser)
    await asyncio.to_thread(browser.join)
    assert "canary" not in str(refused.value)


@pytest.mark.behaviour("grants.client-documents-first")
async def test_a_client_id_metadata_document_is_used_where_the_issuer_takes_one(
    login: Callable[..., Login], browser: Browser, authorization_server: AuthorizationServer
) -> None:
    ours = OAuthClient(authorization_server.issuer, "https://watchkeeper.example/client.json")
    with pytest.raises(CredentialFailed, match="metadata documents"):
        await login(ours).run(browser)
    authorization_server.metadata["client_id_metadata_document_supported"] = True
    granted = await _again(login, ours, browser)
    assert granted.client.id == "https://watchkeeper.example/client.json"
    assert authorization_server.count("/register") == 0


async def _again(login: Callable[..., Login], client: OAuthClient, browser: Browser) -> Granted:
    granted = await login(client).run(browser)
    await asyncio.to_thread(browser.join)
    return granted


@pytest.mark.behaviour("grants.registration-where-needed")
async def test_without_a_client_id_one_is_registered_for_this_grant(
    login: Callable[..., Login], browser: Browser, authorization_server: AuthorizationServer
) -> None:
    granted = await _again(login, OAuthClient(authorization_server.issuer, ""), browser)
    assert granted.client.id.startswith("registered-")
    assert authorization_server.clients[granted.client.id].redirect_uris == (browser.query["redirect_uri"],)
    authorization_server.metadata["registration_endpoint"] = None
    with pytest.raises(CredentialFailed, match="registers no clients"):
        await login(OAuthClient(authorization_server.issuer, "")).run(browser)


# -- what a server says of its issuer


def protected(server: RawServer, document: bytes, challenge: str = "") -> None:
    """The server refuses everybody and publishes a document."""

    async def answer(got: Got, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        if got.first.startswith("GET /.well-known/oauth-protected-resource/mcp") or "/elsewhere" in got.first:
            await plain(document)(got, reader, writer)
        elif got.first.startswith("POST"):
            header = f"WWW-Authenticate: Bearer {challenge}\r\n"
            await plain(b"{}", status="401 Unauthorized", headers=header)(got, reader, writer)
        else:
            await plain(b"{}", status="404 Not Found")(got, reader, writer)

    server.answer = answer


@pytest.mark.behaviour("grants.issuer-discovered")
@pytest.mark.parametrize("where", ["", 'resource_metadata="http://127.0.0.1:{port}/elsewhere", scope="a b"'])
async def test_a_server_may_name_its_issuer(
    where: str,
    login: Callable[..., Login],
    browser: Browser,
    authorization_server: AuthorizationServer,
    server: RawServer,
    resource: str,
) -> None:
    document = f'{{"resource":"{resource}","authorization_servers":["{authorization_server.issuer}"]}}'
    protected(server, document.encode(), where.format(port=server.port))
    granted = await _again(lambda client: login(client, scopes=()), OAuthClient("", ""), browser)
    assert (granted.client.issuer, granted.resource) == (authorization_server.issuer, resource)
    assert browser.query.get("scope") == ("a b" if where else None)


@pytest.mark.behaviour("grants.issuer-discovered")
@pytest.mark.parametrize(
    ("document", "told"),
    [
        ('{"resource":"https://other.example","authorization_servers":["AS"]}', "another resource"),
        ('{"resource":"RESOURCE/below","authorization_servers":["AS"]}', "another resource"),
        ('{"resource":"RESOURCE","authorization_servers":[]}', "issuers"),
        ('{"resource":"RESOURCE","authorization_servers":["AS","https://other.example"]}', "issuers"),
        ('{"resource":"RESOURCE","authorization_servers":["http://169.254.169.254"]}', "not"),
        ("[]", "cannot be read"),
        ('{"more":' + "[" * 60_000, "cannot be read"),
    ],
)
async def test_what_a_server_says_of_its_issuer_is_not_believed_blindly(
    document: str,
    told: str,
    login: Callable[..., Login],
    browser: Browser,
    authorization_server: AuthorizationServer,
    server: RawServer,
    resource: str,
) -> None:
    filled = document.replace("AS", authorization_server.issuer).replace("RESOURCE", resource)
    protected(server, filled.encode())
    with pytest.raises(CredentialFailed, match=told):
        await login(OAuthClient("", "")).run(browser)
    assert browser.invitations == []


@pytest.mark.behaviour("grants.issuer-discovered")
async def test_a_metadata_address_in_a_challenge_that_points_inside_is_not_asked(
    login: Callable[..., Login], browser: Browser, server: RawServer
) -> None:
    inner = RawServer()
    await inner.start()
    try:
        protected(server, b"{}", f'resource_metadata="http://127.0.0.1:{inner.port}/secret"')
        with pytest.raises(CredentialFailed):
            await login(OAuthClient("", "")).run(browser)
        assert inner.connections == 0
    finally:
        await inner.stop()
