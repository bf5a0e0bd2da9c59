"""`revoke_token` and `watchkeeper revocations` on a real gateway process, real authorization servers, and ones that
misbehave: our own doors refuse at once, whatever the issuer does."""

from __future__ import annotations

import hashlib
import itertools
import json
import ssl
import sys
import urllib.parse
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from click.testing import CliRunner, Result

from tests.app.gateway_process import Client, gateway_process, until
from tests.app.mcp_server import small_server
from tests.gateway.authorization_server import AuthorizationServer
from tests.gateway.certificates import Authority
from tests.respond.integrations.hostile import System, http_system
from tests.respond.integrations.servers import Request, elsewhere, hangs, on_the_wire
from watchkeeper.app.absence import planned
from watchkeeper.app.integrations import tokens_of
from watchkeeper.app.parts import terms_of
from watchkeeper.app.platform import opened
from watchkeeper.app.settings import load
from watchkeeper.cli import main
from watchkeeper.core.errors import NotFound, WatchkeeperError
from watchkeeper.events import JournalReader
from watchkeeper.respond.actions.tokens import RevokeToken
from watchkeeper.respond.interface import ActionContext, Outcome, Proof, Services

pytestmark = [pytest.mark.slow, pytest.mark.timeout(120)]  # a gateway process of two workers is started once
PASSWORD = "s3cret+/:%"
_KEYS = itertools.count(1)


class Scene:
    """A gateway of two workers that takes the tokens of one authorization server."""

    def __init__(self, stack: ExitStack, folder: Path) -> None:
        self.folder = folder
        self.server = stack.enter_context(small_server())
        self.issuer = stack.enter_context(AuthorizationServer.running())
        self.issuer.add_client("watchkeeper", secret=PASSWORD)
        self.settings = (
            f"[gateway]\nport = 0\nworkers = {2 if sys.platform == 'linux' else 1}\n"
            f'[servers.small]\nurl = "{self.server.url}"\n'
            f'[issuers.corp]\nurl = "{self.issuer.issuer}"\nleeway_seconds = 0\n'
        )
        self.strict = stack.enter_context(AuthorizationServer.running())
        self.strict.add_client("watchkeeper", secret=PASSWORD)
        self.secret = folder / "introspection"
        self.secret.write_text(PASSWORD)
        self.secret.chmod(0o600)
        self.settings += (
            f'[issuers.strict]\nurl = "{self.strict.issuer}"\nintrospect_url = "{self.strict.issuer}/introspect"\n'
            f'introspect_client = "watchkeeper"\nintrospect_secret = "file:{self.secret}"\nintrospect_seconds = 1\n'
        )
        file = folder / "watchkeeper.toml"
        allowed = json.dumps([f"127.0.0.1:{one.port}" for one in (self.issuer, self.strict)])
        file.write_text(f"{self.settings}[fetch]\nallow_hosts = {allowed}\n")
        self.running = stack.enter_context(gateway_process(folder, "--config", str(file)))
        self.platform = stack.enter_context(opened(self.running.data, "tester"))
        self._stack = stack

    def client(self, token: str) -> Client:
        client = Client(self.running.url, token)
        self._stack.callback(client.close)
        return client

    def status(self, token: str) -> int:
        client = Client(self.running.url, token)
        try:
            return client.ask("tools/list").status
        finally:
            client.close()

    def token(self, **claims: Any) -> str:
        return self.issuer.mint(**{"audience": self.running.url} | claims)

    def issued(self, server: AuthorizationServer | None = None) -> str:
        """A token that its server knows, and can revoke."""
        issuer = (server or self.issuer).issuer
        fields = {
            "grant_type": "client_credentials",
            "client_id": "watchkeeper",
            "client_secret": PASSWORD,
            "resource": self.running.url,
        }
        asked = urllib.request.Request(f"{issuer}/token", urllib.parse.urlencode(fields).encode())
        with urllib.request.urlopen(asked) as answer:
            token: str = json.load(answer)["access_token"]
        return token

    def kept(self, token: str) -> str:
        """A reference to it."""
        file = self.folder / f"token-{next(_KEYS)}"
        file.write_text(token)
        file.chmod(0o600)
        return f"file:{file}"

    def step(self, base: str = "", key: str = "", *, left: float = 0.0, **settings: str) -> ActionContext:
        """What a step is carried out under, with the integration `idp` at `base`."""
        base = base or self.issuer.issuer
        host = base.partition("://")[2].partition("/")[0]
        secret = self.kept(PASSWORD)
        how = {"url": f"{base}/revoke", "introspect_url": f"{base}/introspect", "secret": secret} | settings
        text = self.settings + f'[fetch]\nallow_hosts = ["{host}"]\n[respond.integrations.idp]\ntype = "tokens"\n'
        text += 'username = "watchkeeper"\ntimeout_seconds = 0.5\n'
        text += "".join(f'{name} = "{value}"\n' for name, value in how.items())
        file = self.folder / f"settings-{next(_KEYS)}.toml"
        file.write_text(text)
        on = self.platform
        tokens = tokens_of(load(file, self.running.data), on, lambda one: hashlib.sha256(one.encode()).hexdigest())
        services = Services(on.pins, on.orders, SimpleNamespace(), on.clock, tokens=tokens)
        about = {"id": "i", "number": "INC-1", "server": "small"}
        return ActionContext(services, key or f"run:step:{next(_KEYS)}", about, "", lambda: True, left=lambda: left)

    def facts(self, kind: str) -> list[Any]:
        reader = JournalReader(self.running.data)
        events = [record.event for record in reader.read({}, 100_000)]
        reader.close()
        return [event for event in events if event is not None and event.kind == kind]


@pytest.fixture(scope="module")
def scene(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Scene]:
    with ExitStack() as stack:
        yield Scene(stack, tmp_path_factory.mktemp("revoking"))


def run(context: ActionContext, **named: str) -> tuple[Outcome, Proof]:
    action, parameters = RevokeToken(), RevokeToken.Parameters(reason="it was stolen", **named)
    return action.run(parameters, context), action.verify(parameters, context)


# -- what an authorization server issued to a principal


@pytest.mark.behaviour("tokens.revoked-principal-is-refused")
def test_what_a_principal_was_issued_is_refused_by_every_worker_and_what_comes_later_is_not(scene: Scene) -> None:
    stolen, bob = scene.token(sub="ada"), scene.token(sub="bob")
    client = scene.client(stolen)
    session = client.initialize()
    action, context = RevokeToken(), scene.step()
    parameters = action.Parameters(principal="agent:corp/ada", reason="its laptop is lost")
    before = action.verify(parameters, context)
    assert not before.verified
    assert before.detail["is_taken"] is True
    outcome = action.run(parameters, context)
    proof = action.verify(parameters, context)
    assert proof.verified, proof.detail
    assert client.ask("tools/list", session).status == 401
    assert {scene.status(stolen) for _ in range(8)} == {401}
    assert scene.status(bob) == 200
    assert action.run(parameters, context).evidence == outcome.evidence
    assert len(scene.facts("gateway.token.revoked")) == 1
    until(lambda: scene.status(scene.token(sub="ada")) == 200)
    assert "revocations lift" in action.undo(parameters, context).summary
    named = [place for place in planned(scene.running.data, "agent:corp/ada")["places"] if "revocations" in place.store]
    assert ["revocations list" in place.why for place in named] == [True], "an erasure says why it stays"
    for nobody in ("agent:nobody", "agent:nowhere/ada"):
        with pytest.raises(NotFound):
            run(context, principal=nobody)


# -- a token, at its issuer and at our doors


@pytest.mark.behaviour("tokens.revoked-at-its-issuer")
def test_a_token_is_refused_at_our_doors_and_inactive_at_its_issuer_once(scene: Scene) -> None:
    token, other = scene.issued(), scene.issued()
    named = {"issuer": "idp", "token": scene.kept(token)}
    context = scene.step()
    assert scene.status(token) == 200
    assert not RevokeToken().verify(RevokeToken.Parameters(reason="r", **named), context).verified
    told = scene.issuer.count("/revoke")
    outcome, proof = run(context, **named)
    assert proof.verified, proof.detail
    assert (proof.detail["active"], proof.detail["is_taken"]) == (False, False)
    assert {scene.status(token) for _ in range(8)} == {401}
    assert scene.status(other) == 200
    again, _ = run(context, **named)
    assert (again.evidence, scene.issuer.count("/revoke")) == (outcome.evidence, told + 1)
    said = json.dumps([outcome.evidence, proof.detail, str(scene.facts("gateway.token.revoked"))])
    assert token not in said
    assert PASSWORD not in said


def lying(request: Request) -> tuple[int, Any]:
    return 200, {"active": True} if request.path.endswith("introspect") else b""


@pytest.mark.behaviour("tokens.hostile-issuer")
def test_an_issuer_that_says_done_and_does_nothing_is_caught_by_asking_it(scene: Scene) -> None:
    token = scene.issued()
    with elsewhere(lying) as there:
        outcome, proof = run(scene.step(there.url), issuer="idp", token=scene.kept(token))
        assert outcome.evidence["fingerprints"]
        assert (proof.verified, proof.detail["active"], proof.detail["is_taken"]) == (False, True, False)
    with elsewhere(lambda _: (200, b"")) as there:  # nobody can be asked: that our doors refuse it is no proof
        _, proof = run(scene.step(there.url, introspect_url=""), issuer="idp", token=scene.kept(token))
    assert (proof.verified, proof.detail["active"], proof.detail["is_taken"]) == (False, None, False)


@pytest.mark.behaviour("tokens.hostile-issuer")
def test_an_issuer_that_is_busy_is_asked_again_when_it_says_and_while_there_is_time(scene: Scene) -> None:
    answers = iter([(503, b"busy", {"Retry-After": "1"}), (200, b"")])
    is_told: list[Request] = []

    def busy(request: Request) -> Any:
        if request.path.endswith("introspect"):
            return 200, {"active": len(is_told) < 2}
        is_told.append(request)
        return next(answers)

    token = scene.issued()
    with elsewhere(busy) as there:
        _, proof = run(scene.step(there.url, left=30.0), issuer="idp", token=scene.kept(token))
    assert proof.verified, proof.detail
    assert len(is_told) == 2
    with elsewhere(lambda _: (503, b"", {"Retry-After": "3000"})) as there, pytest.raises(WatchkeeperError) as caught:
        run(scene.step(there.url, left=30.0), issuer="idp", token=scene.kept(scene.issued()))
    assert caught.value.code == "issuer_not_told"


def hanging(stack: ExitStack, folder: Path) -> tuple[str, dict[str, str], Callable[[], bool]]:
    return f"http://{stack.enter_context(on_the_wire(hangs))}", {}, lambda: True


def misbehaving(mode: str) -> Any:
    def begin(stack: ExitStack, folder: Path) -> tuple[str, dict[str, str], Callable[[], bool]]:
        return f"http://{stack.enter_context(http_system(System(lambda _: (200, b''), mode)))}", {}, lambda: True

    return begin


def redirecting(stack: ExitStack, folder: Path) -> tuple[str, dict[str, str], Callable[[], bool]]:
    inside = stack.enter_context(elsewhere(lambda _: (200, {"active": False})))
    there = stack.enter_context(elsewhere(lambda _: (307, b"", {"Location": f"{inside.url}/revoke"})))
    return there.url, {}, lambda: inside.got == []


def untrusted(stack: ExitStack, folder: Path) -> tuple[str, dict[str, str], Callable[[], bool]]:
    authority, other = Authority(folder / "ca"), Authority(folder / "other", "other-ca")
    pair = authority.issue("there", ips=["127.0.0.1"])
    tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    tls.load_cert_chain(pair.certificate, pair.key)
    there = stack.enter_context(elsewhere(lambda _: (200, {"active": False}), tls))
    return there.url, {"tls_ca": str(other.path)}, lambda: there.got == []


@pytest.mark.behaviour("tokens.hostile-issuer")
@pytest.mark.parametrize(
    "hostile",
    [
        *(hanging, redirecting, untrusted),
        *(pytest.param(misbehaving(mode), id=mode) for mode in ("drips", "closes", "floods")),
    ],
)
def test_an_issuer_that_cannot_be_told_fails_the_step_and_our_doors_refuse_all_the_same(
    scene: Scene, tmp_path: Path, hostile: Any
) -> None:
    token = scene.issued()
    assert scene.status(token) == 200
    with ExitStack() as stack:
        base, settings, is_kept_in = hostile(stack, tmp_path)
        context = scene.step(base, **settings)
        named = {"issuer": "idp", "token": scene.kept(token)}
        with pytest.raises(WatchkeeperError) as caught:
            run(context, **named)
        assert token not in str(caught.value)
        assert PASSWORD not in str(caught.value)
        assert scene.status(token) == 401
        proof = RevokeToken().verify(RevokeToken.Parameters(reason="r", **named), context)
        assert (proof.verified, proof.detail["active"], proof.detail["is_taken"]) == (False, None, False)
        assert is_kept_in(), "the client's secret and the token went elsewhere"


# -- an issuer that is asked about each of its tokens


@pytest.mark.behaviour("introspection.asked-and-kept")
def test_an_issuer_of_the_settings_is_asked_and_what_it_revoked_is_refused_by_every_worker(scene: Scene) -> None:
    token, other = scene.issued(scene.strict), scene.issued(scene.strict)
    assert {scene.status(token) for _ in range(4)} == {200}
    for known in scene.strict.issued:
        known.revoked = known.access_token == token
    until(lambda: {scene.status(token) for _ in range(4)} == {401})
    assert scene.status(other) == 200
    scene.strict.failing = 503
    until(lambda: {scene.status(other) for _ in range(4)} == {503})
    asked = scene.issuer.count("/introspect")
    assert scene.status(scene.token(sub="bob")) == 200, "the other issuer's tokens are taken without asking anybody"
    assert scene.issuer.count("/introspect") == asked
    scene.strict.failing = 0


@pytest.mark.behaviour("introspection.asked-and-kept")
def test_a_changed_secret_is_taken_over_when_the_settings_are_read_again(scene: Scene) -> None:
    loaded = load(scene.folder / "watchkeeper.toml", scene.running.data)
    terms = terms_of(loaded, scene.platform)
    assert terms_of(loaded, scene.platform, former=(loaded, terms)).issuers is terms.issuers
    scene.secret.write_text("another")
    try:
        assert terms_of(loaded, scene.platform, former=(loaded, terms)).issuers is not terms.issuers
    finally:
        scene.secret.write_text(PASSWORD)


# -- by hand


def by_hand(*words: str) -> Result:
    return CliRunner().invoke(main, ["revocations", *words])


@pytest.mark.behaviour("revocations.by-command")
def test_an_operator_revokes_lists_and_lifts_on_the_command_line(scene: Scene) -> None:
    data = ("--data", str(scene.running.data))
    token = scene.token(sub="carol", jti="carol-1")
    reference = scene.kept(token)
    assert scene.status(token) == 200
    added = by_hand("add", "--token", reference, "--reason", "shown in a log", "--json", *data)
    assert added.exit_code == 0, added.stderr
    said = json.loads(added.stdout)
    assert (said["is_verified"], said["behind"]) == (True, {})
    assert {scene.status(token) for _ in range(8)} == {401}
    listed = by_hand("list", "--json", *data)
    assert said["id"] in [row["id"] for row in json.loads(listed.stdout)]
    assert token not in added.stdout + listed.stdout
    lifted = by_hand("lift", said["id"], "--reason", "it was another one", *data)
    assert lifted.exit_code == 0, lifted.stderr
    assert scene.status(token) == 200
    by_id = by_hand("add", "--jti", "corp/carol-1", "--expires", "1h", "--reason", "r", *data)
    assert "every live gateway refuses it" in by_id.stdout, by_id.stderr
    assert scene.status(token) == 401
    assert "corp/carol-1" in by_hand("list", *data).stdout
    unknown = by_hand("add", "--principal", "crop/carol", "--reason", "r", *data)
    assert "NOT PROVEN" in unknown.stdout, "a name that no door knows is no revocation of anything"
    for wrong in (
        ("--token", scene.kept("opaque")),
        ("--token", "eyJ"),
        ("--principal", "laptop"),
        ("--jti", "x", "--principal", "corp/a"),
        ("--principal", "corp/a", "--expires", "1h"),
        (),
    ):
        assert by_hand("add", *wrong, "--reason", "r", *data).exit_code not in (0, 1), wrong
