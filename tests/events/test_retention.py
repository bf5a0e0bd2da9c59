"""Which class of retention a kind has."""

from __future__ import annotations

import pytest

from watchkeeper.events.kinds import KINDS
from watchkeeper.events.retention import RetentionClass, retention_class


@pytest.mark.parametrize(
    ("kind", "expected"),
    [
        ("gateway.request.decided", RetentionClass.TRAFFIC),
        ("gateway.order.issued", RetentionClass.DETECTION),
        ("gateway.grant.added", RetentionClass.ADMINISTRATION),
        ("registry.pin.changed", RetentionClass.DEFINITION),
        ("detect.alert.raised", RetentionClass.DETECTION),
        ("operators.role.changed", RetentionClass.ADMINISTRATION),
        ("journal.subject.erased", RetentionClass.RECORD),
    ],
)
def test_a_kind_has_the_class_of_what_it_is_for(kind: str, expected: RetentionClass) -> None:
    assert retention_class(kind) is expected


def test_an_unknown_kind_is_kept_longest() -> None:
    assert retention_class("somebody.else.said") is RetentionClass.RECORD


def test_only_facts_of_journal_and_lake_about_themselves_fall_into_the_record_class() -> None:
    """A new domain without a class of its own would be kept for ever without anybody having said so."""
    assert {kind for kind in KINDS if retention_class(kind) is RetentionClass.RECORD} == {
        kind for kind in KINDS if kind.startswith(("journal.", "lake.", "gateway.recording.", "privacy."))
    }
