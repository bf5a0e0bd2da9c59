from __future__ import annotations

import pytest

from watchkeeper.gateway.flow.places import is_plain, places
from watchkeeper.inspection.rules import Rule


@pytest.mark.behaviour("flow.chains")
@pytest.mark.parametrize("rule", places().rules, ids=lambda rule: rule.id)
def test_a_rule_finds_its_examples_and_no_rule_the_clean_ones(rule: Rule) -> None:
    assert {text for text in rule.tests.match if rule.label not in places().in_arguments(text.encode())} == set()
    assert {text for text in rule.tests.clean if places().in_arguments(text.encode())} == set()


def test_escapes_hide_no_place() -> None:
    assert places().in_arguments(b'{"path":"\\/home\\/a\\/\\u002eenv"}') == {"secret_place"}


def test_one_variable_that_holds_no_secret_is_told_from_all_others() -> None:
    assert is_plain(b'{"variable":"LANG"}')
    assert not is_plain(b'{"variable":"STRIPE_SECRET_KEY"}')
    assert not is_plain(b'{"a":{"variable":"LANG"},"b":"TOKEN"}')
    assert not is_plain(b"")
