"""The one client for foreign URLs, against real sockets on loopback: what it refuses, and what it connects to."""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import Sequence
from typing import Any

import pytest

from tests.core.fetch.conftest import NAME, Names, Open, answer, redirect
from tests.gateway.certificates import Authority
from watchkeeper.core.errors import Misconfigured
from watchkeeper.core.fetch.client import Fetcher
from watchkeeper.core.fetch.model import ANY, FetchFailed, FetchRefused
from watchkeeper.core.fetch.settings import FetchSettings, check_fetch

NOT_PUBLIC = """
127.0.0.1 10.0.0.8 169.254.169.254 192.168.1.1 100.64.0.9 0.0.0.0 224.0.0.1 255.255.255.255 240.0.0.1 198.18.0.1
168.63.129.16 192.88.99.1 ::1 :: fe80::1 fec0::1 fd00:ec2::254 ff0e::1 3fff::1 2001:db8::1 2001:0:1::1 2002:7f00:1::1
::127.0.0.1 ::ffff:127.0.0.1 ::ffff:93.184.216.34 64:ff9b::7f00:1 64:ff9b:1::1 2606:4700::5efe:7f00:1 5f00::1
""".split()  # noqa: SIM905 — a table of words
TWO_READINGS = [
    *"""
    https://2130706433/ https://0x7f000001/ https://0177.0.0.1/ https://127.1/ https://0x7f.0.0.1/ https://1.2.3.4.5/
    https://0/ https://①②⑦.0.0.1/ https://exämple.com/ https://ex%61mple.com/ https://example.com./ https://a_b.example/
    https://-a.example/ https://a..b/ https://user@example.com/ https://a:b@127.0.0.1/ https://example.com#@127.0.0.1/
    https://example.com\\@127.0.0.1/ https://[fe80::1%25eth0]/ https://[::1/ https://[v1.x]/ https://example.com:0/
    https://example.com:99999/ https://example.com:/ https://127.0.0.1:80:80/ https:///path https:/example.com
    //example.com/ file:///etc/passwd gopher://example.com/ https://example.com/?a#b https://127.0.0.1/ https://[::1]/
    https://[::]/ https://[::ffff:127.0.0.1]/
    """.split(),  # noqa: SIM905 — a table of words
    "",
    "https://exa mple.com/",
    "https://example.com/\r\nX: y",
    "https://example.com/" + "a" * 2048,
]


def allowing(*hosts: str, names: Names | None = None, **limits: Any) -> Fetcher:
    settings = FetchSettings(allow_hosts=hosts, **limits)
    return Fetcher(settings, resolve=names) if names else Fetcher(settings)


@pytest.mark.behaviour("fetch.documents")
async def test_a_document_comes_back_whole(open_place: Open) -> None:
    place = await open_place(answer(b'{"issuer":"x"}'))
    got = await allowing(f"127.0.0.1:{place.port}").get(f"http://127.0.0.1:{place.port}/a/b?c=d")
    assert (got.status, got.body, got.headers["content-type"]) == (200, b'{"issuer":"x"}', "application/json")
    assert place.asked[0].startswith(b"GET /a/b?c=d HTTP/1.1\r\nHost: 127.0.0.1:%d\r\n" % place.port)


@pytest.mark.behaviour("fetch.documents")
async def test_a_chunked_document_comes_back_whole(open_place: Open) -> None:
    head = b"HTTP/1.1 200 OK\r\nContent-Type: application/jwk-set+json\r\nTransfer-Encoding: chunked\r\n\r\n"
    place = await open_place(head + b"2\r\n{}\r\n1\r\n\n\r\n0\r\nX-Trailer: 1\r\n\r\n")
    got = await allowing(f"127.0.0.1:{place.port}").get(f"http://127.0.0.1:{place.port}/")
    assert (got.body, "x-trailer" in got.headers) == (b"{}\n", False)


@pytest.mark.behaviour("fetch.documents")
async def test_a_form_is_sent_with_the_callers_own_header_and_its_errors_are_answers(open_place: Open) -> None:
    place = await open_place(answer(b'{"error":"invalid_grant"}', status="400 Bad Request"))
    url = f"http://127.0.0.1:{place.port}/token"
    fetcher = allowing(f"127.0.0.1:{place.port}")
    got = await fetcher.post_form(url, {"grant_type": "x y"}, headers=[("Authorization", "Basic abc")])
    assert (got.status, got.body) == (400, b'{"error":"invalid_grant"}')
    assert b"\r\nAuthorization: Basic abc\r\n" in place.asked[0]
    assert place.asked[0].endswith(b"\r\n\r\ngrant_type=x+y")


@pytest.mark.behaviour("fetch.https-only")
async def test_plain_http_is_refused_where_the_settings_do_not_allow_it(open_place: Open) -> None:
    place = await open_place()
    names = Names(["127.0.0.1"])
    for fetcher in (allowing(names=names), allowing(f"{NAME}:{place.port}", names=names)):
        with pytest.raises(FetchRefused):
            await fetcher.get(f"http://{NAME}:{place.port}/")
    assert (names.asked, place.connections) == ([], 0)
    assert (await allowing(f"http://{NAME}:{place.port}", names=names).get(f"http://{NAME}:{place.port}/")).body


@pytest.mark.parametrize("address", NOT_PUBLIC)
@pytest.mark.behaviour("fetch.private-addresses")
async def test_a_name_that_leads_to_no_public_address_is_refused(address: str, open_place: Open) -> None:
    place = await open_place()
    with pytest.raises(FetchRefused) as refused:
        await Fetcher(resolve=Names([address])).get(f"https://attacker.example:{place.port}/")
    assert refused.value.code == "fetch_refused"
    assert place.connections == 0


@pytest.mark.behaviour("fetch.private-addresses")
async def test_one_private_address_among_public_ones_is_enough_to_refuse(open_place: Open) -> None:
    place = await open_place()
    with pytest.raises(FetchRefused):
        await Fetcher(resolve=Names(["93.184.216.34", "127.0.0.1"])).get(f"https://attacker.example:{place.port}/")
    assert place.connections == 0


@pytest.mark.behaviour("fetch.metadata-never")
@pytest.mark.parametrize("address", ["169.254.169.254", "fe80::a9fe:a9fe", "fd00:ec2::254", "100.100.100.200"])
async def test_an_allowed_name_still_leads_to_no_clouds_metadata(address: str) -> None:
    with pytest.raises(FetchRefused):
        await allowing("http://idp.internal", names=Names([address])).get("http://idp.internal/")


@pytest.mark.behaviour("fetch.one-reading")
@pytest.mark.parametrize("url", TWO_READINGS)
async def test_a_url_with_two_readings_or_a_private_address_is_refused_before_anything_is_asked(url: str) -> None:
    names = Names(["93.184.216.34"])
    with pytest.raises(FetchRefused):
        await Fetcher(resolve=names).get(url)
    assert names.asked == []


@pytest.mark.behaviour("fetch.pinned")
async def test_the_connection_goes_to_the_address_that_was_checked(
    open_place: Open, authority: Authority, tls: ssl.SSLContext, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A second answer of the resolver, as in DNS rebinding, is never asked for; the name is for TLS only."""
    place = await open_place(tls=tls)
    names = Names(["127.0.0.1"], ["127.66.66.66"])
    looked_up: list[Any] = []
    loop = asyncio.get_running_loop()
    real = loop.getaddrinfo

    async def watched(host: Any, *rest: Any, **options: Any) -> Any:
        looked_up.append(host)
        return await real(host, *rest, **options)

    monkeypatch.setattr(loop, "getaddrinfo", watched)
    fetcher = allowing(f"{NAME}:{place.port}", names=names, ca_file=str(authority.path))
    assert (await fetcher.get(f"https://{NAME}:{place.port}/")).status == 200
    assert names.asked == [NAME]
    assert set(looked_up) <= {"127.0.0.1"}
    assert b"\r\nHost: %b:%d\r\n" % (NAME.encode(), place.port) in place.asked[0]


@pytest.mark.behaviour("fetch.certificates")
async def test_a_certificate_of_an_unknown_authority_or_another_name_is_not_trusted(
    open_place: Open, authority: Authority, tls: ssl.SSLContext
) -> None:
    place = await open_place(tls=tls)
    names = Names(["127.0.0.1"])
    with pytest.raises(FetchFailed, match="not trusted"):
        await allowing(NAME, names=names).get(f"https://{NAME}:{place.port}/")
    with pytest.raises(FetchFailed, match="not trusted"):
        await allowing("other.example", names=names, ca_file=str(authority.path)).get(
            f"https://other.example:{place.port}/"
        )
    assert place.asked == []


@pytest.mark.behaviour("fetch.redirects")
async def test_a_redirect_to_a_private_address_is_refused(open_place: Open) -> None:
    inner = await open_place()
    for location in (f"http://127.0.0.1:{inner.port}/", f"http://localhost:{inner.port}/", "http://169.254.169.254/"):
        outer = await open_place(redirect(location))
        with pytest.raises(FetchRefused):
            await allowing(f"127.0.0.1:{outer.port}").get(f"http://127.0.0.1:{outer.port}/")
    assert inner.connections == 0


@pytest.mark.behaviour("fetch.redirects")
async def test_a_redirect_that_may_be_followed_is_followed_three_times(open_place: Open) -> None:
    place = await open_place(redirect("/b"), redirect("c"), redirect("?d"), answer(b"[]"))
    fetcher = allowing(f"127.0.0.1:{place.port}")
    got = await fetcher.get(f"http://127.0.0.1:{place.port}/a")
    assert (got.body, got.url) == (b"[]", f"http://127.0.0.1:{place.port}/c?d")
    place.answers = [redirect("/b")]
    with pytest.raises(FetchRefused, match="one redirect too many"):
        await fetcher.get(f"http://127.0.0.1:{place.port}/a")


@pytest.mark.behaviour("fetch.redirects")
async def test_a_redirect_away_from_https_is_refused(
    open_place: Open, authority: Authority, tls: ssl.SSLContext
) -> None:
    inner = await open_place()
    outer = await open_place(redirect(f"http://127.0.0.1:{inner.port}/"), tls=tls)
    fetcher = allowing(NAME, f"127.0.0.1:{inner.port}", names=Names(["127.0.0.1"]), ca_file=str(authority.path))
    with pytest.raises(FetchRefused, match="away from https"):
        await fetcher.get(f"https://{NAME}:{outer.port}/")
    assert inner.connections == 0


@pytest.mark.behaviour("fetch.redirects")
@pytest.mark.parametrize("status", ["302 Found", "307 Temporary Redirect", "308 Permanent Redirect"])
async def test_what_was_posted_is_sent_nowhere_else(status: str, open_place: Open) -> None:
    inner = await open_place()
    location = f"Location: http://127.0.0.1:{inner.port}/\r\n"
    outer = await open_place(answer(b"", status=status, more=location))
    fetcher = allowing(f"127.0.0.1:{outer.port}", f"127.0.0.1:{inner.port}")
    with pytest.raises(FetchRefused):
        await fetcher.post_form(f"http://127.0.0.1:{outer.port}/", {"client_secret": "x"})
    assert inner.connections == 0


_CHUNKED = b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nTransfer-Encoding: chunked\r\n\r\n"


@pytest.mark.behaviour("fetch.bounded")
@pytest.mark.parametrize(
    "flood",
    [
        answer(b"x" * 5000),
        _CHUNKED + b"1388\r\n" + b"x" * 5000 + b"\r\n0\r\n\r\n",
        _CHUNKED + b"1\r\nx\r\n" * 5000,
        _CHUNKED + b"1;" + b"e" * 99_999,
        b"HTTP/1.1 200 OK\r\nX: " + b"y" * 99_999,
        b"HTTP/1.1 200 OK\r\n" + b"A: b\r\n" * 20_000,
        b"HTTP/1.1 100 Continue\r\n\r\n" * 20_000,
        b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\n\r\n" + b"x" * 5000,
    ],
    ids=["length", "chunk", "chunks of a byte", "chunk extension", "header", "headers", "1xx", "until closed"],
)
async def test_an_answer_without_end_is_given_up(flood: bytes, open_place: Open) -> None:
    place = await open_place(flood)
    place.stalls = True
    with pytest.raises(FetchRefused):
        await allowing(f"127.0.0.1:{place.port}", max_bytes=4096).get(f"http://127.0.0.1:{place.port}/")


@pytest.mark.behaviour("fetch.bounded")
@pytest.mark.parametrize("begun", [b"", b"HTTP/1.1 200", answer(b"x" * 100)[:-50]], ids=["nothing", "head", "body"])
async def test_a_server_that_stalls_is_left(begun: bytes, open_place: Open) -> None:
    place = await open_place(begun)
    place.stalls = True
    with pytest.raises(FetchFailed, match="no answer came within"):
        await allowing(f"127.0.0.1:{place.port}", seconds=0.2).get(f"http://127.0.0.1:{place.port}/")
    await asyncio.wait_for(place.closed.wait(), 10)


@pytest.mark.behaviour("fetch.readable")
@pytest.mark.parametrize(
    "reply",
    [
        answer(b"<html>", media="text/html"),
        answer(b"{}", media=""),
        answer(b"{}", more="Content-Encoding: gzip\r\n"),
        answer(b"{}", media="text/html", more="Content-Type: application/json\r\n"),
        answer(b"{}", more="Content-Length: 3\r\n"),
        b"SSH-2.0-OpenSSH_9.9\r\n",
        b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: x\r\nConnection: upgrade\r\n\r\n",
        redirect(""),
    ],
    ids=["html", "no type", "compressed", "two types", "two lengths", "no http", "upgrade", "redirect nowhere"],
)
async def test_what_cannot_be_read_in_one_way_is_refused(reply: bytes, open_place: Open) -> None:
    place = await open_place(reply)
    place.stalls = True
    with pytest.raises(FetchRefused) as refused:
        await allowing(f"127.0.0.1:{place.port}").get(f"http://127.0.0.1:{place.port}/")
    assert "OpenSSH" not in refused.value.reason


@pytest.mark.behaviour("fetch.readable")
async def test_a_page_that_explains_an_error_is_not_read(open_place: Open) -> None:
    place = await open_place(answer(b"<html>secret of the inner network", status="403 Forbidden", media="text/html"))
    got = await allowing(f"127.0.0.1:{place.port}").get(f"http://127.0.0.1:{place.port}/")
    assert (got.status, got.body) == (403, b"")


@pytest.mark.behaviour("fetch.readable")
@pytest.mark.parametrize("cut", [b"", answer(b"{}")[:20], answer(b"{}")[:-1], _CHUNKED + b"5\r\n"])
async def test_an_answer_that_breaks_off_is_a_failure(cut: bytes, open_place: Open) -> None:
    place = await open_place(cut)
    with pytest.raises(FetchFailed):
        await allowing(f"127.0.0.1:{place.port}").get(f"http://127.0.0.1:{place.port}/")


@pytest.mark.behaviour("fetch.no-proxy")
async def test_proxies_of_the_environment_are_not_asked(open_place: Open, monkeypatch: pytest.MonkeyPatch) -> None:
    place, proxy = await open_place(), await open_place()
    for variable in ("http_proxy", "HTTP_PROXY", "https_proxy", "HTTPS_PROXY", "all_proxy", "ALL_PROXY"):
        monkeypatch.setenv(variable, f"http://127.0.0.1:{proxy.port}")
    await allowing(f"127.0.0.1:{place.port}").get(f"http://127.0.0.1:{place.port}/")
    assert (place.connections, proxy.connections) == (1, 0)


@pytest.mark.behaviour("fetch.any-answer-takes")
@pytest.mark.parametrize("media", ["", "application/octet-stream", "text/xml"])
async def test_where_the_status_is_all_that_counts_an_answer_of_any_type_is_one_and_is_not_read(
    open_place: Open, media: str
) -> None:
    place = await open_place(answer(b"ok", media=media))
    asking = allowing(f"127.0.0.1:{place.port}")
    got = await asking.post(f"http://127.0.0.1:{place.port}/", b"{}", "application/json", accept=("text/plain", ANY))
    assert (got.status, got.body) == (200, b"")


@pytest.mark.behaviour("fetch.no-secrets-told")
async def test_an_error_does_not_repeat_a_query(open_place: Open) -> None:
    place = await open_place(answer(b"x", media="text/html"))
    port = place.port
    for url in (
        f"http://127.0.0.1:{port}/t?code=canary",
        "https://u:canary@h/",
        "https://h/#canary",
        "http://h/?canary",
    ):
        with pytest.raises(FetchRefused) as refused:
            await allowing(f"127.0.0.1:{port}").get(url)
        assert "canary" not in refused.value.reason + refused.value.hint


@pytest.mark.behaviour("fetch.no-secrets-told")
async def test_a_header_cannot_break_out_of_its_line(open_place: Open) -> None:
    place = await open_place()
    fetcher = allowing(f"127.0.0.1:{place.port}")
    for header in (("X", "a\r\nY: b"), ("X: y", "a"), ("Host", "other"), ("X\n", "a")):
        with pytest.raises(FetchRefused):
            await fetcher.post_form(f"http://127.0.0.1:{place.port}/", {}, headers=[header])
    assert place.asked == []


@pytest.mark.behaviour("fetch.settings-checked")
@pytest.mark.parametrize("entry", ["", "a b", "https://x/path", "0x7f.1", "host:port", "host:0", "user@host", "[::1"])
def test_an_allowed_host_that_is_none_is_told_by_name(entry: str) -> None:
    with pytest.raises(Misconfigured, match=r"fetch\.allow_hosts"):
        check_fetch(FetchSettings(allow_hosts=(entry,)))


@pytest.mark.behaviour("fetch.settings-checked")
def test_an_authorities_file_that_holds_none_is_told(tmp_path: Any) -> None:
    (tmp_path / "empty.pem").write_text("nothing")
    for name in ("missing.pem", "empty.pem"):
        with pytest.raises(Misconfigured, match=r"fetch\.ca_file"):
            Fetcher(FetchSettings(ca_file=str(tmp_path / name)))


@pytest.mark.behaviour("fetch.unreachable")
async def test_a_host_that_is_not_there_is_a_failure(open_place: Open) -> None:
    place = await open_place()
    await place.stop()

    async def nothing(host: str, port: int) -> list[str]:
        raise OSError("no such name")

    with pytest.raises(FetchFailed):
        await allowing(f"127.0.0.1:{place.port}").get(f"http://127.0.0.1:{place.port}/")
    with pytest.raises(FetchFailed):
        await Fetcher(resolve=nothing).get("https://nowhere.example/")
    with pytest.raises(FetchFailed):
        await Fetcher(resolve=Names([])).get("https://nowhere.example/")


@pytest.mark.behaviour("fetch.documents")
async def test_an_allowed_ipv6_address_is_known_in_any_of_its_forms() -> None:
    fetcher = allowing("[::1]:9")
    assert fetcher.check("http://[0:0::1]:9/").host == "::1"
    with pytest.raises(FetchRefused):
        fetcher.check("http://[::1]:10/")


@pytest.mark.behaviour("fetch.barrier")
async def test_what_the_barrier_stands_before_is_not_looked_up_and_not_connected_to(
    open_place: Open, tls: ssl.SSLContext, authority: Authority
) -> None:
    place, told, cut = await open_place(tls=tls), [], {"none"}

    async def barrier(places: Sequence[str]) -> None:
        told.append(list(places))
        if cut & set(places):
            raise FetchRefused("it is cut off")

    names = Names(["127.0.0.1"])
    settings = FetchSettings(allow_hosts=(f"{NAME}:{place.port}",), ca_file=str(authority.path))
    fetcher, url = Fetcher(settings, resolve=names, barrier=barrier), f"https://{NAME}:{place.port}/"
    assert (await fetcher.get(url)).status == 200
    assert told == [[NAME], ["127.0.0.1"]]
    cut.add("127.0.0.1")
    with pytest.raises(FetchRefused, match="cut off"):
        await fetcher.get(url)
    assert (len(names.asked), place.connections) == (2, 1)
    cut.add(NAME)
    with pytest.raises(FetchRefused, match="cut off"):
        await fetcher.post(url, b"{}", "application/json")
    assert (len(names.asked), place.connections) == (2, 1)


@pytest.mark.behaviour("fetch.barrier")
async def test_a_redirect_comes_to_the_barrier_as_well(open_place: Open) -> None:
    there = await open_place()
    here = await open_place(redirect(f"http://localhost:{there.port}/"))

    async def barrier(places: Sequence[str]) -> None:
        if "localhost" in places:
            raise FetchRefused("it is cut off")

    fetcher = Fetcher(FetchSettings(allow_hosts=("127.0.0.1", "localhost")), barrier=barrier)
    with pytest.raises(FetchRefused, match="cut off"):
        await fetcher.get(f"http://127.0.0.1:{here.port}/")
    assert (here.connections, there.connections) == (1, 0)
