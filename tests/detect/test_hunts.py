"""Hunts: each of ours finds what its tests say, and one that could not run is refused when it is read."""

from __future__ import annotations

from pathlib import Path

import pytest

from watchkeeper.core.content import content_folder
from watchkeeper.core.errors import Invalid, Misconfigured, NotFound
from watchkeeper.detect.hunts.loading import find, load_hunts, parse_hunt
from watchkeeper.detect.hunts.model import Trial
from watchkeeper.detect.hunts.parameters import from_words, values
from watchkeeper.detect.hunts.trials import test_hunt as outcome_of
from watchkeeper.events.kinds import KINDS
from watchkeeper.events.lake.sql import dialects
from watchkeeper.events.lake.sql.rewriting import prepare, rewrite

HUNTS = load_hunts([content_folder("hunts")])
GOOD = """
title: T
why: W
parameters: {who: {type: text, says: Who.}}
sql: SELECT actor FROM events WHERE actor = :who ORDER BY actor
tests:
  - parameters: {who: "agent:a"}
    given: [{at: 0, actor: "agent:a"}, {at: 0, actor: "agent:b"}]
    expected: [{actor: "agent:a"}]
"""


@pytest.mark.behaviour("hunts.test-themselves")
@pytest.mark.parametrize("name", HUNTS)
def test_a_hunt_finds_what_its_tests_say(name: str) -> None:
    assert outcome_of(HUNTS[name]) == []


@pytest.mark.behaviour("hunts.test-themselves")
def test_a_hunt_that_finds_something_else_fails_its_test() -> None:
    hunt = parse_hunt(GOOD, "good", "good.yaml")
    assert outcome_of(hunt) == []
    wrong = parse_hunt(GOOD.replace("actor = :who", "actor <> :who"), "good", "good.yaml")
    assert [fault[:16] for fault in outcome_of(wrong)] == ["test 1: row 1 is"]
    nothing = parse_hunt(GOOD.replace("actor = :who", "target = :who"), "good", "good.yaml")
    assert [fault[:24] for fault in outcome_of(nothing)] == ["test 1: 0 rows instead o"]


@pytest.mark.behaviour("hunts.known-names")
@pytest.mark.parametrize("name", HUNTS)
def test_what_a_hunt_speaks_of_exists(name: str) -> None:
    hunt = HUNTS[name]
    for trial in hunt.tests:
        assert isinstance(trial, Trial)
        assert {event.get("kind", "gateway.request.decided") for event in trial.given} <= set(KINDS)
    assert hunt.why.endswith(".")
    assert not hunt.title.endswith(".")


@pytest.mark.behaviour("hunts.order")
@pytest.mark.parametrize("name", HUNTS)
def test_a_hunts_rows_have_an_order(name: str) -> None:
    assert "ORDER BY" in HUNTS[name].sql.split(")")[-1]


@pytest.mark.behaviour("hunts.dialects")
@pytest.mark.parametrize("dialect", dialects.names())
def test_a_hunt_is_carried_to_every_dialect_with_tenant_and_range(dialect: str) -> None:
    for hunt in HUNTS.values():
        said = values(hunt, {name: "x" for name, one in hunt.parameters.items() if one.default is None})
        prepared = prepare(hunt.sql, tenant="o'clock", now=1_790_000_000_000_000, parameters=dict(said))
        text = dialects.write(rewrite(prepared, ("events",), dialects.table("lake.events")), dialect)
        quote = "\\'" if dialect in ("spark", "databricks") else "''"
        assert f"'o{quote}clock'" in text
        assert (
            ":" not in text.replace("agent:", "").replace('"label":"secret"', "").replace("(?:", "") or "::" not in text
        )


@pytest.mark.behaviour("hunts.refused")
@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        ("actor = :who", "actr = :who", "actr"),
        ("SELECT actor", "DELETE", "only SELECT"),
        ("actor = :who", "actor = 'x'", "differ: who"),
        ("actor = :who", "actor = :whom", "differ: who, whom"),
        ("title: T", "title: T\ntitle: U", "twice"),
        ("title: T", "title: T\ncolour: red", "colour"),
        ("title: T", "techniques: [T99]\ntitle: T", "T99"),
        ("title: T", "range: yesterday\ntitle: T", "yesterday"),
        ('expected: [{actor: "agent:a"}]', "expected: []", "tests itself"),
        ("type: text", "type: word", "word"),
        ("title: T", "title: [", "good.yaml"),
    ],
)
def test_a_hunt_that_could_not_run_is_refused_with_its_file(old: str, new: str, said: str) -> None:
    assert old in GOOD
    with pytest.raises(Misconfigured) as refused:
        parse_hunt(GOOD.replace(old, new), "good", "good.yaml")
    assert refused.value.reason.startswith("good.yaml")
    assert said in refused.value.reason


def test_a_name_belongs_to_one_hunt(tmp_path: Path) -> None:
    for folder in ("a", "b"):
        (tmp_path / folder).mkdir()
        (tmp_path / folder / "good.yaml").write_text(GOOD)
    with pytest.raises(Misconfigured, match="belongs to"):
        load_hunts([tmp_path / "a", tmp_path / "b"])
    with pytest.raises(NotFound):
        find(load_hunts([tmp_path / "a"]), "bad")


@pytest.mark.behaviour("hunts.parameters")
def test_parameters_are_typed() -> None:
    needles, burst = HUNTS["needles_in_arguments"], HUNTS["burst_within_a_minute"]
    said = from_words(needles, ["needles=a=b", "needles=c"])
    assert values(needles, said) == {"needles": ("a=b", "c")}
    assert values(burst, from_words(burst, ["more_than=5"])) == {"more_than": 5}
    assert values(burst, {}) == {"more_than": 30}
    for hunt, words in (
        (burst, ["more_than=many"]),
        (burst, ["more_than=-1"]),
        (burst, ["more_than=1", "more_than=2"]),
        (burst, ["less_than=1"]),
        (burst, ["more_than"]),
        (needles, ["needles="]),
        (HUNTS["actor_last_100"], []),
    ):
        with pytest.raises(Invalid):
            values(hunt, from_words(hunt, words))
