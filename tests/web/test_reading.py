"""Events of decided messages are read without trusting their bodies."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from watchkeeper.events import Event
from watchkeeper.web import reading


def test_the_harder_of_the_two_verdicts_counts(make_event: Callable[..., Event]) -> None:
    event = make_event(
        1,
        "allow",
        body={"answer": {"outcome": "deny", "rules": ["r2"], "reason": "why"}, "rules": ["r1"], "reason": "fine"},
    )
    assert (reading.verdict(event), reading.rules(event), reading.reason(event)) == ("deny", ["r2", "r1"], "why")
    assert reading.is_stopped(event)


def test_shadow_mode_stops_nothing(make_event: Callable[..., Event]) -> None:
    event = make_event(1, "deny", labels=("shadow",))
    assert reading.is_unenforced(event)
    assert not reading.is_stopped(event)


@pytest.mark.parametrize("junk", [7, "text", [1, [2]], {"a": 1}, None, True])
def test_a_body_of_another_shape_reads_as_nothing(make_event: Callable[..., Event], junk: object) -> None:
    body = dict.fromkeys(("answer", "rules", "reason", "method", "duration_us", "findings"), junk)
    event = make_event(1, "allow", body=body)
    assert reading.verdict(event) == "allow"
    assert reading.findings(event) == []
    assert isinstance(reading.method(event), str)
    assert reading.took(event) in (7, None)


def test_a_denied_answer_is_not_explained_by_the_permission_of_its_call(make_event: Callable[..., Event]) -> None:
    event = make_event(1, "allow", body={"answer": {"outcome": "deny", "rules": ["r2"]}, "reason": "known agents may"})
    assert reading.reason(event) == ""
    assert reading.because(event) == ""


def test_where_no_reason_was_recorded_the_findings_speak(make_event: Callable[..., Event]) -> None:
    event = make_event(1, "deny", body={"findings": [{"label": "hidden_instruction"}, {"label": "secret"}, {}, 3]})
    assert reading.because(event) == "Noticed: hidden instruction, secret"
