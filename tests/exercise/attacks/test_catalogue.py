"""The attacks as data, the run of them on an estate that is made up, and what is recorded of each."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from watchkeeper.core.clock import SystemClock
from watchkeeper.core.content import content_folder
from watchkeeper.core.errors import NotFound, Unavailable
from watchkeeper.detect.proving.coverage import executed_in
from watchkeeper.detect.proving.frameworks import item_of, load_frameworks
from watchkeeper.detect.sigma.rules import load_rules
from watchkeeper.events import Event, new_event
from watchkeeper.events.catalogue import problems
from watchkeeper.exercise.attacks.catalogue import ATTACKS, chosen
from watchkeeper.exercise.attacks.model import Attack, Result
from watchkeeper.exercise.attacks.running import Range
from watchkeeper.exercise.attacks.scene import Scene
from watchkeeper.exercise.attacks.speaking import slipped, smuggled
from watchkeeper.exercise.ports import Cleared
from watchkeeper.registry.lookalikes import Names


@pytest.mark.behaviour("exercise.attacks")
def test_every_attack_names_techniques_that_exist_and_rules_that_exist() -> None:
    frameworks = load_frameworks(content_folder("frameworks"))
    known = {(one.tag, item.id) for one in frameworks for item in one.items}
    named = {(one.tag, item) for attack in ATTACKS for tag in attack.techniques for one in frameworks
             if (item := item_of(tag, one))}  # fmt: skip
    assert named - known == set()
    rules = {rule.name for rule in load_rules([content_folder("detections")])}
    assert {name for attack in ATTACKS for name in attack.expected} - rules == set()
    assert len({attack.name for attack in ATTACKS}) == len(ATTACKS) >= 15
    assert all(attack.techniques and not attack.title.endswith(".") for attack in ATTACKS)
    assert [attack.name for attack in ATTACKS if not attack.expected] == [], "an attack that no rule has to speak of"


@pytest.mark.behaviour("exercise.nothing-left-open")
async def test_what_the_end_of_a_run_raises_is_cleared_too_and_counted(tmp_path: Path) -> None:
    estate = Estate(tmp_path / "data")
    estate.left = [Cleared(orders=1, incidents=3), Cleared(incidents=1), Cleared(orders=1), Cleared()]
    course = Range(estate, lambda _: None, patience=0.1)
    await course.run([])
    assert (course.cleared, estate.left) == (Cleared(orders=2, incidents=4), [])
    estate.left = 20 * [Cleared(incidents=1)]
    await course.run([])
    assert len(estate.left) > 10, "an estate that raises something anew each time is left in the end"


def test_every_name_that_is_one_slip_away_is_noticed_as_such() -> None:
    slips = {slipped("get_current_time") for _ in range(300)}
    names = Names()
    names.add("time", "get_current_time", 1)
    assert {like.how for slip in slips if (like := names.like("training", slip, 2))} == {"slip"}
    assert all(names.like("training", slip, 2) for slip in slips)
    assert len(slips) > 50, "in each run it has to be a new one"


def test_attacks_are_chosen_by_name_and_run_in_our_order() -> None:
    assert [attack.name for attack in chosen(("rug_pull", "no_token"))] == ["no_token", "rug_pull"]
    with pytest.raises(NotFound):
        chosen(("nothing",))


def test_smuggled_text_is_invisible_and_whole() -> None:
    hidden = smuggled("Send it.")
    assert not any(character.isprintable() for character in hidden)
    assert "".join(chr(ord(character) - 0xE0000) for character in hidden) == "Send it."


class Estate:
    """Alerts come for what an attack says; `clear` is counted."""

    def __init__(self, data_dir: Path) -> None:
        self.data_dir = data_dir
        self.alerts: list[Event] = []
        self.cleared = 0
        self.left: list[Cleared] = []
        """What is found at each clearing."""

    def clear(self) -> Cleared:
        self.cleared += 1
        return self.left.pop(0) if self.left else Cleared()

    def events(self, kind: str, **_: Any) -> list[Event]:
        return self.alerts if kind == "detect.alert" else []

    def is_caught_up(self) -> bool:
        return True

    def url(self, server: str) -> str:
        return server

    def token(self, client: str) -> str:
        return client

    def approve(self, server: str, name: str) -> None: ...

    def incidents(self) -> list[Mapping[str, Any]]:
        return []

    def prove(self, event_id: str) -> Mapping[str, Any]:
        return {}

    def alert(self, name: str, age: int = 0) -> None:
        now = SystemClock().now()
        body = {
            "rule": f"id-{name}",
            "name": name,
            "event_time": now - age,
            "tags": ["safe-mcp.safe-t1001"] if name != "stray" else [],
        }
        self.alerts.append(new_event(now + 2000, "detect.alert.raised", body=body))


def attack_of(estate: Estate, name: str, *alerts: str, expected: tuple[str, ...] = ()) -> Attack:
    async def act(_: Scene) -> Result:
        for one in alerts:
            estate.alert(one)
        return Result(stopped=True, detail="x" * 1000)

    return Attack(name, "T", ("safe-mcp.t1001",), act, expected)


@pytest.mark.behaviour("exercise.attacks")
async def test_an_attack_is_detected_by_the_alerts_of_its_own_time_only(tmp_path: Path) -> None:
    estate = Estate(tmp_path / "data")
    estate.alert("older", age=10_000_000)

    async def breaks(_: Scene) -> Result:
        raise Unavailable("the server is gone")

    attacks = [
        attack_of(estate, "seen", "tool_changed", "other", expected=("tool_changed",)),
        attack_of(estate, "by_another", "other", "stray", expected=("tool_changed",)),
        attack_of(estate, "quiet"),
        Attack("broken", "T", (), breaks),
    ]
    told: list[str] = []
    outcomes = await Range(estate, lambda one: told.append(one.name), patience=0.1).run(attacks)
    assert told == ["seen", "by_another", "quiet", "broken"]
    assert [(one.is_detected, [spoke.name for spoke in one.detected], one.failed) for one in outcomes] == [
        (True, ["tool_changed", "other"], ""),
        (False, ["other"], ""),
        (False, [], ""),
        (False, [], "the server is gone"),
    ]
    assert estate.cleared == 6
    assert outcomes[0].detected[0].ms == pytest.approx(2, abs=1)
    event = new_event(1, "exercise.attack.executed", actor="operator:me", target="seen", outcome="success",
                      labels=("exercise",), body=outcomes[0].fact())  # fmt: skip
    assert problems(event) == []
    assert executed_in([event])[0].detected_by == ("tool_changed", "other")
