from __future__ import annotations

import zlib
from base64 import b64encode

import pytest
from hypothesis import given
from hypothesis import strategies as st

from watchkeeper.inspection.validators import CHECKS, entropy, has_github_checksum, is_jwt, is_not_example

BASE62 = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"


def with_checksum(body: str) -> bytes:
    number, digits = zlib.crc32(body.encode()), ""
    while number:
        number, rest = divmod(number, 62)
        digits = BASE62[rest] + digits
    return f"ghp_{body}{digits.rjust(6, '0')}".encode()


def test_a_token_with_a_right_checksum_stands_even_if_it_looks_like_an_example() -> None:
    assert has_github_checksum(with_checksum("example" + "k3Jx9QmT2vLp7RwZ4nYc8Bd"))
    assert not has_github_checksum(b"ghp_example" + b"k3Jx9QmT2vLp7RwZ4nYc8Bd" + b"000000")


@pytest.mark.parametrize(
    "text", [b"eyJhbGciOiJub25lIn0.eyJzdWIiOiIxIn0.aaaa", b"eyJ.eyJ.x", b"", b"..", b"eyJ\xff.a.b"]
)
def test_what_is_no_signed_token_is_not_a_secret(text: bytes) -> None:
    assert not is_jwt(text)


def test_a_token_nested_without_end_is_none() -> None:
    endless = b64encode(b'{"alg":' + b"[" * 1_000_000)
    assert not is_jwt(endless + b".eyJzdWIiOiIxIn0.aaaa")


def test_runs_and_fillers_are_examples() -> None:
    assert not is_not_example(b"ghp_" + b"ab" * 18)
    assert is_not_example(b"k3Jx9QmT2vLp7RwZ4nYc")


def test_entropy_is_measured_in_bits() -> None:
    assert entropy(b"") == 0
    assert entropy(b"abcd") == 2


@given(st.sampled_from(sorted(CHECKS)), st.binary(max_size=100))
def test_no_check_ever_raises(name: str, data: bytes) -> None:
    if data or name != "assignment":
        assert CHECKS[name](data) in (True, False)
