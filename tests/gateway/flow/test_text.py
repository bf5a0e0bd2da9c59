from __future__ import annotations

import base64
import gzip

import pytest

from watchkeeper.gateway.flow.text import Said, decoded, is_identifying, is_opaque, normal, parts_of, strings_of


def test_strings_of_a_json_text_come_with_what_their_names_say() -> None:
    found = strings_of(b'{"id":"a","note":"b","list":[{"pageToken":"c"}],"inner":"{\\"sessionId\\":\\"d\\"}","n":7}')
    assert set(found) == {Said(b"a", True), Said(b"b", False), Said(b"c", True), Said(b"d", True)}


def test_what_cannot_be_read_is_one_string() -> None:
    for unread in (b"[" * 1_000_000, b"{oops"):  # how deep is too deep, every Python says for itself
        assert strings_of(unread) == [Said(unread, False)]


def test_a_string_far_inside_is_read_or_the_whole_is_one_string() -> None:
    deep = b"[" * 3_000 + b'"a secret"' + b"]" * 3_000
    assert strings_of(deep) in ([Said(b"a secret", False)], [Said(deep, False)])


def test_names_of_members_are_strings_where_they_can_carry_something() -> None:
    assert Said(b"memo", False) in strings_of(b'{"memo":1}', with_keys=True)
    assert strings_of(b'{"memo":1}') == []


@pytest.mark.parametrize("key", ["id", "file_id", "fileId", "nextPageToken", "cursor", "html_url", "sha", "task-id"])
def test_names_of_identifiers(key: str) -> None:
    assert is_identifying(key)


@pytest.mark.parametrize("key", ["paid", "note", "description", "hidden", "curl", "bid", "token", "api_key"])
def test_names_of_content(key: str) -> None:
    assert not is_identifying(key)


def test_layout_quotes_and_unseen_letters_make_no_difference() -> None:
    assert normal("**The**\u200b  Lyon\n> office!".encode()) == normal(b"the lyon office") == b"thelyonoffice"


@pytest.mark.parametrize("value", ["wJ9tQm2XzR4vLb7NcY1pKd5GhT8sFa3E", "AKIAQ3EGRZ7YXM2NKDVW", "Zx7Lm2Qp9Rt4Vn8B"])
def test_keys_look_opaque(value: str) -> None:
    assert is_opaque(value.encode())


@pytest.mark.parametrize(
    "value", ["NotificationPreferences", "release-notes-2026-11-25", "internationalization", "reports.2026.11.csv"]
)
def test_words_do_not(value: str) -> None:
    assert not is_opaque(value.encode())


def test_identifiers_are_taken_out_of_a_text() -> None:
    text = (
        "see https://a.test/x?y=1 and ada@harbour.test, id 7f9c24e5-3b1a-4c8e-9d2f-6a5b4c3d2e1f, in /srv/data/a.txt "
        "key wJ9tQm2XzR4vLb7NcY1pKd5GhT8sFa3E"
    )
    parts = parts_of(Said(text.encode(), False))
    assert parts.tokens == [b"wj9tqm2xzr4vlb7ncy1pkd5ght8sfa3e"]
    assert parts.identifiers == [
        b"https://a.test/x?y=1",
        b"ada@harbour.test",
        b"7f9c24e5-3b1a-4c8e-9d2f-6a5b4c3d2e1f",
        b"/srv/data/a.txt",
    ]
    assert b"".join(parts.passages) == b"seeandidinkey"


@pytest.mark.parametrize(
    "encoded",
    [
        base64.b64encode(b"the quick report of today"),
        base64.urlsafe_b64encode(b"the quick report of today").rstrip(b"="),
        b"the quick report of today".hex().encode(),
        b"the%20quick%20report%20of%20today",
        base64.b64encode(base64.b64encode(b"the quick report of today")),
    ],
)
def test_what_is_encoded_is_read(encoded: bytes) -> None:
    assert any(b"the quick report of today" in text for text in decoded(b"x=" + encoded))


def test_a_bomb_is_not_unpacked() -> None:

    bomb = base64.b64encode(gzip.compress(b"a" * 50_000_000))
    assert sum(map(len, decoded(bomb))) < 4_000_000
