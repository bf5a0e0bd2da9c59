"""Where a data folder's lake lies."""

from __future__ import annotations

from pathlib import Path

import pytest

from watchkeeper.app.lakes import lake_place, leave_word
from watchkeeper.core.errors import Misconfigured
from watchkeeper.events.lake.places import ObjectPlace
from watchkeeper.events.lake.settings import LakeSettings


def test_a_word_that_cannot_be_read_is_not_taken_for_a_lake_on_disk(tmp_path: Path) -> None:
    assert not isinstance(lake_place(tmp_path), ObjectPlace)
    leave_word(tmp_path, LakeSettings(url="s3://events/lake"))
    assert isinstance(lake_place(tmp_path), ObjectPlace)
    (tmp_path / "lake" / "place.json").write_text("{")
    with pytest.raises(Misconfigured, match="cannot be read"):
        lake_place(tmp_path)
