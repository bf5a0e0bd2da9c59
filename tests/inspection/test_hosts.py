from __future__ import annotations

from ipaddress import ip_address

import pytest

from watchkeeper.inspection.hosts import address_of, canonical, is_internal, is_network


@pytest.mark.behaviour("egress.hosts-in-any-notation")
@pytest.mark.parametrize(
    ("written", "number"),
    [
        ("0x7f000001", "127.0.0.1"),
        ("0177.0.0.1", "127.0.0.1"),
        ("2130706433", "127.0.0.1"),
        ("127.1", "127.0.0.1"),
        ("0xA9.0xFE.0xA9.0xFE", "169.254.169.254"),
        ("[::1]", "::1"),
        ("[::ffff:7f00:1]", "127.0.0.1"),
        ("[64:ff9b::a00:1]", "10.0.0.1"),
        ("[2002:c0a8:0101::]", "192.168.1.1"),
        ("%31%32%37.0.0.1", "127.0.0.1"),
        ("127\u30020\u30020\u30021", "127.0.0.1"),
        ("0", "0.0.0.0"),
    ],
)
def test_a_number_is_read_as_a_library_would(written: str, number: str) -> None:
    host = canonical(written)
    assert address_of(host) == ip_address(number)
    assert is_internal(host)


@pytest.mark.parametrize("host", ["256.1.1.1", "1.2.3.4.5", "0x1ffffffff", "8.8.8.8.example", "zz::1", "08.1"])
def test_what_is_no_number_is_a_name(host: str) -> None:
    assert address_of(host) is None


@pytest.mark.behaviour("egress.hosts-in-any-notation")
@pytest.mark.parametrize("host", ["localhost", "a.localhost", "db", "metadata.google.internal", "printer.local"])
def test_names_of_the_own_network_are_internal(host: str) -> None:
    assert is_internal(host)


@pytest.mark.parametrize("host", ["8.8.8.8", "example.com", "2606:4700::1111", "localhost.example.com", "134744072"])
def test_public_ones_are_not(host: str) -> None:
    assert not is_internal(host)


def test_a_network_holds_its_addresses_and_a_name_holds_none() -> None:
    assert is_network("10.1.0.0/16", address_of("10.1.2.3"))
    assert not is_network("10.1.0.0/16", address_of("10.2.2.3"))
    assert not is_network("10.1.0.0/16", None)
    assert not is_network("*.example.com", address_of("10.2.2.3"))
