"""The baselines that come with the product."""

from __future__ import annotations

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
