"""A wrong playbook is refused before anything runs, naming the file and the step."""

from __future__ import annotations

from typing import ClassVar

import msgspec
import pytest

from watchkeeper.core.errors import Misconfigured
from watchkeeper.respond.interface import Action, NothingToUndo, Reach
from watchkeeper.respond.service import load_actions
from watchkeeper.respond.shelf import check_actions, load_file, load_files, shelve

GOOD = """
id: sample
version: 1
title: Sample
when: "true"
severity: low
inputs: {server: {type: text, cel: incident.server}}
blast_radius: {tools: 1}
steps:
  - id: hold
    action: hold_tool
    with: {server: {cel: inputs.server}, tool: t, reason: r}
    evidence: [order]
    deadline: 5s
"""


class Wipe:
    """An action without a way back."""

    name: ClassVar[str] = "wipe"
    reach: ClassVar[Reach] = Reach.IRREVERSIBLE
    touches: ClassVar[str] = ""
    evidence: ClassVar[frozenset[str]] = frozenset()

    class Parameters(msgspec.Struct):
        pass


ACTIONS = load_actions() | {"wipe": Wipe()}

FLAWS = {
    "an action that does not exist": ("action: hold_tool", "action: hold_tol", "step hold: there is no action"),
    "no deadline": ("    deadline: 5s\n", "", "deadline"),
    "a deadline of an hour": ("deadline: 5s", "deadline: 60m", "step hold: the deadline"),
    "a deadline that is no duration": ("deadline: 5s", "deadline: soon", "step hold: not a duration"),
    "a parameter that is not known": ("tool: t", "tol: t", "step hold: hold_tool has no parameter 'tol'"),
    "a parameter that is missing": ("tool: t, ", "", "step hold: hold_tool needs the parameter tool"),
    "a parameter of the wrong type": ("tool: t", "tool: 3", "step hold: parameter tool"),
    "a parameter whose CEL does not parse": ("inputs.server}", "'inputs.'}", "step hold: not a CEL expression"),
    "a condition that does not parse": ('when: "true"', 'when: "a =="', "not a CEL expression"),
    "a condition without end": ('when: "true"', f'when: "{"a" * 1001}"', "characters"),
    "a condition that nests": ('when: "true"', f'when: "{"(" * 13}1{")" * 13}"', "nests deeper"),
    "more than the blast radius": ("{tools: 1}", "{tools: 0}", "its steps contain 1 tools"),
    "an irreversible action without approval": (
        "action: hold_tool\n    with: {server: {cel: inputs.server}, tool: t, reason: r}\n    evidence: [order]",
        "action: wipe",
        "step hold: wipe cannot be undone",
    ),
    "evidence that the action never gives": ("[order]", "[film]", "step hold: hold_tool gives no evidence called"),
    "an unknown member": ("severity: low", "severity: low\nsevrity: low", "sevrity"),
    "a key said twice": ("severity: low", "severity: low\nseverity: high", "'severity' is said twice"),
    "an alias": ("title: Sample", "title: &a Sample\ndescription: *a", "an alias"),
    "deep nesting": ("tool: t", f"tool: {'[' * 9}{']' * 9}", "nested deeper"),
    "two steps of one name": (
        "steps:\n",
        "steps:\n  - {id: hold, action: notify, with: {text: a}, deadline: 1s}\n",
        "two",
    ),
    "a version of zero": ("version: 1", "version: 0", "version"),
    "a name with a path": ("id: sample", "id: ../sample", "the id"),
    "too many bytes": ("title: Sample", f"title: {'x' * 70_000}", "bytes"),
    "no YAML": ("id: sample", "id: [", "flaw.yaml"),
}


def test_a_playbook_that_keeps_the_rules_is_shelved_with_its_hash():
    shelved = shelve(GOOD.encode(), ACTIONS, name="good.yaml")
    assert (shelved.playbook.id, shelved.text, len(shelved.hash)) == ("sample", GOOD, 71)


@pytest.mark.behaviour("respond.playbooks-are-checked")
@pytest.mark.parametrize("flaw", FLAWS)
def test_a_playbook_is_refused_for(flaw):
    before, after, said = FLAWS[flaw]
    assert before in GOOD
    with pytest.raises(Misconfigured) as refused:
        shelve(GOOD.replace(before, after).encode(), ACTIONS, name="flaw.yaml")
    assert refused.value.reason.startswith("flaw.yaml: ")
    assert said in refused.value.reason


def test_an_irreversible_action_may_be_planned_when_a_person_must_approve():
    text = GOOD.replace("action: hold_tool", "action: wipe").replace("evidence: [order]", "")
    text = text.replace("with: {server: {cel: inputs.server}, tool: t, reason: r}", "") + "approve: {by: responder}\n"
    assert shelve(text.encode(), ACTIONS, name="good.yaml").playbook.approve.by == "responder"


def test_two_playbooks_of_one_id_are_refused(tmp_path):
    for name in ("a.yaml", "b.yaml"):
        (tmp_path / name).write_text(GOOD)
    with pytest.raises(Misconfigured):
        load_files([tmp_path / "a.yaml", tmp_path / "b.yaml"], ACTIONS)


@pytest.mark.behaviour("playbooks.read-when-changed")
def test_a_file_that_is_the_same_is_not_taken_apart_again_and_one_that_changed_is(tmp_path):
    first, second = tmp_path / "a.yaml", tmp_path / "b.yaml"
    first.write_text(GOOD)
    second.write_text(GOOD.replace("id: sample", "id: other"))
    before = load_files([first, second], ACTIONS)
    second.write_text(GOOD.replace("id: sample", "id: third"))
    after = load_files([first, second], ACTIONS, before)
    assert after[0] is before[0]
    assert [one.playbook.id for one in after] == ["sample", "third"]
    moved = first.rename(tmp_path / "c.yaml")
    assert load_files([moved], ACTIONS, after)[0].origin == "c.yaml"
    moved.write_text(GOOD.replace("deadline: 5s", "deadline: soon"))
    with pytest.raises(Misconfigured, match=r"c\.yaml"):
        load_files([moved], ACTIONS, after)


def test_a_file_that_cannot_be_read_is_named(tmp_path):
    with pytest.raises(Misconfigured, match=r"gone\.yaml"):
        load_file(tmp_path / "gone.yaml", ACTIONS)


def test_a_plug_in_that_promises_an_undo_and_has_none_is_refused():
    class Half(Wipe):
        name: ClassVar[str] = "half"
        reach: ClassVar[Reach] = Reach.REVERSIBLE

    with pytest.raises(Misconfigured):
        check_actions({"half": Half()})


def test_an_undo_that_is_not_the_actions_own_or_cannot_be_called_is_no_undo():
    class Promises(Wipe):
        name: ClassVar[str] = "half"
        reach: ClassVar[Reach] = Reach.REVERSIBLE

    class Inherits(Promises, Action):
        """The Protocol's undo does nothing and says nothing."""

    class Reads(NothingToUndo, Promises):
        """Whoever only reads has nothing to undo."""

    class Odd(Promises):
        def undo(self) -> None: ...

    for kind in (Inherits, Reads, Odd):
        with pytest.raises(Misconfigured, match="no undo of its own"):
            check_actions({"half": kind()})
