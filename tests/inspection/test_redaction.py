from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from watchkeeper.inspection import BROKEN, Finding, Inspection, Surface, redact
from watchkeeper.inspection.redaction import CUT, UNSEEN, WITHHELD
from watchkeeper.inspection.secrets import Secrets

TOKEN = "ghp" + "_k3Jx9QmT2vLp7RwZ4nYc8BdF1hGs6Ua5Ke0T"
SECRETS = Inspection([Secrets()])


def redacted(data: bytes, limit: int = 4096) -> str:
    return redact(data, SECRETS.inspect(Surface.ARGUMENTS, data), limit)


def test_text_without_findings_is_kept() -> None:
    assert redact(b'{"a":1}', (), 100) == '{"a":1}'


@pytest.mark.behaviour("inspection.redaction")
def test_what_was_not_inspected_is_withheld() -> None:
    failed = Finding("rules", "inspection.failed", BROKEN, 5)
    assert redact(f'"{TOKEN}"'.encode(), (failed,), 100) == UNSEEN


def test_it_is_cut_at_the_limit_with_a_mark() -> None:
    kept = redact(b"x" * 100, (), 20)
    assert len(kept) == 20
    assert kept.endswith(CUT)


def test_control_and_invisible_characters_are_shown_as_escapes() -> None:
    assert redact("a\x1b[0m\n\u202e\u200b\u00e9\U000e0041".encode(), (), 100) == (
        "a\\u001b[0m\\u000a\\u202e\\u200b\u00e9\\U000e0041"
    )


@pytest.mark.behaviour("inspection.redaction")
@pytest.mark.parametrize(
    ("value", "expected"),
    [
        ({"n": 1.50, "t": f"a {TOKEN} b"}, '{"n":1.5,"t":"a [secrets.github-token] b"}'),
        ([TOKEN, TOKEN], '["[secrets.github-token]","[secrets.github-token]"]'),
        (f"{TOKEN} {TOKEN}", '"[secrets.github-token] [secrets.github-token]"'),
        ({"a/b": TOKEN, "\u00e9": None}, '{"a/b":"[secrets.github-token]","\u00e9":null}'),
        ({"t": "\u00e9 " + TOKEN}, '{"t":"\u00e9 [secrets.github-token]"}'),
        ({"t": TOKEN[:9] + "\u200b" + TOKEN[9:]}, '{"t":"[secrets.github-token]"}'),
        ({TOKEN: 1}, WITHHELD),
    ],
)
def test_secrets_are_replaced_by_the_name_of_their_rule(value: Any, expected: str) -> None:
    assert redacted(json.dumps(value).encode()) == expected


def test_a_text_that_is_no_json_is_cut_in_place() -> None:
    assert redacted(f"note: {TOKEN} end".encode()) == "note: [secrets.github-token] end"


def test_a_text_that_is_no_json_and_hides_its_secret_is_withheld() -> None:
    assert redacted(b"note \\n" + TOKEN.encode()) == WITHHELD


@pytest.mark.behaviour("inspection.redaction")
@settings(deadline=None, max_examples=60)
@given(
    st.recursive(
        st.one_of(
            st.none(),
            st.integers(),
            st.text(max_size=5),
            st.just(TOKEN),
            st.text(max_size=3).map(lambda t: t + " " + TOKEN),
        ),
        lambda inner: st.one_of(
            st.lists(inner, max_size=3), st.dictionaries(st.text(max_size=3) | st.just(TOKEN), inner, max_size=3)
        ),
        max_leaves=6,
    ),
    st.booleans(),
    st.integers(10, 200),
)
def test_the_secret_never_survives(value: Any, ascii_only: bool, limit: int) -> None:
    try:
        data = json.dumps(value, ensure_ascii=ascii_only).encode()
    except UnicodeEncodeError:
        return
    kept = redacted(data, limit)
    assert TOKEN not in kept
    assert len(kept) <= limit


def test_findings_of_other_labels_are_left_in() -> None:
    finding = Finding("i", "r", "hidden_instruction", 3, "/a", 0, 3, "x")
    assert redact(b'{"a":"abc"}', (finding,), 100) == '{"a":"abc"}'


def test_findings_of_another_text_withhold_it() -> None:
    finding = Finding("i", "r", "secret", 3, "/missing", 0, 3, "x")
    assert redact(b'{"a":"abc"}', (finding,), 100) == WITHHELD


def test_it_costs_nothing_to_keep_a_short_piece_of_a_long_text() -> None:
    kept = redact(b"y" * 10_000_000, (), 30)
    assert len(kept) == 30
