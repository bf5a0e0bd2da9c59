"""A bundle beside what the settings say: its tests, its packs, its windows."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.policy.bundles.conftest import CASES, POLICY
from watchkeeper.core.errors import Invalid, Misconfigured
from watchkeeper.policy.bundles import Envelope, Manifest, build, collect, engine_with, open_bundle, try_out
from watchkeeper.policy.bundles.trying import Beside, windows_with


def manifest_of(files: dict[str, str], **more: object) -> Manifest:
    return Manifest(1, "t", "", files, **more)  # type: ignore[arg-type]


@pytest.mark.behaviour("policy.bundle-tests-hold")
def test_the_tests_inside_are_run(unsigned: Envelope) -> None:
    assert try_out(open_bundle(unsigned).manifest) == 2
    wrong = CASES.replace("effect: deny", "effect: allow")
    with pytest.raises(Invalid, match="not that one"):
        try_out(manifest_of({"mine/mine.cedar": POLICY, "mine/mine.tests.yaml": wrong}))


@pytest.mark.parametrize("text", ["permit (", '@id("a") permit (principal, action, resource);', POLICY + POLICY])
@pytest.mark.behaviour("policy.bundle-tests-hold")
def test_policies_that_do_not_load_are_refused(text: str) -> None:
    with pytest.raises(Invalid, match="cannot be loaded"):
        try_out(manifest_of({"mine/mine.cedar": text}))


def test_the_tests_of_packs_are_asked_of_the_packs_alone(folder: Path) -> None:
    """Redaction's own tests would not hold beside level 3, which refuses more."""
    made = build(collect([folder], ["level-3", "server.github"]), version=1, created="t", description="", windows={})
    manifest = open_bundle(made).manifest
    assert try_out(manifest) > 20
    with pytest.raises(Invalid, match="fails"):
        try_out(manifest_of(manifest.files))


@pytest.mark.behaviour("policy.bundle-packs-pinned")
def test_a_pack_in_a_bundle_takes_the_place_of_the_one_that_is_installed(folder: Path) -> None:
    made = build(collect([folder], ["level-2"]), version=1, created="t", description="", windows={})
    manifest = open_bundle(made).manifest
    engine = engine_with(manifest, Beside(packs=("level-2", "server.git")))
    ids = [policy.id for policy in engine.policies]
    assert {"mine.no", "level2.writes", "git.publishing", "starter.allow-known-agents"} <= set(ids)
    assert len(ids) == len(set(ids))


def test_windows_of_a_bundle_are_known_and_not_meant_twice() -> None:
    text = POLICY.replace(";\n", ' when { context.times.contains("night") };')
    manifest = manifest_of({"mine/mine.cedar": text}, windows={"night": ("mon-sun 22:00-06:00 UTC",)})
    assert try_out(manifest) == 0
    engine_with(manifest, Beside(windows={"day": ("mon-sun 06:00-22:00 UTC",)}))
    assert set(windows_with(manifest, Beside(windows={"day": ("mon-sun 06:00-22:00 UTC",)}))) == {"day", "night"}
    with pytest.raises(Misconfigured, match="another window"):
        engine_with(manifest, Beside(windows={"night": ("mon-sun 23:00-06:00 UTC",)}))


def test_without_a_bundle_the_settings_alone_count(folder: Path) -> None:
    ids = {policy.id for policy in engine_with(None, Beside(folders=(str(folder),))).policies}
    assert "mine.no" in ids
