from __future__ import annotations

import pytest

from watchkeeper.core.errors import Invalid
from watchkeeper.respond.expressions import Expression


def test_a_condition_holds_or_does_not():
    facts = {"incident": {"alerts": [{"rule": "a"}, {"rule": "b"}]}}
    assert Expression("incident.alerts.exists(a, a.rule == 'b')").holds(facts)
    assert not Expression("incident.alerts.exists(a, a.rule == 'c')").holds(facts)


@pytest.mark.parametrize("text", ["1 + 1", "'yes'", "nobody.knows", "1 + 'a'", "alerts[9]"])
def test_a_condition_that_is_neither_true_nor_false_is_an_error_and_never_an_answer(text):
    with pytest.raises(Invalid):
        Expression(text).holds({"alerts": []})
