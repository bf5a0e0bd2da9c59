"""Text into an event's body, and what is said of what was left out."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from watchkeeper.gateway.capture.keeping import keep
from watchkeeper.gateway.capture.model import Capture, Keep
from watchkeeper.gateway.capture.settings import CaptureSettings
from watchkeeper.inspection import BROKEN, Finding, Inspection, Surface
from watchkeeper.inspection.model import SECRET
from watchkeeper.inspection.personal import Personal
from watchkeeper.inspection.redaction import CUT, UNSEEN
from watchkeeper.inspection.secrets import Secrets

TOKEN = "ghp" + "_k3Jx9QmT2vLp7RwZ4nYc8BdF1hGs6Ua5Ke0T"
LOOK = Inspection([Secrets(), Personal()], wanted=frozenset({"*"})).inspect
SHORT = Keep("redacted", 100, 80)
FULL = Capture(CaptureSettings(results="full")).results


def kept(data: bytes, rule: Keep) -> dict[str, Any]:
    body: dict[str, Any] = {}
    keep(body, "result", data, LOOK(Surface.RESULT, data), rule)
    return body


@pytest.mark.behaviour("capture.left-out-is-said")
def test_of_a_text_that_is_kept_whole_nothing_is_said() -> None:
    assert kept(b'{"a":1}', SHORT) == {"result": '{"a":1}'}
    assert kept(b"", SHORT) == {"result": ""}


@pytest.mark.behaviour("capture.left-out-is-said")
def test_a_text_that_is_not_kept_is_told_from_one_that_there_was_not() -> None:
    assert kept(b'"hello"', SHORT._replace(mode="metadata")) == {
        "capture": {"result": {"mode": "metadata", "kept": 0, "of": 7}}
    }


@pytest.mark.behaviour("capture.left-out-is-said")
def test_a_text_that_was_cut_says_of_how_many_bytes() -> None:
    body = kept(b'"' + b"x" * 200 + b'"', SHORT)
    assert body["result"].endswith(CUT)
    assert body["capture"] == {"result": {"mode": "redacted", "kept": len(body["result"].encode()), "of": 202}}
    assert len(body["result"].encode()) <= 80


@pytest.mark.behaviour("capture.never-secrets")
def test_a_secret_is_masked_in_a_text_kept_in_full() -> None:
    body = kept(f'{{"a":"{TOKEN}","b":"jane@corp-mail.io"}}'.encode(), FULL)
    assert body["result"] == '{"a":"[secrets.github-token]","b":"jane@corp-mail.io"}'
    assert body["capture"]["result"]["masked"] == 1


@pytest.mark.behaviour("capture.personal-data")
def test_personal_data_is_masked_or_drops_the_text() -> None:
    data = b'"write to jane@corp-mail.io"'
    assert "jane" not in kept(data, SHORT)["result"]
    dropped = kept(data, Capture(CaptureSettings(personal="metadata")).results)
    assert "result" not in dropped
    assert dropped["capture"]["result"] == {"mode": "redacted", "kept": 0, "of": 28, "why": "personal_data"}


@pytest.mark.behaviour("capture.never-secrets")
def test_a_secret_can_drop_the_whole_text() -> None:
    dropped = kept(f'"{TOKEN}"'.encode(), Capture(CaptureSettings(results="full", secrets="metadata")).results)
    assert "result" not in dropped
    assert dropped["capture"]["result"]["why"] == SECRET


@pytest.mark.behaviour("capture.never-secrets")
def test_what_was_not_inspected_is_not_kept_in_full_either() -> None:
    body: dict[str, Any] = {}
    keep(body, "result", b'"x"', (Finding("rules", "inspection.failed", BROKEN, 5),), FULL)
    assert body["result"] == UNSEEN
    assert body["capture"]["result"]["of"] == 3


@given(st.text(), st.integers(64, 400), st.sampled_from(["redacted", "full"]))
@pytest.mark.behaviour("capture.by-class")
def test_no_text_is_longer_than_its_bound_in_bytes(text: str, size: int, mode: str) -> None:
    data = text.encode("utf-8", "replace") * 9
    for findings in ((), (Finding("rules", "x", "hidden_instruction", 3),)):
        body: dict[str, Any] = {}
        keep(body, "m", data, findings, Keep(mode, size, size))
        assert len(body["m"].encode()) <= size
        assert len(body["m"].encode()) >= len(data) or "capture" in body
