"""Systems that misbehave over HTTP: the wait and the answer have an end, and no redirect leads anywhere."""

from __future__ import annotations

import ssl
from pathlib import Path
from typing import Any

import pytest

from tests.gateway.certificates import Authority
from tests.respond.integrations.conftest import errand, made
from tests.respond.integrations.servers import Request, drips, elsewhere, hangs, on_the_wire
from tests.respond.webhooks.conftest import KEYS
from watchkeeper.core.clock import SECOND, SystemClock
from watchkeeper.core.errors import Misconfigured, WatchkeeperError
from watchkeeper.core.fetch.model import FetchFailed, FetchRefused
from watchkeeper.respond.errands import NotTaken
from watchkeeper.respond.integrations import Integration
from watchkeeper.respond.integrations.wire import Answer
from watchkeeper.respond.webhooks.signing import verify


def webhook(url: str, *allowed: str, **settings: Any) -> Integration:
    return made("webhook", *allowed, url=url, secret="env:HOOK", **settings)


@pytest.mark.behaviour("integrations.webhook")
def test_a_webhook_is_signed_and_has_one_id_however_often_it_is_sent() -> None:
    def checked(request: Request) -> tuple[int, Any]:
        headers = request.headers
        now = SystemClock().now() // SECOND
        signature = headers["webhook-signature"]
        verify(KEYS, headers["webhook-id"], headers["webhook-timestamp"], signature, request.body, now=now)
        return 204, b""

    with elsewhere(checked) as there:
        one = webhook(there.url, there.host)
        receipts = [one.deliver(errand(key=key), again=False) for key in ("k1", "k1", "k2")]
    ids = [request.headers["webhook-id"] for request in there.got]
    assert [receipt.reference for receipt in receipts] == ids
    assert ids[0] == ids[1] != ids[2]
    assert there.got[0].json["data"]["number"] == "INC-2026-0001"


@pytest.mark.behaviour("integrations.bounded")
@pytest.mark.parametrize("behave", [hangs, drips])
def test_a_system_that_hangs_or_drips_is_cut(behave: Any) -> None:
    with on_the_wire(behave) as host:
        began = SystemClock().now()
        with pytest.raises(FetchFailed):
            webhook(f"http://{host}/", host, timeout_seconds=0.5).deliver(errand(), again=False)
        assert SystemClock().now() - began < 15 * SECOND


@pytest.mark.behaviour("integrations.bounded")
def test_a_huge_answer_is_not_read() -> None:
    with elsewhere(lambda _: (200, b"x" * 3_000_000)) as there, pytest.raises(FetchRefused):
        webhook(there.url, there.host).deliver(errand(), again=False)


@pytest.mark.behaviour("integrations.addresses")
@pytest.mark.parametrize("status", [301, 302, 307, 308])
def test_a_redirect_is_not_followed(status: int) -> None:
    with elsewhere(lambda _: (200, b"ok")) as inside:
        answer = (status, b"", {"Location": f"{inside.url}/latest/meta-data"})
        with elsewhere(lambda _: answer) as there, pytest.raises(FetchRefused):
            webhook(there.url, there.host, inside.host).deliver(errand(), again=False)
        assert inside.got == []


@pytest.mark.behaviour("integrations.addresses")
def test_a_private_host_that_nobody_allowed_is_refused_when_it_is_made() -> None:
    with pytest.raises(Misconfigured):
        webhook("https://10.0.0.7/hook")


@pytest.mark.behaviour("integrations.tls")
def test_a_certificate_of_another_name_or_authority_ends_it(tmp_path: Path) -> None:
    authority, other = Authority(tmp_path / "ca"), Authority(tmp_path / "other", "other-ca")

    def serving(**names: Any) -> ssl.SSLContext:
        pair = authority.issue("there", **names)
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(pair.certificate, pair.key)
        return context

    with elsewhere(lambda _: (200, b"ok"), serving(ips=["127.0.0.1"])) as there:
        assert (
            webhook(there.url, there.host, tls_ca=str(authority.path)).deliver(errand(), again=False).said == "200 ok"
        )
        with pytest.raises(FetchFailed):
            webhook(there.url, there.host, tls_ca=str(other.path)).deliver(errand(), again=False)
    with elsewhere(lambda _: (200, b"ok"), serving(dns=["other.example"])) as there, pytest.raises(FetchFailed):
        webhook(there.url, there.host, tls_ca=str(authority.path)).deliver(errand(), again=False)
    assert there.got == []


def test_an_error_of_the_server_may_pass() -> None:
    with elsewhere(lambda _: (500, b"trace\x1b[2J")) as there, pytest.raises(NotTaken) as caught:
        webhook(there.url, there.host).deliver(errand(), again=False)
    assert isinstance(caught.value, WatchkeeperError)
    assert "\x1b" not in caught.value.reason


@pytest.mark.parametrize("text", ["", "{", "[" * 100_000, '{"a":' * 100_000])
def test_an_answer_that_is_no_json_says_nothing(text: str) -> None:
    assert Answer(200, text, "").json == {}
