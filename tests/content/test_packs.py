"""The packs that come with the product: each beside the starter set, as somebody would load it."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from watchkeeper.core.content import content_folder
from watchkeeper.policy import PolicyEngine, read_cases, run_case

STARTER = content_folder("policies")
PACKS = sorted((STARTER / "packs").glob("*.cedar"))
each_pack = pytest.mark.parametrize("pack", PACKS, ids=lambda pack: pack.stem)


@pytest.fixture
def folder(pack: Path, tmp_path: Path) -> Path:
    shutil.copy(pack, tmp_path)
    shutil.copy(pack.with_suffix(".tests.yaml"), tmp_path)
    return tmp_path


@pytest.mark.behaviour("policy.packs-carry-tests")
@each_pack
def test_a_pack_answers_as_its_tests_say_and_each_of_its_policies_speaks(folder: Path) -> None:
    engine = PolicyEngine.load([STARTER, folder])
    cases = [case for _, case in read_cases([folder])]
    assert {case.name: wrong for case in cases if (wrong := run_case(engine, case))} == {}
    own = {policy.id for policy in engine.policies if Path(policy.file).parent == folder}
    assert own <= {rule for case in cases for rule in case.rules}


@each_pack
def test_the_examples_in_a_packs_comments_can_be_loaded(folder: Path, pack: Path) -> None:
    lines = pack.read_text(encoding="utf-8").splitlines()
    text = "\n".join(line.removeprefix("//").strip() for line in lines if line.startswith("//   "))
    (folder / "examples.cedar").write_text(text)
    PolicyEngine.load([STARTER, folder])


def test_packs_are_not_loaded_by_themselves() -> None:
    assert {Path(policy.file).name for policy in PolicyEngine.load().policies} == {"starter.cedar"}
