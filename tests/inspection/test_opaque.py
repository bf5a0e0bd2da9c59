from __future__ import annotations

import pytest

from watchkeeper.inspection.opaque import is_leaving_token, is_leaving_value, is_opaque, is_opaque_host


@pytest.mark.parametrize("token", [b"xoxb-000000000000-SAMPLE", b"sk-test-4eC39HqLyjW"])
def test_fillers_with_digits_count_as_tokens(token: bytes) -> None:
    assert is_leaving_token(token)


@pytest.mark.parametrize(
    "token", [b"sk-proj-your-key-1", b"ghp_xxxxxxxxxxxx1", b"npm_config_registry", b"sk-test-111111"]
)
def test_placeholders_and_names_do_not(token: bytes) -> None:
    assert not is_leaving_token(token)


@pytest.mark.parametrize(("value", "is_one"), [(b"hunter2-pass", True), (b"${TOKEN_1}", False), (b"letmein", False)])
def test_a_value_is_no_reference_and_no_word(value: bytes, is_one: bool) -> None:
    assert is_leaving_value(value) is is_one


def test_a_value_without_order_is_opaque_and_a_hash_is_not() -> None:
    assert is_opaque(b"x7F3k9Q2m4Z8p1W6r5T0n8B2v6C1x4L9j3H7g5" * 2)
    assert not is_opaque(b"0123456789abcdef" * 5)
    assert not is_opaque(b"eyJ" + b"x7F3k9Q2m4Z8p1W6r5T0n8B2v6C1x4L9j3H7g5" * 2)
    assert not is_opaque(b"")


@pytest.mark.parametrize(
    ("host", "is_one"),
    [
        (b"x7f3k9q2m4z8p1w6r5.n8b2v6c1x4l9j3h7g5.t.test", True),
        (b"ghpabcdefghijklmnopqrstuvwxyz012345.t.test", True),
        (b"a1b2c3d4.e5f6a7b8.c9d0e1f2.a3b4c5d6.e7f8a9b0.t.test", True),
        (b"8f14e45fceea167a5a36dedd4bea2543.gr7.eu-west-1.test.com", False),
        (b"my-app-git-feature-branch-name-team.apps.test.net", False),
        (b"docs.example.org", False),
    ],
)
def test_names_that_nobody_could_read_are_told_from_names_of_clouds(host: bytes, is_one: bool) -> None:
    assert is_opaque_host(host) is is_one
