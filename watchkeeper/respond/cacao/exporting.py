"""Our playbooks as CACAO 2.0: a document that other tools can draw, share and walk through.

What only we can carry out stands in an extension (`OURS`); its `manual` command says in words what a person would do
instead, so that the document is of use without us. Conditions are CEL here and patterns there: a condition becomes a
variable that the orchestrator fills, with the CEL as its description.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import msgspec

from watchkeeper.respond.cacao.model import (
    AUTHOR,
    MILLISECOND,
    OURS,
    Command,
    Document,
    Extension,
    Party,
    Step,
    Variable,
    made_id,
    playbook_id,
)
from watchkeeper.respond.interface import Action
from watchkeeper.respond.playbook import Approval, Playbook, StepKind, StepSpec, Until, microseconds

SEVERITIES = {"low": 25, "medium": 50, "high": 75, "critical": 100}
_TYPES = ["mitigation"]
_VARIABLES = {"text": "string", "number": "float", "truth": "bool", "list": "dictionary", "time": "string"}
_ACTIVITIES = {
    "notify": "deliver-content",
    "snapshot_definitions": "analyze-collected-data",
    "snapshot_evidence": "analyze-collected-data",
    "kill_session": "disconnect-system",
    "drain_transport": "disconnect-system",
    "pin_rollback": "revert-system",
    "rotate_secret": "configure-systems",
}
_ELSE = "restrict-access"


@dataclass(frozen=True)
class Authorship:
    """Whose playbook it is, and since when."""

    created: str
    """RFC 3339, UTC, with `Z`."""
    modified: str
    created_by: str = AUTHOR
    """Id of a STIX 2.1 identity."""


def exported(playbook: Playbook, actions: Mapping[str, Action], authorship: Authorship) -> dict[str, Any]:
    """The document, as JSON types; the same for the same playbook and authorship."""
    drawn = _Drawing(playbook, actions, authorship)
    first = drawn.chain(playbook.steps, drawn.end())
    if playbook.approve is not None:
        first = drawn.gate("", playbook.approve, first)
    start = drawn.put("start", "start", Step(type="start", on_completion=first))
    document = Document(
        type="playbook",
        spec_version="cacao-2.0",
        id=playbook_id(playbook.title, _TYPES),
        name=playbook.title,
        description=playbook.description,
        created_by=authorship.created_by,
        created=authorship.created,
        modified=authorship.modified,
        workflow_start=start,
        workflow=drawn.workflow,
        playbook_types=_TYPES,
        playbook_activities=sorted(drawn.activities) or ["step-sequence"],
        playbook_processing_summary=drawn.summary(),
        severity=SEVERITIES[playbook.severity],
        labels=["mcp"],
        playbook_variables=drawn.variables,
        playbook_extensions={OURS: _head(playbook)},
        agent_definitions=drawn.agents,
    )
    written: dict[str, Any] = msgspec.to_builtins(document)
    written["extension_definitions"] = {OURS: _extension(authorship).written()}
    return written


@dataclass
class _Drawing:
    playbook: Playbook
    actions: Mapping[str, Action]
    authorship: Authorship
    workflow: dict[str, Step] = field(default_factory=dict)
    variables: dict[str, Variable] = field(default_factory=dict)
    agents: dict[str, Party] = field(default_factory=dict)
    activities: set[str] = field(default_factory=set)
    ends: int = 0

    def __post_init__(self) -> None:
        for name, entry in self.playbook.inputs.items():
            said = f"CEL over the incident: {entry.cel}"
            self.variables[_variable(name)] = Variable(_VARIABLES[entry.type], said, external=True)

    def put(self, kind: str, name: str, step: Step) -> str:
        """Add a step under an id of its own."""
        key = made_id(kind, self.playbook.id, name)
        self.workflow[key] = step
        return key

    def end(self) -> str:
        """An end of its own: each branch has one (section 4.4)."""
        self.ends += 1
        return self.put("end", f"end {self.ends}", Step(type="end"))

    def chain(self, steps: tuple[StepSpec, ...], after: str) -> str:
        """Steps one after the other, then `after`; the id of the first."""
        for step in reversed(steps):
            after = self.step(step, after)
        return after

    def step(self, step: StepSpec, after: str) -> str:
        """One step, with the condition and the approval before it."""
        inner = self.end() if step.if_ else after
        key = self._kinds(step, inner)
        if step.approve is not None:
            key = self.gate(step.id, step.approve, key)
        return self._condition(step, key, after) if step.if_ else key

    def gate(self, name: str, approval: Approval, after: str) -> str:
        """People who must agree to a step, or, without its name, to the whole playbook."""
        escalated = f", then {', '.join(approval.escalate_to)}" if approval.escalate_to else ""
        said = f"Approve {name or 'the playbook'}: {approval.quorum} of {', '.join(approval.voters)}{escalated}."
        step = Step(
            type="action",
            name=f"approve {name or 'the playbook'}",
            timeout=microseconds(approval.timeout) // MILLISECOND,
            on_success=after,
            on_failure=self.end(),
            commands=[self._by_hand(said, "step-sequence")],
            agent=self._people(approval.voters),
            step_extensions={OURS: {"approve": plain(approval), "of": "step" if name else "playbook"}},
        )
        return self.put("action", f"approve {name}", step)

    def summary(self) -> dict[str, bool]:
        """What a reader has to master (section 10.14)."""
        types = {step.type for step in self.workflow.values()}
        return {
            "parallel_processing": "parallel" in types,
            "if_logic": "if-condition" in types,
            "temporal_logic": any(step.delay or step.timeout for step in self.workflow.values()),
            "extensions": True,
        }

    def _kinds(self, step: StepSpec, after: str) -> str:
        kind = step.kinds[0]
        if kind is StepKind.PARALLEL:
            return self._parallel(step, after)
        drawn = {StepKind.ACTION: self._action, StepKind.WAIT: self._wait, StepKind.MANUAL: self._manual}[kind](step)
        drawn.name = step.id
        self._ways(drawn, step, after)
        return self.put("action", step.id, drawn)

    def _action(self, step: StepSpec) -> Step:
        activity = _ACTIVITIES.get(step.action, _ELSE)
        said = {name: value for name, value in (("with", step.with_), ("evidence", list(step.evidence))) if value}
        values = "; ".join(f"{name}: {_said(value)}" for name, value in step.with_.items())
        return Step(
            type="action",
            timeout=microseconds(step.deadline) // MILLISECOND,
            commands=[self._by_hand(f"{step.action}: {values}" if values else step.action, activity)],
            agent=self._orchestrator(),
            step_extensions={OURS: {"action": step.action, **said}},
        )

    def _wait(self, step: StepSpec) -> Step:
        until = step.wait.until if isinstance(step.wait, Until) else ""
        said = f"Wait until {_variable(until)}:value." if until else f"Wait for {step.wait}."
        return Step(
            type="action",
            delay=0 if isinstance(step.wait, Until) else microseconds(step.wait) // MILLISECOND,
            timeout=microseconds(step.deadline) // MILLISECOND if step.deadline else 0,
            commands=[self._by_hand(said, "step-sequence")],
            agent=self._orchestrator(),
            step_extensions={OURS: {"wait": plain(step.wait) if until else step.wait}},
        )

    def _manual(self, step: StepSpec) -> Step:
        assert step.manual is not None
        return Step(
            type="action",
            timeout=microseconds(step.deadline) // MILLISECOND,
            commands=[self._by_hand(_said(step.manual.text), "step-sequence")],
            agent=self._people(step.manual.voters),
            step_extensions={OURS: {"manual": plain(step.manual)}},
        )

    def _parallel(self, step: StepSpec, after: str) -> str:
        firsts = [self.chain(branch, self.end()) for branch in step.parallel.values()]
        names = dict(zip(firsts, step.parallel, strict=True))
        drawn = Step(
            type="parallel", name=step.id, next_steps=firsts, step_extensions={OURS: {"branches": names}}
        )  # fmt: skip
        self._ways(drawn, step, after)
        return self.put("parallel", step.id, drawn)

    def _condition(self, step: StepSpec, key: str, after: str) -> str:
        variable = _variable(f"{step.id}_applies")
        self.variables[variable] = Variable("bool", f"CEL over the incident: {step.if_}", external=True)
        drawn = Step(
            type="if-condition",
            name=f"if {step.id}",
            condition=f"{variable}:value = 'true'",
            on_true=key,
            on_completion=after,
            step_extensions={OURS: {"if": step.if_}},
        )
        return self.put("if-condition", f"if {step.id}", drawn)

    def _ways(self, drawn: Step, step: StepSpec, after: str) -> None:
        """What follows success and failure."""
        if step.on_failure == "continue":
            drawn.on_completion = after
            return
        drawn.on_success = after
        if step.failure_path:
            last = after if step.then == "continue" else self.end()
            drawn.on_failure = self.chain(step.failure_path, last)
            drawn.step_extensions[OURS]["then"] = step.then
        elif step.on_failure == "undo":
            said = "Take back what this run contained, the last first."
            undo = Step(
                type="action",
                name=f"undo after {step.id}",
                commands=[self._by_hand(said, "revert-system")],
                agent=self._orchestrator(),
                on_completion=self.end(),
                step_extensions={OURS: {"undo": True}},
            )
            drawn.on_failure = self.put("action", f"undo after {step.id}", undo)
        else:
            drawn.on_failure = self.end()

    def _by_hand(self, said: str, activity: str) -> Command:
        self.activities.add(activity)
        return Command(type="manual", command=said, playbook_activity=activity)

    def _orchestrator(self) -> str:
        return self._agent(Party("security-category", "Watchkeeper", ["orchestrator"]))

    def _people(self, voters: tuple[str, ...]) -> str:
        return self._agent(Party("group", ", ".join(voters)))

    def _agent(self, party: Party) -> str:
        key = made_id(party.type, party.name)
        self.agents[key] = party
        return key


def plain(struct: Any) -> Any:
    """A struct of the language as its file has it: without what goes without saying."""
    if isinstance(struct, msgspec.Struct):
        fields = [(one, getattr(struct, one.name)) for one in msgspec.structs.fields(struct)]
        return {one.encode_name: plain(value) for one, value in fields if value != _default(one)}
    if isinstance(struct, tuple | list):
        return [plain(one) for one in struct]
    if isinstance(struct, dict):
        return {name: plain(value) for name, value in struct.items()}
    return struct


def _default(one: msgspec.structs.FieldInfo) -> Any:
    if one.default is not msgspec.NODEFAULT:
        return one.default
    return one.default_factory() if one.default_factory is not msgspec.NODEFAULT else msgspec.NODEFAULT


def _head(playbook: Playbook) -> dict[str, Any]:
    head: dict[str, Any] = plain(msgspec.structs.replace(playbook, steps=()))
    return {name: value for name, value in head.items() if name not in ("steps", "title", "description", "approve")}


def _extension(authorship: Authorship) -> Extension:
    said = (
        "On the playbook: the members of a Watchkeeper playbook that CACAO has no word for. On a step: `action` with "
        "its `with` and `evidence`, `wait`, `manual`, `approve`, `undo`, `branches`, or the CEL of an `if`."
    )
    return Extension("Watchkeeper playbook", authorship.created_by, said, "1.0.0", description=said)


def _variable(name: str) -> str:
    return f"__{name}__"


def _said(value: Any) -> str:
    if isinstance(value, dict) and set(value) == {"cel"}:
        return f"what the CEL {value['cel']} says"
    return value if isinstance(value, str) else msgspec.json.encode(value).decode()
