"""The packs that come with the product, each beside the starter set and what it needs."""

from __future__ import annotations

import shutil
import tomllib
from pathlib import Path

import pytest

from watchkeeper.core.content import content_folder
from watchkeeper.policy import PolicyEngine, Question, read_cases, run_case
from watchkeeper.policy.packs import Pack, chosen, packs

STARTER = content_folder("policies")
PACKS = packs()
LEVELS = [pack for pack in PACKS.values() if pack.level]
each_pack = pytest.mark.parametrize("pack", PACKS.values(), ids=lambda pack: pack.name)
_FAMILIES = {"IAM": 6, "AZD": 8, "TRN": 7, "ISO": 4, "LOG": 5, "SUP": 5, "TIO": 6, "SDS": 5}


def engine_of(pack: Pack) -> PolicyEngine:
    return PolicyEngine.load([STARTER, *(one.place for one in chosen([pack.name]))])


@pytest.mark.behaviour("policy.packs-carry-tests")
@each_pack
def test_a_pack_answers_as_its_tests_say_and_each_of_its_policies_speaks(pack: Pack) -> None:
    engine = engine_of(pack)
    cases = [case for _, case in read_cases([pack.place])]
    assert {case.name: wrong for case in cases if (wrong := run_case(engine, case))} == {}
    place = pack.place if pack.place.is_dir() else pack.place.parent
    own = {policy.id for policy in engine.policies if Path(policy.file).parent == place}
    if pack.place.is_file():
        own = {policy.id for policy in engine.policies if policy.file == str(pack.place)}
    silent = {policy.id for policy in engine.policies if policy.terms.is_shadow}
    assert own
    assert own - silent <= {rule for case in cases for rule in case.rules}


@each_pack
def test_the_examples_in_a_packs_comments_can_be_loaded(pack: Pack, tmp_path: Path) -> None:
    files = [pack.place] if pack.place.is_file() else sorted(pack.place.glob("*.cedar"))
    lines = [line for file in files for line in file.read_text(encoding="utf-8").splitlines()]
    text = "\n".join(line.removeprefix("//").strip() for line in lines if line.startswith("//   "))
    (tmp_path / "examples.cedar").write_text(text)
    PolicyEngine.load([STARTER, *(one.place for one in chosen([pack.name])), tmp_path])


@each_pack
def test_what_a_model_reads_of_a_pack_is_short(pack: Pack) -> None:
    for policy in engine_of(pack).policies:
        assert policy.reason.endswith(".")
        assert len(policy.reason) <= 200


@pytest.mark.behaviour("policy.packs-together")
def test_every_pack_can_be_loaded_beside_every_other() -> None:
    PolicyEngine.load([STARTER, *(pack.place for pack in chosen(PACKS))])


def test_packs_are_not_loaded_by_themselves() -> None:
    assert {Path(policy.file).name for policy in PolicyEngine.load().policies} == {"starter.cedar"}


@pytest.mark.behaviour("policy.levels-account")
def test_every_control_of_the_levels_document_is_accounted_for_once() -> None:
    told = tomllib.loads((STARTER / "packs" / "cosai.toml").read_text(encoding="utf-8"))
    named = [control for section in told.values() for control in section]
    assert set(told) == {"policy", "product", "outside"}
    assert sorted(named) == sorted(f"{f}-{n:02}" for f, most in _FAMILIES.items() for n in range(1, most + 1))
    levels = {control for pack in LEVELS for control in pack.controls}
    by_server = {"TIO-03", "TIO-06"}
    assert levels | by_server == set(told["policy"])


@pytest.mark.parametrize("pack", LEVELS, ids=lambda pack: pack.name)
def test_a_control_is_claimed_only_by_policies_that_a_level_loads(pack: Pack) -> None:
    known = {policy.id for policy in engine_of(pack).policies}
    claimed = {policy for policies in pack.controls.values() for policy in policies}
    assert claimed <= known


def test_each_level_stops_whatever_the_one_below_stops() -> None:
    order = ["allow", "modify", "ask", "deny"]
    engines = [engine_of(PACKS[f"level-{number}"]) for number in range(1, 5)]
    labels = ["reads_private", "reads_secrets", "sends", "writes", "executes", "destroys", "pays", "admin"]
    for label in labels:
        for pin in ("approved", "trusted_on_first_use", "unknown"):
            for flow in ((), ("untrusted_read",)):
                question = Question(
                    "a", groups=("mcp-writers",), server="s", target="t", pin=pin, labels=(label,), flow=flow
                )
                strictness = [order.index(engine.decide(question).effect) for engine in engines]
                assert strictness == sorted(strictness), (label, pin, flow)


def test_level_1_says_what_the_next_one_would_ask_about() -> None:
    engine = engine_of(PACKS["level-1"])
    verdict = engine.decide(Question("a", server="s", target="t", pin="approved", labels=("destroys",)))
    assert (verdict.effect, verdict.would, verdict.shadowed) == ("allow", "ask", ("level1.high-impact",))


def test_a_copy_of_a_pack_in_a_folder_of_ones_own_is_noticed(tmp_path: Path) -> None:
    shutil.copy(PACKS["redaction"].place, tmp_path)
    with pytest.raises(Exception, match="this id is taken already"):
        PolicyEngine.load([STARTER, PACKS["redaction"].place, tmp_path])
