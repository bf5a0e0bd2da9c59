"""A drafted rule tells events from their neighbours, carries tests that pass, and takes hostile text for text."""

from __future__ import annotations

from pathlib import Path

import pytest
import yaml
from click.testing import CliRunner

from watchkeeper.cli import main
from watchkeeper.core.clock import SystemClock
from watchkeeper.core.errors import Invalid
from watchkeeper.detect.check import check
from watchkeeper.detect.hunts.drafting import draft
from watchkeeper.detect.model import Heading
from watchkeeper.detect.sigma.rules import parse_rule
from watchkeeper.events import Event, Journal, Severity, new_event

ID = "3b1c7a52-6a3f-4f0e-8a55-0c9a4d9f3f10"
HEADING = Heading(
    id="hunt:h", name="hunt_h", title="Who was denied", level=Severity.MEDIUM, tags=("attack.t1087",), version="1"
)
HOSTILE = 'a*b?c\\d: {x}\u202e\n- "y"'


def call(target: str = "read", outcome: str = "deny", **body: object) -> Event:
    return new_event(
        1, "gateway.request.decided", actor="agent:a", server="s", target=target, outcome=outcome, body=dict(body)
    )


@pytest.mark.behaviour("hunts.draft")
def test_the_draft_says_what_the_chosen_have_and_their_neighbours_lack() -> None:
    chosen = [call(findings=[{"label": "secret", "excerpt": "AKIA…"}], rules=["r"], duration_us=7)]
    near = [call(rules=["r"], duration_us=9), call(outcome="allow", findings=[{"label": "personal_data"}])]
    text = draft(HEADING, chosen, near, ID)
    document = yaml.safe_load(text)
    assert document["detection"]["found"] == {"kind": "gateway.request.decided", "body.findings.label": "secret"}
    assert document["watchkeeper"]["tests"]["match"] == [
        {"kind": "gateway.request.decided", "actor": "agent:a", "server": "s", "target": "read", "outcome": "deny",
         "body": {"findings": [{"label": "secret"}]}},
    ]  # fmt: skip
    assert len(document["watchkeeper"]["tests"]["clean"]) == 2
    rule = parse_rule(text, "draft.yml")
    assert (check(rule).wrong, [rule.matches(one) for one in [*chosen, *near]]) == ((), [True, False, False])


@pytest.mark.behaviour("hunts.draft")
def test_several_fields_are_taken_together_where_one_does_not_do() -> None:
    chosen = [call("drop", rules=["a"]), call("drop", rules=["a", "b"])]
    near = [call("drop", rules=["b"]), call("read", rules=["a"])]
    found = yaml.safe_load(draft(HEADING, chosen, near, ID))["detection"]["found"]
    assert found == {"kind": "gateway.request.decided", "body.rules": "a", "target": "drop"}


@pytest.mark.behaviour("hunts.draft")
def test_a_part_of_long_text_is_taken_and_the_rest_is_not_kept() -> None:
    chosen = [call(arguments='{"path": "/etc/shadow", "why": "my private story"}')]
    text = draft(HEADING, chosen, [call(arguments='{"path": "/etc/hosts"}')], ID)
    assert yaml.safe_load(text)["detection"]["found"]["body.arguments|contains"] in "/etc/shadow private"
    assert "my private story" not in text
    assert check(parse_rule(text, "draft.yml")).wrong == ()


@pytest.mark.behaviour("hunts.draft")
def test_a_hostile_name_is_a_value_and_no_pattern() -> None:
    chosen = [call(HOSTILE)]
    text = draft(HEADING, chosen, [call("aXbXc\\d")], ID)
    rule = parse_rule(text, "draft.yml")
    assert [rule.matches(one) for one in (chosen[0], call("aXbXc\\d"), call("aanythingbxc\\d"))] == [True, False, False]


@pytest.mark.behaviour("hunts.draft")
def test_without_neighbours_it_carries_a_made_one_and_what_cannot_be_told_apart_is_refused() -> None:
    text = draft(HEADING, [call(rules=["r"], findings=[{"label": "secret"}])], [], ID)
    assert check(parse_rule(text, "draft.yml")).wrong == ()
    with pytest.raises(Invalid, match="nothing tells these events from 1"):
        draft(HEADING, [call()], [call()], ID)
    with pytest.raises(Invalid, match="no event stands behind"):
        draft(HEADING, [], [call()], ID)


@pytest.mark.behaviour("hunts.draft")
def test_the_command_drafts_from_the_rows_of_a_hunt(tmp_path: Path) -> None:
    data, now = tmp_path / "data", SystemClock().now()
    journal = Journal.open(data, "gateway")
    for at, (target, outcome) in enumerate((("drop", "deny"), ("drop", "allow"), ("read", "allow"))):
        journal.record(
            new_event(now - at, "gateway.request.decided", actor="agent:a", server="s", target=target, outcome=outcome)
        )
    journal.close()
    (tmp_path / "hunts").mkdir()
    hunt = tmp_path / "hunts" / "denials.yaml"
    hunt.write_text(
        "title: Denials\nwhy: One learns by them.\nrange: 1d\nsql: SELECT time, actor, server, target FROM events "
        "WHERE outcome = 'deny' ORDER BY time\ntests: [{given: [{at: 0, outcome: deny}], expected: [{target: ''}]}]\n"
    )
    out = tmp_path / "draft.yml"
    words = ["hunt", "draft-rule", "denials", "--folder", str(hunt.parent), "--data", str(data), "--out", str(out)]
    done = CliRunner().invoke(main, words)
    assert (done.exit_code, done.output) == (0, f"wrote {out}: 1 events it matches, 1 neighbours it does not\n")
    assert CliRunner().invoke(main, words).exit_code == 73
    tested = CliRunner().invoke(main, ["rules", "test", str(out), "--data", str(data)])
    assert tested.exit_code == 0, tested.output
