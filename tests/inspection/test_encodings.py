from __future__ import annotations

import base64

import pytest

from watchkeeper.inspection.encodings import (
    basic_credentials,
    has_base58_checksum,
    has_encoded_label,
    is_encoded_text,
    is_seed_phrase,
    is_token_shape,
)


@pytest.mark.behaviour("inspection.channels-noticed")
@pytest.mark.parametrize("encode", [base64.b64encode, base64.urlsafe_b64encode, lambda plain: plain.hex().encode()])
def test_text_in_an_encoding_is_recognised_and_a_cursor_of_json_is_not(encode) -> None:  # type: ignore[no-untyped-def]
    assert is_encoded_text(encode(b"DB_PASS=dummy-value"))
    assert not is_encoded_text(encode(b'{"page":3,"id":12}'))
    assert not is_encoded_text(encode(bytes(range(128, 144))))


@pytest.mark.behaviour("inspection.channels-noticed")
def test_a_host_with_an_encoded_label_is_told_from_an_ordinary_one() -> None:
    assert has_encoded_label(b"secret_api_key".hex().encode() + b".x.test.example")
    assert has_encoded_label(b"JBSWY3DPEHPK3PXP.x.test.example")
    assert not has_encoded_label(b"my-application-preview.apps.example.com")
    assert not has_encoded_label(b"8f14e45fceea167a5a36dedd4bea2543.apps.example.com")


def test_a_wallet_key_needs_its_checksum() -> None:
    assert has_base58_checksum(b"5HueCGU8rMjxEXxiPuD5BDku4MkFqeZyd4dZ1jvhTVqvbTLvyTJ")
    assert not has_base58_checksum(b"5HueCGU8rMjxEXxiPuD5BDku4MkFqeZyd4dZ1jvhTVqvbTLvyTK")
    assert not has_base58_checksum(b"0OIl")


def test_a_seed_phrase_is_no_sentence() -> None:
    assert is_seed_phrase(b"ocean lamp crisp wagon velvet thunder rapid tiny maple joke brave orbit")
    assert not is_seed_phrase(b"the lamp was kept with the wagon and they have been there for long")
    assert not is_seed_phrase(b"ocean lamp")


def test_a_filler_has_not_the_shape_of_a_token() -> None:
    assert is_token_shape(b"ghp_ABCDEFGHIJKLMNOPQRSTUVWXYZabcdef01")
    assert not is_token_shape(b"ghp_" + b"x" * 36)


def test_a_basic_header_holds_a_password() -> None:
    assert basic_credentials(base64.b64encode(b"app:v9Kq2L")) == b"v9Kq2L"
    assert basic_credentials(b"a") == b""
