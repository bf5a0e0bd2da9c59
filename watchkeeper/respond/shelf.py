"""Reads playbooks and refuses the wrong ones before anything runs, naming the file and the step.

Obligations, and what each one prevents:

1. Size and depth are bounded, aliases and doubled keys are refused (a file that says two things, or explodes).
2. Every action exists and its parameters fit their types (a step that fails at the worst moment).
3. Every expression parses (the same).
4. Every step has a deadline within bounds (a run that hangs).
5. An irreversible action needs an approval; a reversible one has an `undo` (damage by automation).
6. What the steps contain fits the declared blast radius (one alert that shuts everything).
7. Evidence that a step asks for is evidence that its action gives (a step that can never succeed).
"""

from __future__ import annotations

import hashlib
import re
from collections import Counter
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import msgspec
import yaml

from watchkeeper.core.errors import Invalid, Misconfigured
from watchkeeper.respond.expressions import Expression
from watchkeeper.respond.interface import Action, Reach
from watchkeeper.respond.playbook import Playbook, Shelved, StepSpec, microseconds

MAX_BYTES = 64 * 1024
MAX_STEPS = 32
MAX_NESTING = 8
MAX_DEADLINE = 15 * 60_000_000
_NAME = re.compile(r"[a-z][a-z0-9_]{0,63}\Z")
_HINT = "see docs/concepts/response.md"


class _Wrong(Exception):
    """A check that failed; the file's name is added where it is known."""


def load_folder(folder: Path, actions: Mapping[str, Action]) -> list[Shelved]:
    """Every `*.yaml` of a folder, by name. Raises `Misconfigured`; two with the same id are an error too."""
    return load_files(sorted(folder.glob("*.yaml")), actions)


def load_files(paths: Iterable[Path], actions: Mapping[str, Action]) -> list[Shelved]:
    """These playbooks. Raises `Misconfigured`."""
    shelf = [load_file(path, actions) for path in paths]
    doubled = [name for name, count in Counter(s.playbook.id for s in shelf).items() if count > 1]
    if doubled:
        raise Misconfigured(f"two playbooks are called {doubled[0]}", hint="rename one of them")
    return shelf


def load_file(path: Path, actions: Mapping[str, Action]) -> Shelved:
    """One playbook. Raises `Misconfigured`, naming the file and what is wrong in it."""
    try:
        data = path.read_bytes()
    except OSError as error:
        raise Misconfigured(f"cannot read {path}: {error.strerror}", hint="check the path and its mode") from error
    return shelve(data, actions, name=path.name)


def shelve(data: bytes, actions: Mapping[str, Action], *, name: str) -> Shelved:
    """A playbook from its bytes, checked. Raises `Misconfigured`, naming `name` and the step."""
    try:
        text = data.decode("utf-8")
        playbook = msgspec.convert(_parse(data, text), Playbook, strict=True)
        _check(playbook, actions)
    except (_Wrong, Invalid, msgspec.ValidationError, yaml.YAMLError, UnicodeDecodeError) as error:
        said = error.reason if isinstance(error, Invalid) else str(error)
        raise Misconfigured(f"{name}: {said}", hint=_HINT) from error
    return Shelved(playbook=playbook, hash="sha256:" + hashlib.sha256(data).hexdigest(), text=text)


def _parse(data: bytes, text: str) -> Any:
    if len(data) > MAX_BYTES:
        raise _Wrong(f"the file has {len(data)} bytes; {MAX_BYTES} are allowed")
    depth = 0
    for event in yaml.parse(text, Loader=yaml.SafeLoader):
        if isinstance(event, yaml.AliasEvent):
            raise _Wrong(f"{_line(event)}: an alias; write it out")
        depth += isinstance(event, yaml.CollectionStartEvent) - isinstance(event, yaml.CollectionEndEvent)
        if depth > MAX_NESTING:
            raise _Wrong(f"{_line(event)}: nested deeper than {MAX_NESTING}")
    _refuse_doubled_keys(yaml.compose(text, Loader=yaml.SafeLoader))
    return yaml.safe_load(text)


def _line(place: yaml.Event | yaml.Node) -> str:
    return f"line {place.start_mark.line + 1}" if place.start_mark else "somewhere"


def _refuse_doubled_keys(node: yaml.Node | None) -> None:
    if isinstance(node, yaml.MappingNode):
        keys = Counter(key.value for key, _ in node.value if isinstance(key, yaml.ScalarNode))
        for key, value in node.value:
            if keys[key.value] > 1:
                raise _Wrong(f"{_line(key)}: {key.value!r} is said twice")
            _refuse_doubled_keys(value)
    elif isinstance(node, yaml.SequenceNode):
        for child in node.value:
            _refuse_doubled_keys(child)


def _check(playbook: Playbook, actions: Mapping[str, Action]) -> None:
    if not _NAME.match(playbook.id):
        raise _Wrong(f"the id {playbook.id!r} is not lower-case letters, digits and underscores")
    if playbook.version < 1:
        raise _Wrong("the version begins at 1")
    if not 1 <= len(playbook.steps) <= MAX_STEPS:
        raise _Wrong(f"it has {len(playbook.steps)} steps; 1 to {MAX_STEPS} are allowed")
    doubled = [name for name, count in Counter(s.id for s in playbook.steps).items() if count > 1]
    if doubled:
        raise _Wrong(f"two steps are called {doubled[0]}")
    Expression(playbook.when)
    for entry in playbook.inputs.values():
        Expression(entry.cel)
    for step in playbook.steps:
        try:
            _check_step(step, playbook, actions)
        except (_Wrong, Invalid, ValueError) as error:
            said = error.reason if isinstance(error, Invalid) else str(error)
            raise _Wrong(f"step {step.id}: {said}") from error
    _check_blast_radius(playbook, actions)


def _check_step(step: StepSpec, playbook: Playbook, actions: Mapping[str, Action]) -> None:
    if not _NAME.match(step.id):
        raise _Wrong("the id is not lower-case letters, digits and underscores")
    action = actions.get(step.action)
    if action is None:
        raise _Wrong(f"there is no action {step.action!r}; known: {', '.join(sorted(actions))}")
    if not 0 < microseconds(step.deadline) <= MAX_DEADLINE:
        raise _Wrong("the deadline is not between 1ms and 15m")
    if step.if_:
        Expression(step.if_)
    if action.reach is Reach.IRREVERSIBLE and playbook.approve is None:
        raise _Wrong(f"{step.action} cannot be undone, and the playbook has no approve")
    missing = set(step.evidence) - action.evidence
    if missing:
        raise _Wrong(f"{step.action} gives no evidence called {sorted(missing)[0]}")
    _check_parameters(step.with_, action)


def _check_parameters(given: Mapping[str, Any], action: Action) -> None:
    fields = {field.name: field for field in msgspec.structs.fields(action.Parameters)}
    for name, value in given.items():
        if name not in fields:
            raise _Wrong(f"{action.name} has no parameter {name!r}; known: {', '.join(sorted(fields))}")
        if is_expression(value):
            Expression(value["cel"])
            continue
        try:
            msgspec.convert(value, fields[name].type, strict=True)
        except msgspec.ValidationError as error:
            raise _Wrong(f"parameter {name}: {error}") from error
    for name, field in fields.items():
        if field.required and name not in given:
            raise _Wrong(f"{action.name} needs the parameter {name}")


def is_expression(value: Any) -> bool:
    """Whether a parameter is written as `{cel: …}`."""
    return isinstance(value, dict) and set(value) == {"cel"} and isinstance(value["cel"], str)


def _check_blast_radius(playbook: Playbook, actions: Mapping[str, Action]) -> None:
    touched = Counter(kind for step in playbook.steps if (kind := actions[step.action].touches))
    allowed = {str(kind): most for kind, most in playbook.blast_radius.items()}
    for kind, count in sorted(touched.items()):
        if count > allowed.get(kind, 0):
            raise _Wrong(f"its steps contain {count} {kind}, and blast_radius allows {allowed.get(kind, 0)}")


def check_actions(actions: Mapping[str, Action]) -> None:
    """Plug-ins keep the contract too. Raises `Misconfigured` for a reversible action without an `undo` of its own."""
    for name, action in actions.items():
        if action.name != name:
            raise Misconfigured(f"the action {name} calls itself {action.name}", hint="its entry point must match")
        if action.reach is Reach.REVERSIBLE and not callable(getattr(action, "undo", None)):
            raise Misconfigured(f"the action {name} says that it is reversible and has no undo", hint="remove it")
