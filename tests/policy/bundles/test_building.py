"""The same inputs make the same bytes, and everything that belongs to them is in."""

from __future__ import annotations

import json
from base64 import b64decode
from pathlib import Path

import pytest

from watchkeeper.core.errors import Invalid, Misconfigured
from watchkeeper.policy.bundles import build, collect


@pytest.mark.behaviour("policy.bundle-reproducible")
def test_the_same_inputs_make_the_same_bytes(folder: Path) -> None:
    made = [
        build(
            collect([folder], ["level-2"]),
            version=1,
            created="2026-01-31T12:00:00Z",
            description="d",
            windows={"b": ["mon 09:00-10:00 UTC"], "a": ["tue 09:00-10:00 UTC"]},
        ).raw()
        for _ in range(2)
    ]
    assert made[0] == made[1]


def test_a_statement_lists_each_file_with_its_hash(folder: Path) -> None:
    envelope = build(collect([folder], ["level-2"]), version=7, created="t", description="d", windows={})
    statement = json.loads(b64decode(envelope.payload))
    assert {subject["name"] for subject in statement["subject"]} == {
        "level-2/level-2.cedar",
        "level-2/level-2.tests.yaml",
        "mine/mine.cedar",
        "mine/mine.tests.yaml",
        "redaction/redaction.cedar",
        "redaction/redaction.tests.yaml",
    }
    assert statement["predicate"]["packs"] == {"level-2": ["redaction"], "redaction": []}
    assert statement["predicate"]["version"] == 7


def test_two_folders_of_one_name_and_none_at_all_are_refused(folder: Path, tmp_path: Path) -> None:
    other = tmp_path / "other" / "mine"
    other.mkdir(parents=True)
    (other / "a.cedar").write_text("")
    with pytest.raises(Invalid, match="named mine"):
        collect([folder, other], [])
    with pytest.raises(Invalid, match="no policy"):
        collect([tmp_path], [])
    with pytest.raises(Misconfigured, match="no pack"):
        collect([folder], ["level-9"])
