"""What a playbook may say: waits, manual steps, branches, approvals, failure paths; and what is refused of it."""

from __future__ import annotations

from typing import ClassVar

import msgspec
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from watchkeeper.core.content import content_folder
from watchkeeper.core.errors import Misconfigured
from watchkeeper.respond.interface import Reach
from watchkeeper.respond.planning import Authority, facts_of, plan
from watchkeeper.respond.service import load_actions
from watchkeeper.respond.shelf import examine, shelve


class Wipe:
    """An action without a way back."""

    name: ClassVar[str] = "wipe"
    reach: ClassVar[Reach] = Reach.IRREVERSIBLE
    touches: ClassVar[str] = "sessions"
    evidence: ClassVar[frozenset[str]] = frozenset()

    class Parameters(msgspec.Struct):
        pass


ACTIONS = load_actions() | {"wipe": Wipe()}
HEAD = 'id: sample\nversion: 1\ntitle: Sample\nwhen: "true"\nseverity: low\nblast_radius: {tools: 2, sessions: 1}\n'
HOLD = "{action: hold_tool, with: {server: s, tool: t, reason: r}, deadline: 5s"
FULL = (
    HEAD
    + f"""inputs: {{when: {{type: time, cel: '"2026-11-26T10:00:00Z"'}}}}
steps:
  - {{id: look, manual: {{text: Ask the owner., by: [responder, "operator:ann"]}}, deadline: 4h, on_failure: continue}}
  - id: both
    parallel:
      left:
        - {HOLD}, id: hold}}
        - {{id: rest, wait: 10m}}
      right:
        - id: gone
          action: wipe
          deadline: 5s
          approve: {{by: [responder], quorum: 2, timeout: 1h, on_timeout: escalate, escalate_to: [admin]}}
          on_failure:
            - {HOLD}, id: instead}}
  - {{id: later, wait: {{until: when}}}}
"""
)


def first(text: str) -> str:
    with pytest.raises(Misconfigured) as refused:
        shelve(text.encode(), ACTIONS, name="flaw.yaml")
    assert refused.value.hint
    return refused.value.reason


def facts(**members):
    incident = {"id": "i", "number": "INC-1", "title": "t", "server": "s", "severity": 4, "labels": []}
    return facts_of(incident | members, [])


@pytest.mark.behaviour("respond.language")
def test_a_playbook_may_wait_ask_a_person_go_several_ways_and_have_a_way_out():
    playbook = shelve(FULL.encode(), ACTIONS, name="full.yaml").playbook
    decided = plan(playbook, facts(), ACTIONS)
    assert decided.trace() == [
        {"manual": "Ask the owner."},
        {
            "parallel": {
                "left": [{"action": "hold_tool", "server": "s", "tool": "t", "reason": "r"}, {"wait": "10m"}],
                "right": [{"approve": ["responder"]}, {"action": "wipe"}],
            }
        },
        {"wait": 1795687200000000},
    ]
    assert [step.id for step in decided.each()] == ["look", "both", "hold", "rest", "gone", "instead", "later"]


FLAWS = {
    "a step that is two things": ("wait: 10m}", "wait: 10m, action: notify}", "rest: it says action and wait"),
    "a step that is nothing": ("{id: rest, wait: 10m}", "{id: rest}", "step rest: it says nothing"),
    "a wait of a month": ("wait: 10m", "wait: 30d", "step rest: the wait is not between"),
    "a wait for what is no time": ("until: when", "until: then", "step later: 'then' is no input of the type time"),
    "a manual step without end": (
        "deadline: 4h, on_failure: continue",
        "on_failure: continue",
        "look: it has no deadl",
    ),
    "a manual step without text": ("text: Ask the owner.", 'text: " "', "step look: the text has no"),
    "an agent who approves": ("by: [responder], q", 'by: ["agent:x"], q', "step gone: 'agent:x' is neither a role"),
    "a role that only looks": ("by: [responder], q", "by: [viewer], q", "step gone: 'viewer' is neither a role"),
    "a role misspelt": ("by: [responder], q", "by: [respnder], q", "step gone: 'respnder' is neither a role"),
    "an approval by nobody": ("by: [responder], q", "by: [], q", "step gone: nobody is named"),
    "a quorum that cannot be reached": ("by: [responder], q", 'by: ["operator:ann"], q', "2 must approve and only 1"),
    "a quorum of none": ("quorum: 2", "quorum: 0", "step gone: the quorum is not"),
    "an escalation to nobody": (", escalate_to: [admin]", "", "step gone: it escalates to nobody"),
    "an irreversible action in a branch": (
        "approve: {by: [responder], quorum: 2, timeout: 1h, on_timeout: escalate, escalate_to: [admin]}",
        "if: 'true'",
        "step gone: wipe cannot be undone",
    ),
    "an irreversible action as the way out of an approved one": (
        f"{HOLD}, id: instead}}",
        "{action: wipe, id: instead, deadline: 5s}",
        "step instead: wipe cannot be undone",
    ),
    "a blast radius that branches exceed": ("{tools: 2", "{tools: 1", "its steps contain 2 tools"),
    "one branch": (
        "      right:",
        "        - id: more\n          parallel: {a: []}\n      right:",
        "step more: it has 1",
    ),
    "a step's name said in two branches": ("id: instead", "id: hold", "two steps are called 'hold'"),
    "an empty way out": (f"\n            - {HOLD}, id: instead}}", " []", "step gone: on_failure has no steps"),
    "a run shorter than its waits": ("inputs:", "deadline: 1h\ninputs:", "its longest way takes up to"),
    "parameters of a wait": (
        "wait: 10m",
        "wait: 10m, with: {a: 1}",
        "step rest: `with` and `evidence` are for actions",
    ),
    "a date that is none": ("title: Sample", "title: 2026-13-45", "not YAML"),
    "half a character": ("title: Sample", 'title: "\\ud800"', "not UTF-8"),
}


@pytest.mark.behaviour("respond.playbooks-are-checked")
@pytest.mark.parametrize("flaw", FLAWS)
def test_a_playbook_is_refused_for(flaw):
    before, after, said = FLAWS[flaw]
    assert before in FULL
    assert said in first(FULL.replace(before, after))


def test_blocks_nest_only_so_deep():
    inner = "[{id: z, wait: 1s}]"
    for name in ("c", "b", "a"):
        inner = f"[{{id: {name}, parallel: {{x: {inner}, y: [{{id: y{name}, wait: 1s}}]}}}}]"
    assert "nest" in first(HEAD + f"steps: {inner}\n")


@pytest.mark.behaviour("respond.lint")
def test_everything_that_is_wrong_is_told_with_its_line_its_step_and_what_to_do():
    text = FULL.replace("wait: 10m", "wait: soon").replace("quorum: 2", "quorum: 9")
    _, flaws = examine(text.encode(), ACTIONS, name="p.yaml")
    lines = text.split("\n")
    assert [(f.step, lines[f.line - 1].strip().startswith(("- {id: rest", "- id: gone"))) for f in flaws[:2]] == [
        ("rest", True),
        ("gone", True),
    ]
    assert all(flaw.hint for flaw in flaws)


def test_an_approval_of_a_block_covers_what_is_in_it():
    text = HEAD + (
        "steps:\n  - id: both\n    approve: {by: admin}\n    parallel:\n"
        "      a: [{id: w, action: wipe, deadline: 1s}]\n      b: [{id: x, wait: 1s}]\n"
    )
    playbook = shelve(text.encode(), ACTIONS, name="p.yaml").playbook
    assert plan(playbook, facts(), ACTIONS).trace()[0] == {"approve": ["admin"]}


@pytest.mark.behaviour("respond.pre-authorised")
def test_a_reversible_action_that_is_not_pre_authorised_waits_for_a_responder():
    playbook = shelve((HEAD + f"steps:\n  - {HOLD}, id: hold}}\n").encode(), ACTIONS, name="p.yaml").playbook
    assert "approve" not in plan(playbook, facts(), ACTIONS).trace()[0]
    assert "approve" not in plan(playbook, facts(), ACTIONS, Authority(frozenset({"hold_tool"}))).trace()[0]
    told = plan(playbook, facts(), ACTIONS, Authority(frozenset({"quarantine_principal"}))).trace()
    assert told[0] == {"approve": ["responder"]}


SHIPPED = [path.read_bytes() for path in sorted(content_folder("playbooks").glob("*.yaml"))]
WORDS = [
    "{",
    "}",
    "[",
    "]",
    ": ",
    "\n",
    "  - ",
    "&a ",
    "*a",
    "!!binary ",
    "!!int ",
    "0b",
    "1e400",
    ".nan",
    "\x00",
    "\\ud800",
    "~",
]
WORDS += [
    "cel",
    "parallel",
    "on_failure",
    "approve",
    "id: hold\n",
    "2026-99-99",
    "<<: ",
    "? ",
    "| ",
    "> ",
    "%YAML 9.9\n",
    "---\n",
]


@pytest.mark.behaviour("respond.hostile-files")
@given(data=st.data())
@settings(max_examples=300, deadline=None, suppress_health_check=[HealthCheck.too_slow])
def test_whatever_a_file_holds_it_is_shelved_or_refused_in_our_words(data):
    whole = data.draw(st.sampled_from([*SHIPPED, FULL.encode()]))
    if data.draw(st.booleans()):
        text = whole
        for _ in range(data.draw(st.integers(1, 4))):
            at = data.draw(st.integers(0, len(text)))
            cut = data.draw(st.integers(0, 12))
            piece = data.draw(st.one_of(st.binary(max_size=8), st.sampled_from(WORDS).map(str.encode)))
            text = text[:at] + piece + text[at + cut :]
    else:
        text = data.draw(
            st.one_of(st.binary(max_size=200), st.lists(st.sampled_from(WORDS)).map("".join).map(str.encode))
        )
    try:
        said = shelve(text, ACTIONS, name="f.yaml").hash
    except Misconfigured as refused:
        said = refused.hint
    assert said
