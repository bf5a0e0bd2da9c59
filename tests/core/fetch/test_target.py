"""A URL that we take is read by others as we read it."""

from __future__ import annotations

import ipaddress
from contextlib import suppress
from urllib.parse import urlsplit

import httpx2
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from watchkeeper.core.fetch.addresses import is_private, is_public
from watchkeeper.core.fetch.allowance import Allowances
from watchkeeper.core.fetch.model import FetchRefused
from watchkeeper.core.fetch.target import parse_target

_ODD = st.sampled_from(
    r"@ : / // \ # ? . %00 %2e %40 :80 :443 0x7f 1 - _ é u:p@ & = ; [ ] 127.0.0.1 [::1] A.EXAMPLE".split(" ")  # noqa: SIM905 — a table of words
)
_HOSTS = st.sampled_from(["a.example", "A.Example", "127.0.0.1", "[::1]", "[2606:4700::1111]", "xn--a.example", "1.1"])
_SCHEMES = st.sampled_from(["https://", "http://", "HTTPS://", "https:", "https:///", "https:\\\\", "ftp://", ""])
URLS = st.builds(
    lambda scheme, before, host, after: scheme + "".join(before) + host + "".join(after),
    _SCHEMES,
    st.lists(_ODD, max_size=1),
    _HOSTS,
    st.lists(st.one_of(_ODD, _HOSTS), max_size=4),
)


@pytest.mark.behaviour("fetch.one-reading")
@given(URLS)
@example("https://a.example@127.0.0.1/")
@example("https://a.example\\@127.0.0.1/")
@example("https://a.example:80#@127.0.0.1/")
def test_whatever_is_taken_means_the_same_host_and_port_to_other_readers(url: str) -> None:
    try:
        target = parse_target(url)
    except FetchRefused:
        return
    default = 443 if target.scheme == "https" else 80
    for host, port in (
        (urlsplit(url).hostname, urlsplit(url).port),
        (httpx2.URL(url).host, httpx2.URL(url).port),
    ):
        assert (host, port or default) == (target.host, target.port)
    assert "\r" not in target.path
    assert target.path.startswith(("/", "?")) or target.path == "/"


@pytest.mark.behaviour("fetch.private-addresses")
@given(st.one_of(st.ip_addresses(v=4), st.ip_addresses(v=6)))
def test_no_address_is_both_public_and_private_and_what_is_public_is_global(
    address: ipaddress.IPv4Address | ipaddress.IPv6Address,
) -> None:
    assert not (is_public(address) and is_private(address))
    if is_public(address):
        assert address.is_global
        assert not any((address.is_multicast, address.is_private, address.is_link_local, address.is_loopback))
    if isinstance(address, ipaddress.IPv4Address):
        for hidden in (f"::ffff:{address}", f"64:ff9b::{address}", f"::{address}"):
            assert not is_public(ipaddress.ip_address(hidden))


@pytest.mark.behaviour("fetch.https-only")
@given(URLS)
def test_without_allowances_nothing_but_https_to_what_may_be_public_is_taken(url: str) -> None:
    with suppress(FetchRefused):
        target = parse_target(url)
        Allowances().check_target(target)
        assert target.scheme == "https"
        if target.literal:
            Allowances().check_addresses(target, [target.literal])
            assert is_public(ipaddress.ip_address(target.literal))
