from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from watchkeeper.core.errors import Misconfigured
from watchkeeper.policy import Effect, PolicyEngine, read_cases, run_case

Make = Callable[..., PolicyEngine]


def test_a_case_says_what_differs(make: Make, tmp_path: Path) -> None:
    (tmp_path / "a.tests.yaml").write_text(
        "ask: {principal: a, server: s, target: t}\n"
        "cases:\n"
        "  - {name: right, effect: allow, rules: [allow]}\n"
        "  - {name: wrong, ask: {findings: [x], arguments: {a: 1}}, effect: deny, rules: [other]}\n"
    )
    cases = [case for _, case in read_cases([tmp_path])]
    engine = make()
    assert [case.effect for case in cases] == [Effect.ALLOW, Effect.DENY]
    assert run_case(engine, cases[0]) == ""
    assert "other" in run_case(engine, cases[1])


@pytest.mark.parametrize("text", ["cases: 3", "{", "cases: [{name: a, effect: maybe, rules: []}]"])
def test_a_file_that_is_no_test_is_named(tmp_path: Path, text: str) -> None:
    (tmp_path / "a.tests.yaml").write_text(text)
    with pytest.raises(Misconfigured) as caught:
        read_cases([tmp_path])
    assert "a.tests.yaml" in caught.value.reason


def test_a_case_that_asks_no_question_is_named(make: Make, tmp_path: Path) -> None:
    (tmp_path / "a.tests.yaml").write_text("cases: [{name: odd, ask: {whom: me}, effect: deny, rules: []}]")
    ((_, case),) = read_cases([tmp_path])
    with pytest.raises(Misconfigured) as caught:
        run_case(make(), case)
    assert "odd" in caught.value.reason
