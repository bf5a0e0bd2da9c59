"""Secrets by reference, and what never shows them."""

from __future__ import annotations

import pickle
from pathlib import Path

import pytest

from watchkeeper.core.errors import Misconfigured
from watchkeeper.core.secrets import Secret, SecretReader, is_reference

CANARY = "canary-0815"


@pytest.mark.behaviour("secrets.by-reference")
def test_a_secret_is_read_from_the_environment_or_a_file_and_keeps_its_scheme(tmp_path: Path) -> None:
    path = tmp_path / "token"
    path.write_text(f"{CANARY}\n")
    reader = SecretReader({"TOKEN": CANARY})
    assert reader.read("s", "env:TOKEN").reveal() == CANARY
    assert reader.read("s", f"file:{path}").reveal() == CANARY
    assert reader.expand("s", "Bearer env:TOKEN").reveal() == f"Bearer {CANARY}"
    assert reader.expand("s", "text/plain; a=env:TOKEN").reveal() == "text/plain; a=env:TOKEN"
    assert reader.read("s", "").reveal() == ""
    assert not is_reference("https://example.com")


@pytest.mark.behaviour("secrets.flaws-are-told")
def test_a_reference_that_leads_nowhere_is_told_without_any_value(tmp_path: Path) -> None:
    (tmp_path / "empty").write_text("\n")
    (tmp_path / "large").write_text(CANARY * 20_000)
    (tmp_path / "binary").write_bytes(b"\xff\xfe")
    (tmp_path / "shared").write_text(CANARY)
    (tmp_path / "shared").chmod(0o666)
    reader = SecretReader({"EMPTY": ""})
    names = [f"file:{tmp_path / name}" for name in ("missing", "empty", "large", "binary", "shared", ".")]
    for text in ("env:NONE", "env:EMPTY", CANARY, *names):
        with pytest.raises(Misconfigured, match=r"servers\.x\.oauth") as told:
            reader.read("servers.x.oauth", text)
        assert CANARY not in told.value.reason + told.value.hint


@pytest.mark.behaviour("secrets.not-shown")
def test_a_secret_shows_itself_to_nobody_who_does_not_ask() -> None:
    secret = Secret(CANARY)
    assert CANARY not in f"{secret} {secret!r} {[secret]}"
    assert (bool(secret), bool(Secret("")), secret == Secret(CANARY), secret == CANARY) == (True, False, True, False)
    with pytest.raises(TypeError):
        pickle.dumps(secret)
