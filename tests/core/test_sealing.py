"""Secrets at rest."""

from __future__ import annotations

from pathlib import Path

import pytest

from watchkeeper.core.errors import Misconfigured, Untrusted
from watchkeeper.core.sealing import SealingKey


@pytest.mark.behaviour("sealing.bound-to-context")
def test_a_sealed_secret_opens_with_its_key_in_its_context_and_nowhere_else(tmp_path: Path) -> None:
    key = SealingKey.load_or_create(tmp_path / "keys" / "a.key")
    sealed = key.seal(b"canary", "ab", "c")
    assert SealingKey.load_or_create(tmp_path / "keys" / "a.key").open(sealed, "ab", "c") == b"canary"
    assert "canary" not in sealed
    assert key.seal(b"canary", "ab", "c") != sealed
    other = SealingKey.load_or_create(tmp_path / "keys" / "b.key")
    tries = [(key, sealed, ("a", "bc")), (key, sealed, ("ab",)), (other, sealed, ("ab", "c"))]
    tries += [(key, sealed[:-4], ("ab", "c")), (key, "", ("ab", "c")), (key, "!!", ("ab", "c"))]
    for which, text, context in tries:
        with pytest.raises(Untrusted):
            which.open(text, *context)


@pytest.mark.behaviour("sealing.key-is-private")
def test_a_sealing_key_is_private_and_whole(tmp_path: Path) -> None:
    path = tmp_path / "keys" / "a.key"
    SealingKey.load_or_create(path)
    assert (path.stat().st_mode & 0o777, path.parent.stat().st_mode & 0o777) == (0o600, 0o700)
    path.chmod(0o640)
    with pytest.raises(Untrusted):
        SealingKey.load_or_create(path)
    path.chmod(0o600)
    path.write_bytes(b"short")
    with pytest.raises(Misconfigured):
        SealingKey.load_or_create(path)
