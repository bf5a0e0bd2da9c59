"""The baselines that come with the product."""

from __future__ import annotations

from pathlib import Path

import pytest

from watchkeeper.core.content import content_folder
from watchkeeper.detect.baselines.loading import Trial, load_with_trials
from watchkeeper.detect.baselines.model import Baseline
from watchkeeper.detect.baselines.trying import try_out

LOADED = load_with_trials([content_folder("baselines")])


@pytest.mark.behaviour("baselines.carry-tests")
@pytest.mark.parametrize(("baseline", "trials"), LOADED, ids=[one.heading.name for one, _ in LOADED])
def test_every_baseline_passes_the_tests_it_carries(baseline: Baseline, trials: list[Trial]) -> None:
    assert try_out(baseline, trials) == []
    assert baseline.heading.response
    assert baseline.heading.falsepositives


DOCUMENT = Path(__file__).resolve().parents[3] / "docs" / "concepts" / "baselines.md"


def test_the_documented_baseline_passes_its_tests(tmp_path: Path) -> None:
    example = DOCUMENT.read_text(encoding="utf-8").split("```yaml\n")[1].split("```")[0]
    (tmp_path / "documented.yaml").write_text(example, encoding="utf-8")
    ((baseline, trials),) = load_with_trials([tmp_path])
    assert try_out(baseline, trials) == []


def test_every_baseline_is_documented() -> None:
    text = DOCUMENT.read_text(encoding="utf-8")
    assert [one.heading.name for one, _ in LOADED if f"`{one.heading.name}`" not in text] == []
