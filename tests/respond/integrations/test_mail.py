"""Mail: by a real server, over TLS that is verified, and with nothing of an incident outside of subject and text."""

from __future__ import annotations

import ssl
from collections.abc import Callable
from email import message_from_bytes
from email.policy import default
from pathlib import Path
from typing import Any

import pytest

from tests.gateway.certificates import Authority
from tests.respond.integrations.conftest import errand, made
from tests.respond.integrations.servers import Post, drips_mail, hangs, mail_server, on_the_wire, talks_for_ever
from watchkeeper.core.clock import SystemClock
from watchkeeper.core.errors import Misconfigured, Unavailable
from watchkeeper.core.fetch.model import FetchFailed, FetchRefused
from watchkeeper.respond.errands import NotTaken, Rejected
from watchkeeper.respond.integrations import Integration

TO = {"sender": "watch@example.org", "recipients": ("soc@example.org", "lead@example.org")}


@pytest.fixture
def authority(tmp_path: Path) -> Authority:
    return Authority(tmp_path / "ca")


@pytest.fixture
def context(authority: Authority) -> Callable[..., ssl.SSLContext]:
    def serving(**names: Any) -> ssl.SSLContext:
        pair = authority.issue("mail", **(names or {"ips": ["127.0.0.1"]}))
        found = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        found.load_cert_chain(pair.certificate, pair.key)
        return found

    return serving


def mail(address: str, **settings: Any) -> Integration:
    return made("mail", address, **({"address": address, "security": "none"} | TO | settings))


@pytest.mark.behaviour("integrations.mail")
def test_a_message_is_queued_and_its_queue_id_is_the_receipt() -> None:
    post = Post()
    with mail_server(post) as address:
        receipt = mail(address).deliver(errand(text="füße\n.\nQUIT", link="https://console.example/i/1"), again=False)
    assert (receipt.said, receipt.reference) == ("250 2.0.0 Ok: queued as 4XyZ123", "4XyZ123")
    (envelope,) = post.got
    assert (envelope.mail_from, envelope.rcpt_tos) == ("watch@example.org", list(TO["recipients"]))
    content = envelope.content
    assert isinstance(content, bytes)
    assert content.isascii()
    message: Any = message_from_bytes(content, policy=default)
    assert message["subject"] == "[HIGH] INC-2026-0001: A tool changed"
    assert message.get_content().replace("\r\n", "\n") == "füße\n.\nQUIT\n\nhttps://console.example/i/1\n"


@pytest.mark.behaviour("integrations.mail-headers")
def test_no_text_makes_a_header_or_a_recipient() -> None:
    post = Post()
    evil = "x\r\nBcc: evil@example.net\r\n\r\nhello \x00 \u2028"
    with mail_server(post) as address:
        mail(address).deliver(errand(title=evil, text=evil, number=evil), again=False)
    (envelope,) = post.got
    assert envelope.rcpt_tos == list(TO["recipients"])
    assert isinstance(envelope.content, bytes)
    message: Any = message_from_bytes(envelope.content, policy=default)
    assert sorted(message.keys()) == sorted(
        ["From", "To", "Subject", "Date", "Message-ID", "Auto-Submitted", "Content-Type", "Content-Transfer-Encoding",
         "MIME-Version"]
    )  # fmt: skip
    assert "⟨U+000D⟩⟨U+000A⟩Bcc" in message["subject"]


@pytest.mark.behaviour("integrations.mail-tls")
@pytest.mark.parametrize("security", ["starttls", "tls"])
def test_it_logs_in_over_verified_tls(
    security: str, authority: Authority, context: Callable[..., ssl.SSLContext]
) -> None:
    post, ours = Post(), {"username": "watch", "secret": "env:PASSWORD", "tls_ca": str(authority.path)}
    how: dict[str, Any] = {security: context(), "password": "p4ss word"}
    with mail_server(post, **how) as address:
        assert mail(address, security=security, **ours).deliver(errand(), again=False).reference == "4XyZ123"
        with pytest.raises(Rejected) as caught:
            mail(address, security=security, secrets={"PASSWORD": "wrong1"}, **ours).deliver(errand(), again=False)
    assert len(post.got) == 1
    assert "535" in caught.value.reason
    assert "wrong1" not in caught.value.reason


@pytest.mark.behaviour("integrations.mail-tls")
@pytest.mark.parametrize("security", ["starttls", "tls"])
def test_a_certificate_of_another_name_ends_it(
    security: str, authority: Authority, context: Callable[..., ssl.SSLContext]
) -> None:
    post = Post()
    how: dict[str, Any] = {security: context(dns=["other.example"])}
    with mail_server(post, **how) as address, pytest.raises(FetchFailed) as caught:
        mail(address, security=security, tls_ca=str(authority.path)).deliver(errand(), again=False)
    assert "not trusted" in caught.value.reason
    assert post.got == []


@pytest.mark.behaviour("integrations.mail-tls")
def test_a_server_without_starttls_is_not_spoken_to_in_the_open() -> None:
    post = Post()
    with mail_server(post) as address, pytest.raises(Rejected):
        mail(address, security="starttls").deliver(errand(), again=False)
    assert post.got == []


def test_a_recipient_that_is_refused_is_said_and_the_others_have_it() -> None:
    post = Post()
    post.refused = {"lead@example.org": "550 5.1.1 no such user"}
    with mail_server(post) as address:
        receipt = mail(address).deliver(errand(), again=False)
        assert receipt.verified is False
        assert receipt.detail == {"refused": {"lead@example.org": "550 5.1.1 no such user"}}
        post.refused = dict.fromkeys(TO["recipients"], "451 4.7.1 greylisted")
        with pytest.raises(NotTaken):
            mail(address).deliver(errand(), again=False)
        post.refused = dict.fromkeys(TO["recipients"], "550 5.7.1 go away")
        with pytest.raises(Rejected):
            mail(address).deliver(errand(), again=False)


@pytest.mark.behaviour("integrations.bounded")
@pytest.mark.parametrize("behave", [hangs, drips_mail, talks_for_ever])
def test_a_server_that_hangs_drips_or_never_ends_is_cut(behave: Any) -> None:
    with on_the_wire(behave) as address:
        began = SystemClock().now()
        with pytest.raises(Unavailable):
            mail(address, timeout_seconds=1.0).deliver(errand(), again=False)
        assert SystemClock().now() - began < 15_000_000  # of the server's patience of 20 s and more


@pytest.mark.behaviour("integrations.addresses")
def test_a_name_that_leads_into_ones_own_networks_is_refused() -> None:
    one = made("mail", address="127.0.0.1:25", security="none", **TO)
    with pytest.raises(FetchRefused):
        one.deliver(errand(), again=False)


@pytest.mark.parametrize(
    "wrong",
    [
        {"address": "mail.example.org"},
        {"address": "mail.example.org:25", "security": "none"},
        {"recipients": ()},
        {"recipients": ("a@b.example\r\nRCPT TO:<c@d.example>",)},
        {"sender": "Watch <watch@example.org>"},
        {"username": "watch"},
        {"username": "watch", "secret": "env:PASSWORD", "security": "none"},
    ],
)
def test_mail_that_cannot_be_is_refused_when_it_is_made(wrong: dict[str, Any]) -> None:
    with pytest.raises(Misconfigured):
        made("mail", **({"address": "127.0.0.1:25", "security": "starttls"} | TO | wrong))
