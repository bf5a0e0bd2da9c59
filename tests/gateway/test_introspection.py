"""An issuer that is asked whether its tokens are still good: a real one, and ones that misbehave, before a real
gateway."""

from __future__ import annotations

import asyncio
import json
import urllib.parse
import urllib.request
from collections.abc import Awaitable, Callable, Iterator
from contextlib import ExitStack
from typing import Any

import pytest

from tests.gateway.authorization_server import AuthorizationServer
from tests.gateway.conftest import House
from tests.gateway.test_oauth import Scene
from tests.respond.integrations.servers import Elsewhere, Request, drips, elsewhere, hangs, on_the_wire
from watchkeeper.core.clock import SECOND, Clock, ManualClock, SystemClock
from watchkeeper.core.errors import Misconfigured
from watchkeeper.core.fetch.client import Fetcher
from watchkeeper.core.fetch.settings import FetchSettings
from watchkeeper.core.secrets import Secret
from watchkeeper.gateway.oauth.introspection import FAILURES
from watchkeeper.gateway.oauth.issuers import Issuers
from watchkeeper.gateway.oauth.settings import IssuerSettings, check_issuer

PASSWORD = "s3cret+/:%"
MakeHouse = Callable[..., Awaitable[House]]
Make = Callable[..., Awaitable[Scene]]


@pytest.fixture
def make(make_house: MakeHouse, authorization_server: AuthorizationServer) -> Make:
    """A gateway that asks at `base`/introspect about tokens of the authorization server."""
    authorization_server.add_client("gateway", secret=PASSWORD)

    async def made(base: str = "", *, clock: Clock | None = None, **settings: Any) -> Scene:
        base = base or authorization_server.issuer
        how = {"introspect_url": f"{base}/introspect", "introspect_client": "gateway"} | settings
        hosts = (authorization_server.issuer, base)
        allowed = tuple(urllib.parse.urlsplit(url).netloc for url in hosts)
        one = IssuerSettings(url=authorization_server.issuer, introspect_secret="env:X", **how)
        fetcher = Fetcher(FetchSettings(allow_hosts=allowed))
        issuers = Issuers({"corp": one}, fetcher, clock or SystemClock(), {"corp": Secret(PASSWORD)})
        return Scene(await make_house(issuers=issuers, clock=clock), authorization_server, issuers)

    return made


@pytest.fixture
def there() -> Iterator[Elsewhere]:
    """An introspection endpoint whose answer is the test's; at first every token is active."""
    with elsewhere(lambda _: (200, {"active": True})) as one:
        yield one


def issued(scene: Scene) -> str:
    """A token that the server knows, and can revoke."""
    fields = {
        "grant_type": "client_credentials",
        "client_id": "gateway",
        "client_secret": PASSWORD,
        "resource": scene.url,
    }
    asked = urllib.request.Request(f"{scene.server.issuer}/token", urllib.parse.urlencode(fields).encode())
    with urllib.request.urlopen(asked) as answer:
        token: str = json.load(answer)["access_token"]
    return token


@pytest.mark.behaviour("introspection.asked-and-kept")
async def test_a_token_that_its_issuer_revoked_is_refused_once_its_last_word_has_run_out(make: Make) -> None:
    clock = ManualClock(SystemClock().now())
    scene = await make(clock=clock, introspect_seconds=30)
    token = await asyncio.to_thread(issued, scene)
    assert [(await scene.send(token)).status for _ in range(3)] == [200, 200, 200]
    assert scene.server.count("/introspect") == 1
    assert [one.fields["token"] == token for one in scene.server.asked if one.path == "/introspect"] == [True]
    for known in scene.server.issued:
        known.revoked = True
    clock.advance(29 * SECOND)
    assert (await scene.send(token)).status == 200
    clock.advance(2 * SECOND)
    await scene.refused(token, "its issuer says that the token is not active")
    await scene.refused(token, "its issuer says that the token is not active")
    assert scene.server.count("/introspect") == 2, "a no is kept, too"


@pytest.mark.behaviour("introspection.asked-and-kept")
async def test_only_a_verified_token_is_asked_about_and_nobody_is_when_it_is_not_configured(
    make: Make, there: Elsewhere, authorization_server: AuthorizationServer
) -> None:
    scene = await make(there.url)
    await scene.refused(scene.token(aud="https://other.test"), "the token was issued for another resource")
    await scene.refused(scene.token()[:-8] + "AAAAAAAA", "the token's signature does not verify")
    assert there.got == []
    token = scene.token()
    assert {(await got).status for got in [asyncio.ensure_future(scene.send(token)) for _ in range(12)]} == {200}
    assert len(there.got) == 1, "many wait for one answer"
    assert there.got[0].headers["authorization"] == "Basic Z2F0ZXdheTpzM2NyZXQlMkIlMkYlM0ElMjU="
    plain = await make(introspect_url="", introspect_client="")
    assert (await plain.send(plain.token())).status == 200
    assert authorization_server.count("/introspect") == 0


DOUBTFUL: dict[str, tuple[Any, str]] = {
    "html": ((200, b"<html>", {"Content-Type": "text/html"}), "another media type"),
    "no-json": ((200, b"{active", {"Content-Type": "application/json"}), "no JSON"),
    "doubled": (
        (200, b'{"active":false,"active":true}', {"Content-Type": "application/json"}),
        "no JSON",
    ),
    "empty": ((200, b""), "no JSON"),
    "missing": ((200, {}), "does not say whether"),
    "a-word": ((200, {"active": "true"}), "does not say whether"),
    "a-number": ((200, {"active": 1}), "does not say whether"),
    "a-list": ((200, [{"active": True}]), "does not say whether"),
    "another-token": ((200, {"active": True, "sub": "eve"}), "another token"),
    "another-end": ((200, {"active": True, "exp": 4_000_000_000}), "another token"),
    "not-let-in": ((401, {"error": "invalid_client"}), "status 401"),
    "failing": ((503, b""), "status 503"),
    "elsewhere": ((307, b"", {"Location": "/other"}), "redirects"),
    "huge": ((200, {"active": True, "pad": "x" * 400_000}), "sent more than"),
}


@pytest.mark.behaviour("introspection.doubt-is-a-no")
@pytest.mark.parametrize("flaw", DOUBTFUL)
async def test_what_is_no_answer_lets_nobody_in(make: Make, there: Elsewhere, flaw: str) -> None:
    answer, why = DOUBTFUL[flaw]
    there.answer = lambda _: answer
    scene = await make(there.url)
    token = scene.token()
    got = await scene.send(token)
    assert (got.status, got.header("retry-after")) == (503, "5")
    assert why in got.json["error"]["message"]
    assert len(there.got) == 1
    assert scene.house.server.got == []
    assert token not in got.body.decode()
    assert PASSWORD not in got.body.decode()
    there.answer = lambda _: (200, {"active": True})
    assert (await scene.send(token)).status == 200, "doubt is not remembered"


@pytest.mark.behaviour("introspection.circuit")
@pytest.mark.parametrize("behave", [hangs, drips, None])
async def test_an_endpoint_that_does_not_answer_is_left_alone_and_every_call_refused_at_once(
    make: Make, behave: Any
) -> None:
    clock = ManualClock(SystemClock().now())
    asked: list[int] = []

    def counted(connection: Any, over: Any) -> None:
        asked.append(1)
        if behave is not None:
            behave(connection, over)

    with ExitStack() as stack:
        base = f"http://{stack.enter_context(on_the_wire(counted))}"
        scene = await make(base, clock=clock, introspect_timeout_seconds=0.2, retry_seconds=10)
        tokens = [scene.token() for _ in range(FAILURES + 4)]
        statuses = [(await scene.send(token)).status for token in tokens]
        assert statuses == [503] * len(tokens)
        assert len(asked) == FAILURES
        clock.advance(11 * SECOND)
        assert {(await got).status for got in [asyncio.ensure_future(scene.send(t)) for t in tokens]} == {503}
        assert len(asked) == FAILURES + 1, "one question tries it"
    assert scene.house.server.got == []


@pytest.mark.behaviour("introspection.circuit")
async def test_an_endpoint_that_answers_again_is_asked_again(make: Make, there: Elsewhere) -> None:
    clock = ManualClock(SystemClock().now())
    scene = await make(there.url, clock=clock, retry_seconds=10)
    there.answer = lambda _: (500, b"")
    token, other = scene.token(), scene.token()
    for _ in range(FAILURES + 1):
        assert (await scene.send(token)).status == 503
    assert len(there.got) == FAILURES

    def again(request: Request) -> Any:
        return 200, {"active": urllib.parse.parse_qs(request.body.decode())["token"] == [token]}

    there.answer = again
    assert (await scene.send(token)).status == 503
    clock.advance(11 * SECOND)
    assert (await scene.send(token)).status == 200
    await scene.refused(other, "its issuer says that the token is not active")


@pytest.mark.parametrize(
    "named",
    [
        {"introspect_url": "https://a.example/i"},
        {"introspect_url": "https://a.example/i", "introspect_client": "c"},
        {"introspect_url": "https://a.example/i", "introspect_client": "c", "introspect_secret": "plain"},
        {"introspect_url": "ftp://a.example/i", "introspect_client": "c", "introspect_secret": "env:X"},
        {"introspect_client": "c", "introspect_secret": "env:X"},
    ],
)
def test_settings_that_cannot_ask_are_refused(named: dict[str, str]) -> None:
    with pytest.raises(Misconfigured):
        check_issuer("corp", IssuerSettings(url="https://a.example", **named))
