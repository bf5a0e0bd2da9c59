from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from watchkeeper.inspection.identifiers import IDENTIFIERS, has_luhn

SPECIMENS = [
    ("iban", "GB82 WEST 1234 5698 7654 32"),
    ("iban", "DE89370400440532013000"),
    ("card", "4111 1111 1111 1111"),
    ("card", "378282246310005"),
    ("de-tax-id", "86095742719"),
    ("fr-nir", "2 69 05 49 588 157 80"),
    ("es-dni", "12345678Z"),
    ("es-dni", "X1234567L"),
    ("it-fiscal-code", "RSSMRA85T10A562S"),
    ("nl-bsn", "111222333"),
    ("br-cpf", "529.982.247-25"),
    ("in-aadhaar", "2341 2341 2346"),
    ("cn-resident-id", "11010519491231002X"),
    ("ca-sin", "130 692 544"),
    ("ch-ahv", "756.9217.0769.85"),
    ("be-number", "93.05.18-223.61"),
    ("pl-pesel", "44051401359"),
    ("passport-zone", "L898902C36UTO7408122F1204159ZE184226B<<<<<10"),
]
"""Numbers that issuers and standards print as specimens."""


@pytest.mark.behaviour("inspection.personal-checksums")
@pytest.mark.parametrize(("name", "specimen"), SPECIMENS)
def test_a_specimen_of_the_issuer_stands_and_any_other_last_digit_does_not(name: str, specimen: str) -> None:
    check = IDENTIFIERS[name]
    assert check(specimen.encode())
    place = max(i for i, sign in enumerate(specimen) if sign.isdigit())
    others = [
        f"{specimen[:place]}{digit}{specimen[place + 1 :]}" for digit in range(10) if str(digit) != specimen[place]
    ]
    assert not any(check(other.encode()) for other in others)


@given(st.sampled_from(sorted(IDENTIFIERS)), st.binary(max_size=60))
def test_nothing_makes_a_check_raise(name: str, data: bytes) -> None:
    assert IDENTIFIERS[name](data) in (True, False)


@given(st.text("0123456789", min_size=3, max_size=18))
def test_exactly_one_last_digit_satisfies_luhn(body: str) -> None:
    assert sum(has_luhn(f"{body}{digit}") for digit in range(10)) == 1


@pytest.mark.parametrize("address", [b"git@forge.test", b"noreply@shop.test", b"logo@2x.png", b"a..b@c.test"])
def test_what_is_nobodys_address_is_none(address: bytes) -> None:
    assert not IDENTIFIERS["email"](address)


@pytest.mark.parametrize(("day", "stands"), [(b"1985-07-30", True), (b"30/07/1985", True), (b"1985-02-30", False)])
def test_a_day_must_be_in_the_calendar(day: bytes, stands: bool) -> None:
    assert IDENTIFIERS["day"](day) is stands
