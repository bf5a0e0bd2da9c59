from __future__ import annotations

from pathlib import Path

import pytest

from watchkeeper.policy import Effect, Obligation, Policy, check
from watchkeeper.policy.annotations import terms_of
from watchkeeper.policy.sources import read

FORBID = "forbid (principal, action, resource);"


def read_one(folder: Path, notes: str, rest: str = FORBID) -> Policy:
    (folder / "p.cedar").write_text(f'@id("p") @reason("r") {notes} {rest}')
    ((policy,), problems) = read([folder])
    assert problems == []
    return policy


@pytest.mark.behaviour("policy.soft-effects")
@pytest.mark.parametrize(
    ("notes", "obligation"),
    [
        ("", None),
        ('@effect("deny")', None),
        ('@effect("ask")', Obligation("p", Effect.ASK, role="responder", quorum=1, expires=900)),
        (
            '@effect("ask") @quorum("2") @role("admin") @expires("2h")',
            Obligation("p", Effect.ASK, role="admin", quorum=2, expires=7200),
        ),
        (
            '@effect("modify") @transform("redact") @classes("secret, email,secret")',
            Obligation("p", Effect.MODIFY, transform="redact", classes=("email", "secret")),
        ),
    ],
)
def test_annotations_say_how_a_forbid_is_meant(tmp_path: Path, notes: str, obligation: Obligation | None) -> None:
    policy = read_one(tmp_path, notes)
    assert (policy.terms.obligation, policy.terms.is_shadow) == (obligation, False)


@pytest.mark.parametrize(
    ("notes", "is_shadow"), [("", False), ('@mode("enforce")', False), ('@mode("shadow") @x_owner("me")', True)]
)
def test_a_policy_can_be_in_shadow_mode(tmp_path: Path, notes: str, is_shadow: bool) -> None:
    assert read_one(tmp_path, notes, "permit (principal, action, resource);").terms.is_shadow is is_shadow


@pytest.mark.behaviour("policy.bad-annotation-named")
@pytest.mark.parametrize(
    "notes",
    [
        '@effect("aks")',
        "@effect",
        '@effect("allow")',
        '@effect("ask") @quorum("0")',
        '@effect("ask") @quorum("-1")',
        '@effect("ask") @quorum("11")',
        '@effect("ask") @quorum("two")',
        '@effect("ask") @quorum',
        '@effect("ask") @role("viewer")',
        '@effect("ask") @expires("15")',
        '@effect("ask") @expires("0s")',
        '@effect("ask") @expires("8d")',
        '@effect("ask") @classes("secret")',
        '@effect("modify")',
        '@effect("modify") @classes("")',
        '@effect("modify") @classes("secret,,email")',
        '@effect("modify") @classes("secret") @transform("erase")',
        '@effect("modify") @classes("secret") @quorum("2")',
        '@quorum("2")',
        '@mode("observe")',
        "@mode",
        '@qourum("2")',
    ],
)
def test_an_annotation_that_cannot_be_meant_is_named_with_file_and_line(tmp_path: Path, notes: str) -> None:
    (tmp_path / "p.cedar").write_text(f'\n\n@id("p") @reason("r") {notes} {FORBID}')
    (problem,) = check([tmp_path])
    assert (problem.line, problem.policy) == (3, "p")


@pytest.mark.behaviour("policy.bad-annotation-named")
def test_a_permit_has_no_soft_effect(tmp_path: Path) -> None:
    (tmp_path / "p.cedar").write_text('@id("p") @reason("r") @effect("ask") permit (principal, action, resource);')
    (problem,) = check([tmp_path])
    assert "permit" in problem.text


def test_terms_of_no_annotation_are_plain() -> None:
    assert terms_of("p", True, {"id": "p", "reason": "r"}).obligation is None
