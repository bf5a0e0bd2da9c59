from __future__ import annotations

import pytest

from watchkeeper.inspection import Inspection, Surface
from watchkeeper.inspection.leaving import SENSITIVE, Leaving

TEXT = b'{"text":"token sk-' + b'test-4eC39HqLyjWDarj"}'


@pytest.mark.behaviour("egress.sensitive-shapes")
def test_shapes_of_credentials_are_found_where_a_policy_asks_and_only_there() -> None:
    found = Inspection([Leaving()], wanted=frozenset({SENSITIVE})).inspect(Surface.ARGUMENTS, TEXT)
    assert [finding.label for finding in found] == [SENSITIVE]
    assert Inspection([Leaving()], wanted=frozenset({"secret"})).inspect(Surface.ARGUMENTS, TEXT) == ()


def test_what_comes_in_is_left_to_other_rules() -> None:
    assert Leaving().inspect(Surface.RESULT, TEXT) == ()
