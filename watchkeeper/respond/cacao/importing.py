"""Others' playbooks as ours: CACAO 2.0 in, a playbook's file out, checked like any other.

Nothing that a foreign document says is ever carried out by a machine: its commands, whatever their type, become steps
for a person, and its conditions (patterns over variables that we do not have) become words in front of them. Only steps
with our own extension (`OURS`), of a document that we or a drawing tool wrote, become actions again; the graph decides
their order, their branches and what follows a failure, so that a document may be redrawn between export and import.
"""

from __future__ import annotations

import base64
import binascii
import re
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import msgspec
import yaml

from watchkeeper.respond.cacao.exporting import SEVERITIES, plain
from watchkeeper.respond.cacao.model import MILLISECOND, OURS, Command, Step
from watchkeeper.respond.cacao.reading import Graph
from watchkeeper.respond.checking import MAX_RUN, MAX_TEXT, MAX_WAIT
from watchkeeper.respond.interface import Action
from watchkeeper.respond.playbook import Approval, Manual, StepKind, StepSpec, Until
from watchkeeper.respond.shelf import shelve

_DEADLINE = "4h"
"""Of a step whose document gives it no time."""
_NEVER = "false"
"""A foreign playbook has no trigger: it is begun by hand until somebody writes one."""
_NOTHING = "The document does not say what to do here. Decide, and write down what you did."
_DEEPEST = 16
_NAME = re.compile(r"[^a-z0-9]+")
_UNITS = (("d", 86_400_000), ("h", 3_600_000), ("m", 60_000), ("s", 1_000))


@dataclass(frozen=True)
class Imported:
    """A playbook that passed every check."""

    id: str
    text: str
    """Its file: YAML."""
    notes: tuple[str, ...]
    """What could not be carried over as it was; empty when everything was."""


def imported(data: bytes, actions: Mapping[str, Action], *, name: str) -> Imported:
    """Raises `Misconfigured`, naming `name` and what is wrong."""
    graph = Graph(data, name)
    reading = _Reading(graph)
    steps = reading.chain(graph.document.workflow_start)
    if not steps:
        raise graph.wrong("it has no step that does anything")
    head = _head(graph, reading, steps, actions)
    written = {**head, "steps": [plain(step) for step in steps]}
    text = yaml.safe_dump(written, sort_keys=False, allow_unicode=True, width=110)
    shelved = shelve(text.encode(), actions, name=name)
    return Imported(shelved.playbook.id, text, (*_notes(graph), *reading.notes))


@dataclass
class _Reading:
    graph: Graph
    approve: Approval | None = None
    """Of the whole playbook."""
    notes: list[str] = field(default_factory=list)
    taken: Counter[str] = field(default_factory=Counter)
    depth: int = 0

    def chain(self, key: str, until: frozenset[str] = frozenset()) -> tuple[StepSpec, ...]:
        """The steps from here to an end, or to one of `until`."""
        self.depth += 1
        if self.depth > _DEEPEST:
            raise self.graph.wrong(f"its blocks nest deeper than {_DEEPEST}")
        found: list[StepSpec] = []
        while key and key not in until and self.graph.step(key).type != "end":
            steps, key = self._one(key, until)
            found += steps
        self.depth -= 1
        return tuple(found)

    def _one(self, key: str, until: frozenset[str]) -> tuple[list[StepSpec], str]:
        """What a step becomes, and what comes after it."""
        step = self.graph.step(key)
        ours = step.step_extensions.get(OURS, {})
        if step.type == "start":
            return [], step.on_completion
        if "approve" in ours:
            return self._approved(step, ours, until)
        if step.type == "if-condition" and "if" in ours:
            inner = self.chain(step.on_true, until | {step.on_completion})
            if len(inner) != 1:
                raise self.graph.wrong(
                    f"{step.name or key}: a condition of ours stands before one step, not {len(inner)}"
                )
            return [msgspec.structs.replace(inner[0], if_=str(ours["if"]))], step.on_completion
        if step.type in ("if-condition", "while-condition", "switch-condition"):
            return self._worded(step, until)
        after = step.on_completion or step.on_success
        if step.type == "parallel":
            after = after or self.graph.meeting(*step.next_steps)
            made = self._parallel(step, ours, until | {after})
        else:
            made = self._action(step, ours)
        last = msgspec.structs.replace(made[-1], **self._failure(step, until))
        return [*made[:-1], last], after

    def _approved(self, step: Step, ours: Mapping[str, Any], until: frozenset[str]) -> tuple[list[StepSpec], str]:
        approval = self._typed(ours["approve"], Approval, step)
        after = step.on_success or step.on_completion
        if ours.get("of") == "playbook":
            self.approve = approval
            return [], after
        steps, after = self._one(after, until)
        return [msgspec.structs.replace(steps[0], approve=approval), *steps[1:]], after

    def _action(self, step: Step, ours: Mapping[str, Any]) -> list[StepSpec]:
        deadline = _duration(step.timeout) if step.timeout else ""
        name = self._name(step)
        if "wait" in ours:
            wait = ours["wait"]
            until = self._typed(wait, Until, step) if isinstance(wait, dict) else str(wait)
            return [StepSpec(id=name, wait=until, deadline=deadline)]
        if "manual" in ours:
            manual = self._typed(ours["manual"], Manual, step)
            return [StepSpec(id=name, manual=manual, deadline=deadline or _DEADLINE)]
        if "action" in ours:
            evidence = self._typed(ours.get("evidence", ()), tuple[str, ...], step)
            given = self._typed(ours.get("with", {}), dict[str, Any], step)
            return [
                StepSpec(id=name, action=str(ours["action"]), deadline=deadline, with_=given, evidence=evidence)
            ]  # fmt: skip
        made = StepSpec(id=name, manual=Manual(self._words(step)), deadline=deadline or _DEADLINE)
        if not step.delay:
            return [made]
        return [StepSpec(id=self._named(f"wait_before_{name}"), wait=_duration(step.delay)), made]

    def _parallel(self, step: Step, ours: Mapping[str, Any], until: frozenset[str]) -> list[StepSpec]:
        names, own = self._typed(ours.get("branches", {}), dict[str, str], step), self._name(step)
        numbered = enumerate(step.next_steps, 1)
        branches = {names.get(first, f"branch_{number}"): self.chain(first, until) for number, first in numbered}
        return [StepSpec(id=own, parallel=branches)]

    def _failure(self, step: Step, until: frozenset[str]) -> dict[str, Any]:
        """`on_failure`, and `then` where steps are tried."""
        if not step.on_failure:
            return {"on_failure": "continue" if step.on_completion else "stop"}
        first = self.graph.step(step.on_failure)
        if first.type == "end":
            return {"on_failure": "stop"}
        if first.step_extensions.get(OURS, {}).get("undo"):
            return {"on_failure": "undo"}
        path = self.chain(step.on_failure, until | {step.on_success})
        goes_on = step.on_success in self.graph.reached(step.on_failure)
        return {"on_failure": path or "stop", "then": "continue" if goes_on else "stop"}

    # -- what only a person can judge

    def _worded(self, step: Step, until: frozenset[str]) -> tuple[list[StepSpec], str]:
        """A condition that is not ours, as words in front of the steps that depend on it."""
        cases = self._cases(step)
        after = step.on_completion or step.on_success or self.graph.meeting(*cases.values())
        stop = until | ({after} if after else set())
        found: list[StepSpec] = []
        for words, first in cases.items():
            found += [self._if(words, one) for one in self.chain(first, stop)]
        self.notes.append(f"{step.name or step.type}: a person judges the condition {step.condition or step.switch!r}")
        return found, after

    def _cases(self, step: Step) -> dict[str, str]:
        said = (step.condition or step.switch)[:400]
        if step.type == "switch-condition":
            return {f"Only if {said} is {value[:100]}: ": key for value, key in step.cases.items()}
        word = "As long as" if step.type == "while-condition" else "Only if"
        ways = {f"{word} this holds: {said}. ": step.on_true, f"Only if this does not hold: {said}. ": step.on_false}
        return {words: key for words, key in ways.items() if key}

    def _if(self, words: str, step: StepSpec) -> StepSpec:
        if step.kinds[0] is StepKind.ACTION:
            raise self.graph.wrong(f"step {step.id}: an action stands behind a condition that only a person can judge")
        if step.kinds[0] is StepKind.PARALLEL:
            branches = {name: tuple(self._if(words, one) for one in steps) for name, steps in step.parallel.items()}
            return msgspec.structs.replace(step, parallel=branches)
        if step.manual is None:
            return step
        text = step.manual.text
        if isinstance(text, dict):
            raise self.graph.wrong(f"step {step.id}: a text in CEL behind a condition that only a person can judge")
        return msgspec.structs.replace(step, manual=msgspec.structs.replace(step.manual, text=_cut(words + text)))

    def _words(self, step: Step) -> str:
        """What a person is asked to do."""
        lines = [step.name, step.description]
        if step.type == "playbook-action":
            lines.append(f"Run the playbook {step.playbook_id}.")
        agent = self.graph.document.agent_definitions.get(step.agent)
        targets = [self.graph.document.target_definitions.get(key) for key in step.targets]
        lines += [f"{command.type}: {_text_of(command)}" for command in step.commands]
        if agent is not None:
            lines.append(f"By {agent.name} ({agent.type}).")
        named = ", ".join(target.name for target in targets if target is not None)
        lines.append(f"On {named}." if named else "")
        machine = sorted({command.type for command in step.commands} - {"manual"})
        if machine:
            self.notes.append(
                f"{step.name or step.type}: {', '.join(machine)} is not carried out, but shown to a person"
            )
        return _cut(
            "\n".join(line for line in lines if line) or "Do what the document's author meant, and say it here."
        )

    def _name(self, step: Step) -> str:
        return self._named(step.name or step.type)

    def _named(self, wanted: str) -> str:
        slug = _NAME.sub("_", wanted.lower()).strip("_")[:56] or "step"
        slug = slug if slug[0].isalpha() else f"step_{slug}"
        self.taken[slug] += 1
        return slug if self.taken[slug] == 1 else self._named(f"{slug}_{self.taken[slug]}")

    def _typed(self, value: Any, kind: Any, step: Step) -> Any:
        try:
            return msgspec.convert(value, kind, strict=True)
        except msgspec.ValidationError as error:
            raise self.graph.wrong(f"{step.name or step.type}: {error}") from error


def _head(
    graph: Graph, reading: _Reading, steps: tuple[StepSpec, ...], actions: Mapping[str, Action]
) -> dict[str, Any]:
    document = graph.document
    ours = document.playbook_extensions.get(OURS, {})
    touched = Counter(actions[one.action].touches for one in _each(steps) if one.action in actions)
    severity = min(SEVERITIES, key=lambda name: abs(SEVERITIES[name] - (document.severity or 50)))
    head = {
        "id": ours.get("id") or _NAME.sub("_", document.name.lower()).strip("_")[:60] or "imported",
        "version": ours.get("version", 1),
        "title": document.name,
        "description": document.description,
        "severity": severity,
        "when": ours.get("when", _NEVER),
        "inputs": ours.get("inputs"),
        "approve": plain(reading.approve) if reading.approve else None,
        "deadline": ours.get("deadline") or ("30d" if "when" not in ours else None),
        "dry_run": ours.get("dry_run"),
        "blast_radius": ours.get("blast_radius", {kind: count for kind, count in touched.items() if kind}),
        "tests": ours.get("tests"),
    }
    return {name: value for name, value in head.items() if value not in (None, "")}


def _each(steps: tuple[StepSpec, ...]) -> list[StepSpec]:
    found = []
    for step in steps:
        found.append(step)
        for branch in (*step.parallel.values(), step.failure_path):
            found += _each(branch)
    return found


def _notes(graph: Graph) -> list[str]:
    document = graph.document
    notes = []
    if OURS not in document.playbook_extensions:
        notes.append("it names no trigger: it is begun by hand until you write `when`")
    if document.signatures:
        notes.append(f"its {len(document.signatures)} signatures were not checked")
    if document.workflow_exception:
        notes.append("its workflow_exception has no counterpart: write on_failure where it matters")
    if document.valid_until:
        notes.append(f"its author lets it end at {document.valid_until[:40]}")
    foreign = sorted(name for name in document.playbook_variables) if OURS not in document.playbook_extensions else []
    if foreign:
        notes.append(f"its variables are only words here: {', '.join(foreign)[:300]}")
    return notes


def _text_of(command: Command) -> str:
    for encoded in (command.command_b64, command.content_b64):
        if encoded and not command.command:
            try:
                return base64.b64decode(encoded, validate=True).decode("utf-8", "replace")
            except (binascii.Error, ValueError):
                return encoded
    return command.command or command.description


def _cut(text: str) -> str:
    """Within what a manual step may say, and nothing in it that a terminal would obey."""
    shown = "".join(one if one.isprintable() or one == "\n" else " " for one in text)
    return shown if len(shown) <= MAX_TEXT else shown[: MAX_TEXT - 1] + "…"


def _duration(milliseconds: int) -> str:
    """As playbooks say it, within what a wait may be."""
    longest = min(MAX_WAIT, MAX_RUN) // MILLISECOND
    value = max(1, min(milliseconds, longest))
    return next((f"{value // size}{unit}" for unit, size in _UNITS if value % size == 0), f"{value}ms")
