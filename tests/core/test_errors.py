from __future__ import annotations

import pytest

from watchkeeper.core import errors


@pytest.mark.behaviour("core.errors-one-family")
def test_every_error_is_of_one_family_with_its_own_code_and_exit_code() -> None:
    kinds = [k for k in vars(errors).values() if isinstance(k, type) and issubclass(k, errors.WatchkeeperError)]
    own = [kind for kind in kinds if kind is not errors.Stalled]  # which is said as what it is a kind of
    assert len({k.code for k in own}) == len({k.exit_code for k in own}) == len(own) == 8
    assert (errors.Stalled.code, errors.Stalled.exit_code) == (errors.Unavailable.code, errors.Unavailable.exit_code)


def test_an_error_says_what_to_do_next() -> None:
    error = errors.Denied("no", rule="r1", hint="ask somebody")
    assert (str(error), error.rule, error.hint) == ("no", "r1", "ask somebody")
