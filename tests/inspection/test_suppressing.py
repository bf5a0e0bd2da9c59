from __future__ import annotations

from datetime import date, timedelta
from typing import Any

import pytest

from watchkeeper.core.clock import SECOND, ManualClock
from watchkeeper.core.errors import Misconfigured
from watchkeeper.inspection.model import SUPPRESSED, Finding
from watchkeeper.inspection.suppressing import Suppressions, day_of
from watchkeeper.inspection.suppression import Suppression, check_suppressions

CLOCK = ManualClock()
TODAY = day_of(CLOCK)
PRINT, OTHER = "sha256:" + "a" * 64, "sha256:" + "b" * 64


def entry(**more: Any) -> Suppression:
    made: dict[str, Any] = {
        "rule": "judge.preference",
        "server": "files",
        "name": "read_*",
        "reason": "our own tool, reviewed in July",
        "expires": TODAY + timedelta(days=30),
        "by": "anna",
    }
    return Suppression(**{**made, **more})


def finding(rule: str = "judge.preference", label: str = "suspected_poisoning") -> Finding:
    return Finding("judge", rule, label, 3, excerpt="use me first")


@pytest.mark.behaviour("suppressions.narrow")
@pytest.mark.parametrize(
    ("more", "why"),
    [
        ({"rule": "judge"}, "no single rule"),
        ({"rule": "*"}, "no single rule"),
        ({"rule": "judge.*"}, "no single rule"),
        ({"server": "*"}, "no single server"),
        ({"server": ""}, "no single server"),
        ({"name": "*"}, "too broad"),
        ({"name": "a*"}, "too broad"),
        ({"name": "??*"}, "too broad"),
        ({"name": ""}, "too broad"),
        ({"reason": "ok"}, "says too little"),
        ({"by": " "}, "nobody answers"),
        ({"fingerprint": "abc"}, "fingerprint"),
        ({"expires": TODAY + timedelta(days=400)}, "more than a year"),
        ({"expires": date.max}, "more than a year"),
    ],
)
def test_what_is_too_broad_or_says_too_little_is_refused(more: dict[str, Any], why: str) -> None:
    with pytest.raises(Misconfigured, match=why):
        check_suppressions("here", [entry(**more)], TODAY)


@pytest.mark.behaviour("suppressions.narrow")
@pytest.mark.parametrize("name", ["read_*", "x", "ab", "instructions", "get_?"])
def test_a_narrow_one_is_taken(name: str) -> None:
    check_suppressions("here", [entry(name=name, fingerprint=PRINT)], TODAY)


@pytest.mark.behaviour("suppressions.never-dropped")
def test_a_suppressed_finding_stays_in_sight_under_another_label() -> None:
    (found,) = Suppressions([entry()], CLOCK).applied("files", "read_file", PRINT, (finding(),))
    assert (found.label, found.rule, found.excerpt) == (SUPPRESSED, "judge.preference", "use me first")


@pytest.mark.behaviour("suppressions.narrow")
@pytest.mark.parametrize(
    ("server", "name", "fingerprint", "rule"),
    [
        ("other", "read_file", PRINT, "judge.preference"),
        ("files", "write_file", PRINT, "judge.preference"),
        ("files", "read_file", OTHER, "judge.preference"),
        ("files", "read_file", PRINT, "judge.poisoning"),
    ],
)
def test_nothing_but_what_it_names_is_suppressed(server: str, name: str, fingerprint: str, rule: str) -> None:
    given = (finding(rule),)
    assert Suppressions([entry(fingerprint=PRINT)], CLOCK).applied(server, name, fingerprint, given) == given


@pytest.mark.behaviour("suppressions.expire")
def test_one_that_has_run_out_holds_no_more_while_we_run() -> None:
    clock = ManualClock()
    last = Suppressions([entry(expires=day_of(clock))], clock)
    assert last.applied("files", "read_a", PRINT, (finding(),))[0].label == SUPPRESSED
    assert last.expired == ()
    clock.advance(24 * 3600 * SECOND)
    assert last.applied("files", "read_a", PRINT, (finding(),)) == (finding(),)
    assert len(last.expired) == 1


@pytest.mark.behaviour("suppressions.never-secrets")
@pytest.mark.parametrize("label", ["secret", "personal_data", "inspection_failed", "not_inspected"])
def test_secrets_and_failures_are_never_suppressed(label: str) -> None:
    given = (finding("x.y", label),)
    assert Suppressions([entry(rule="x.y")], CLOCK).applied("files", "read_a", PRINT, given) == given
