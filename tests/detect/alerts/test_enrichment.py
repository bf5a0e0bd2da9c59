"""What is known of a subject: bounded, remembered for a moment, and never in an alert's way."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import pytest

from tests.detect.alerts.found import T, a_call, a_rule, found
from watchkeeper.detect.alerts import RAISED, AlertAdmission, Knowledge
from watchkeeper.detect.alerts.enrichment import Enrichment
from watchkeeper.detect.alerts.model import Fact, Subject, Unknown
from watchkeeper.events.catalogue.fits import misfit

ANN = Subject("default", "files", "read", "agent:ann")


class Says:
    """A source that answers as it is told, and counts how often it was asked."""

    def __init__(self, answer: Callable[[], Mapping[str, Any] | Unknown]) -> None:
        self._answer = answer
        self.asked = 0

    def tell(self, subject: Subject) -> Mapping[str, Any] | Unknown:
        self.asked += 1
        return self._answer()


def broken() -> Unknown:
    raise ZeroDivisionError


@pytest.mark.behaviour("alerts.enrichment-costs-no-alert")
def test_a_source_without_an_answer_is_not_known_whatever_the_reason() -> None:
    sources = {
        "asset": Says(lambda: {"transport": "stdio"}),
        "registry": Says(lambda: Unknown("there is no registry yet")),
        "broken": Says(broken),
        "huge": Says(lambda: {"text": "x" * 10_000}),
        "strange": Says(lambda: {"set": object()}),
    }
    context = Enrichment(sources).of(ANN)
    assert context == {
        "asset": Fact(known=True, says={"transport": "stdio"}),
        "registry": Fact(known=False, why="there is no registry yet"),
        "broken": Fact(known=False, why="asking failed: ZeroDivisionError"),
        "huge": Fact(known=False, why="the answer is too long"),
        "strange": Fact(known=False, why="the answer is no plain data: TypeError"),
    }
    (alert,) = AlertAdmission(knowledge=Knowledge(Enrichment(sources).of)).admit(found(a_rule(), a_call()), T)
    assert alert.kind == RAISED
    assert alert.body["context"]["registry"] == {"known": False, "why": "there is no registry yet"}
    assert misfit(alert) == ""


@pytest.mark.behaviour("alerts.enrichment-costs-no-alert")
def test_when_time_is_up_the_rest_is_not_asked() -> None:
    now = [0.0]

    def slow() -> Mapping[str, Any]:
        now[0] += 1
        return {}

    late = Says(lambda: {})
    context = Enrichment({"slow": Says(slow), "late": late}, clock=lambda: now[0]).of(ANN)
    assert (context["late"], late.asked) == (Fact(known=False, why="there was no time to ask"), 0)


def test_an_answer_holds_for_a_moment() -> None:
    now, source = [0.0], Says(lambda: {})
    enrichment = Enrichment({"asset": source}, clock=lambda: now[0])
    for at in (0.0, 1.9, 2.0):
        now[0] = at
        enrichment.of(ANN)
    assert source.asked == 2
