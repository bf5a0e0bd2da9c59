"""The copy on a gateway's own disk."""

from __future__ import annotations

from pathlib import Path

import pytest

from watchkeeper.core.errors import Untrusted
from watchkeeper.gateway.bundles import Order, keep, kept


def test_what_was_kept_is_found_again_for_its_owner_alone(tmp_path: Path) -> None:
    assert kept(tmp_path) is None
    keep(tmp_path, Order(7, b"x\n"))
    assert kept(tmp_path) == Order(7, b"x\n")
    assert (tmp_path / "policy" / "in-force.json").stat().st_mode & 0o777 == 0o600


def test_one_that_cannot_be_read_is_not_taken_for_none(tmp_path: Path) -> None:
    keep(tmp_path, Order(7, b"x\n"))
    (tmp_path / "policy" / "in-force.json").write_bytes(b"{}")
    with pytest.raises(Untrusted):
        kept(tmp_path)
