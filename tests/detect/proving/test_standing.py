"""What a rule may do: own ones are silent until they were tried and enabled; nothing is lost meanwhile."""

from __future__ import annotations

from pathlib import Path

import pytest

from watchkeeper.app.detecting import detector_of
from watchkeeper.app.platform import opened
from watchkeeper.app.ranking import register_of
from watchkeeper.app.settings import Loaded, Settings
from watchkeeper.core.errors import Conflict, Invalid, Unavailable
from watchkeeper.detect import DetectSettings
from watchkeeper.detect.alerts.plain import PlainAdmission
from watchkeeper.detect.alerts.raising import detection_of
from watchkeeper.detect.model import Detection
from watchkeeper.detect.proving.silence import HELD_BACK, SILENCED, Ranks, Silence
from watchkeeper.detect.proving.standing import Decided, State, check_enabling, standing
from watchkeeper.detect.sigma.rules import load_rule
from watchkeeper.events import Event, Position, new_event
from watchkeeper.events.lake.search import Search

RULE = """
title: A denied call
id: 0a9b3f1c-5b0a-4a57-9d2e-4f0a4f3a9c01
name: denied_call
logsource: {product: mcp, service: watchkeeper}
level: high
detection:
  s: {kind: gateway.request.decided, outcome: deny, server: mine}
  condition: s
watchkeeper:
  tests:
    match: [{kind: gateway.request.decided, outcome: deny, server: mine}]
    clean: [{kind: gateway.request.decided, outcome: allow, server: mine}]
"""


@pytest.mark.behaviour("proving.standing")
@pytest.mark.parametrize(
    ("decided", "is_own", "passes", "state"),
    [
        (Decided("r"), False, False, State.ENABLED),
        (Decided("r", state="disabled", reason="noise"), False, True, State.DISABLED),
        (Decided("r"), True, True, State.SILENT),
        (Decided("r", state="enabled"), True, True, State.ENABLED),
        (Decided("r", state="enabled"), True, False, State.SILENT),
        (Decided("r", state="enabled", anyway=True), True, False, State.ENABLED),
        (Decided("r", state="disabled"), True, True, State.DISABLED),
    ],
)
def test_what_a_rule_may_do(decided: Decided, is_own: bool, passes: bool, state: State) -> None:
    assert standing(decided, is_own=is_own, passes=passes).state is state


@pytest.mark.behaviour("proving.enabling")
def test_a_rule_is_enabled_once_it_was_simulated_as_it_is_and_passes_its_tests() -> None:
    tried = Decided("r", simulated="v2")
    check_enabling(tried, "v2", "quiet", passes=True, anyway=False)
    check_enabling(Decided("r"), "v2", "an attack is under way", passes=False, anyway=True)
    for known, version, passes in ((Decided("r"), "v2", True), (tried, "v3", True), (tried, "v2", False)):
        with pytest.raises(Conflict):
            check_enabling(known, version, "quiet", passes=passes, anyway=False)
    with pytest.raises(Invalid):
        check_enabling(tried, "v2", "  ", passes=True, anyway=True)


@pytest.mark.behaviour("proving.silence")
def test_an_own_rule_is_recorded_in_silence_until_it_is_enabled_and_no_longer_once_disabled(tmp_path: Path) -> None:
    own = tmp_path / "rules"
    own.mkdir()
    path = own / "denied_call.yml"
    path.write_text(RULE)
    data, rule = tmp_path / "data", load_rule(path)
    loaded = Loaded(Settings(detect=DetectSettings(rules=str(own))), data)

    def noticed(seconds: int) -> list[str]:
        with opened(data, "watch") as platform:
            detector = detector_of(loaded, platform)
            call = new_event(platform.clock.now(), "gateway.request.decided", outcome="deny", server="mine")
            platform.journal.record(call)
            while detector.step():
                pass
            detector.save()
        found = Search(data).events(kind="detect.alert", unbounded=True, newest_first=False)
        assert len(found) == seconds
        return [event.kind.rpartition(".")[2] for event in found]

    assert noticed(1) == ["silenced"]
    with opened(data, "watch") as platform:
        register = register_of(platform)
        with pytest.raises(Conflict):
            register.enable(rule, "operator:me", "quiet", passes=True)
        register.note_simulated(rule, "operator:me", days=14, wakes=1, matches=1)
        register.enable(rule, "operator:me", "quiet", passes=True)
    assert noticed(2) == ["silenced", "raised"]
    with opened(data, "watch") as platform:
        register_of(platform).disable(rule, "operator:me", "too loud")
    assert noticed(2) == ["silenced", "raised"]
    facts = Search(data).events(kind="detect.rule", unbounded=True, newest_first=False)
    assert [(one.kind, one.actor, one.target) for one in facts] == [
        (f"detect.rule.{verb}", "operator:me", "denied_call") for verb in ("simulated", "enabled", "disabled")
    ]


@pytest.mark.behaviour("proving.silence")
def test_while_the_control_state_cannot_be_read_a_rule_stays_what_it_was(tmp_path: Path) -> None:
    (tmp_path / "denied_call.yml").write_text(RULE)
    rule = load_rule(tmp_path / "denied_call.yml")
    answers = [{rule.id: Decided(rule.id, state="enabled")}]

    def known() -> dict[str, Decided]:
        if not answers:
            raise Unavailable("the database is locked")
        return answers.pop()

    ranks = Ranks(known, tmp_path, (rule,))
    states = [ranks.of(rule, now).state for now in (1, 2, 2_000_000, 4_000_000)]
    assert states == [State.ENABLED] * 4


@pytest.mark.behaviour("proving.silence")
def test_what_admission_holds_back_of_a_drill_is_recorded_in_silence_and_of_others_not(tmp_path: Path) -> None:
    class HoldsBack(PlainAdmission):
        def admit(self, detection: Detection, now: int) -> tuple[Event, ...]:
            return ()

    (tmp_path / "denied_call.yml").write_text(RULE)
    rule = load_rule(tmp_path / "denied_call.yml")
    silence = Silence(HoldsBack(), Ranks(dict, None))

    def kinds(*labels: str) -> list[tuple[str, list[str]]]:
        call = new_event(1, "gateway.request.decided", outcome="deny", server="mine", labels=labels)
        found = silence.admit(detection_of(rule, call, Position("gateway", 1)), 2)
        return [(event.kind, event.body["reasons"]) for event in found]

    assert kinds() == []
    assert kinds("exercise") == [(SILENCED, [HELD_BACK])]
