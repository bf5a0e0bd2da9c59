from __future__ import annotations

from pathlib import Path

import pytest

from watchkeeper.core.content import content_folder
from watchkeeper.core.errors import Misconfigured
from watchkeeper.gateway.flow.model import MARKS
from watchkeeper.gateway.flow.reading import Reading, reading_of
from watchkeeper.policy import PolicyEngine


def read(folder: Path, condition: str) -> Reading:
    text = '@id("p") @reason("r.") permit (principal, action == Action::"call_tool", resource) when { %s };'
    (folder / "p.cedar").write_text(text % condition)
    return reading_of(PolicyEngine.load([folder]))


@pytest.mark.behaviour("flow.nothing-unread")
def test_the_starter_set_reads_nothing_of_it() -> None:
    assert not reading_of(PolicyEngine.load())


@pytest.mark.behaviour("flow.nothing-unread")
def test_what_policies_read_is_known_from_their_text(tmp_path: Path) -> None:
    assert read(tmp_path, 'context.labels.contains("sends")') == Reading(labels=True)
    coarse = read(tmp_path, 'context.flow.contains("private_read")')
    assert (coarse.is_coarse, coarse.is_fine) == (True, False)
    fine = read(tmp_path, 'context.flow.containsAny(["carries_private"])')
    assert (fine.is_coarse, fine.is_fine) == (False, True)
    assert read(tmp_path, 'context.counts.contains("calls_over_50")').thresholds == {"calls": (50,)}


def test_in_doubt_everything_is_read(tmp_path: Path) -> None:
    assert read(tmp_path, "context.flow.isEmpty()").marks == MARKS


@pytest.mark.behaviour("flow.unknown-refused")
@pytest.mark.parametrize(
    "condition", ['context.flow.contains("private_raed")', 'context.counts.contains("cals_over_5")']
)
def test_a_mark_or_counter_that_there_is_none_of_is_refused(tmp_path: Path, condition: str) -> None:
    with pytest.raises(Misconfigured, match="a policy asks for"):
        read(tmp_path, condition)


def test_the_pack_can_be_loaded() -> None:
    packs = content_folder("policies") / "packs"
    assert reading_of(PolicyEngine.load([content_folder("policies"), packs])).is_fine
