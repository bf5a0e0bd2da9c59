"""Policies as they lie in files: read, split, checked against the schema, each with its id, reason and place."""

from __future__ import annotations

import json
import re
from collections.abc import Collection, Sequence
from pathlib import Path
from typing import Any

import cedarpy
import msgspec

from watchkeeper.core.content import content_folder
from watchkeeper.core.errors import Misconfigured
from watchkeeper.policy.annotations import ENFORCED, Terms, Wrong, terms_of
from watchkeeper.policy.model import PINS
from watchkeeper.policy.reads import THRESHOLD, Reads, literals_beside, reads_of

SCHEMA_FILE = "watchkeeper.cedarschema"
ARGUMENTS_LINE = "type Arguments = {};"
_ID = re.compile(r'@id\s*\(\s*"([^"\\]*)"\s*\)')
_CALL_TOOL = {"op": "==", "entity": {"type": "Action", "id": "call_tool"}}


class Policy(msgspec.Struct, frozen=True):
    """One policy."""

    id: str
    reason: str
    is_forbid: bool
    tree: dict[str, Any]
    """Cedar's JSON form."""
    reads: Reads
    """Which tool arguments it looks at."""
    file: str
    line: int
    terms: Terms = ENFORCED
    """How its word is meant."""


class Problem(msgspec.Struct, frozen=True):
    """What is wrong with a policy file."""

    file: str
    line: int
    policy: str
    text: str

    def __str__(self) -> str:
        name = f" {self.policy}:" if self.policy else ""
        return f"{self.file}:{self.line}:{name} {self.text}"


def base_schema() -> str:
    """The text of the schema every policy is checked against. Raises `Misconfigured`."""
    path = content_folder("policies") / SCHEMA_FILE
    try:
        text = path.read_text(encoding="utf-8")
    except OSError as error:
        raise Misconfigured(f"cannot read {path}: {error.strerror}", hint="reinstall watchkeeper") from error
    if ARGUMENTS_LINE not in text:
        raise Misconfigured(f"{path} has no line {ARGUMENTS_LINE!r}", hint="reinstall watchkeeper")
    return text


def check(folders: Sequence[Path], windows: Collection[str] | None = None) -> list[Problem]:
    """Everything wrong with the policies of these folders; empty when they can be loaded."""
    return read(folders, windows)[1]


def read(folders: Sequence[Path], windows: Collection[str] | None = None) -> tuple[list[Policy], list[Problem]]:
    """The policies of every `*.cedar`, folder by folder, and what is wrong with them; those that another one replaces
    are not among them.

    A folder may also be a single file. `windows` are the names that the settings give to windows of time; None leaves
    unsaid which there are.
    """
    schema = cedarpy.Schema.from_str(base_schema())
    policies: list[Policy] = []
    problems: list[Problem] = []
    for folder in folders:
        if not folder.exists():
            problems.append(Problem(str(folder), 1, "", "there is no such folder"))
        for path in files_of(folder, ".cedar"):
            found, wrong = _read_file(path, schema)
            policies += found
            problems += wrong
    problems += _doubles(policies) + _without_place(policies) + _circles(policies)
    problems += [] if windows is None else _unknown(policies, windows)
    replaced = {name for policy in policies for name in policy.terms.replaces}
    return [policy for policy in policies if policy.id not in replaced], problems


def files_of(place: Path, ending: str) -> list[Path]:
    """The files of a folder that end so; of a single policy file, itself or what has its name beside it."""
    if place.is_dir():
        return sorted(place.glob(f"*{ending}"))
    beside = place.with_suffix(ending)
    return [beside] if beside.is_file() else []


def _unknown(policies: list[Policy], windows: Collection[str]) -> list[Problem]:
    """A window that never opens would make a policy that nobody notices to be silent."""
    return [
        Problem(policy.file, policy.line, policy.id, f"there is no window of time {name!r}; see policy.windows")
        for policy in policies
        for name in sorted(literals_beside(policy.tree, "times") - set(windows))
    ]


def _without_place(policies: list[Policy]) -> list[Problem]:
    """Those that replace what is not there: a name misspelt would leave the other one in force."""
    known = {policy.id for policy in policies}
    return [
        Problem(policy.file, policy.line, policy.id, f"it replaces {name}, which is not among these policies")
        for policy in policies
        for name in policy.terms.replaces
        if name not in known or name == policy.id
    ]


def _circles(policies: list[Policy]) -> list[Problem]:
    """Those that replace each other, straight or by way of others: none of them would be in force."""
    replaces = {policy.id: policy.terms.replaces for policy in policies}

    def reached(name: str) -> set[str]:
        found: set[str] = set()
        ahead = list(replaces[name])
        while ahead:
            if (one := ahead.pop()) not in found:
                found.add(one)
                ahead += replaces.get(one, ())
        return found

    return [
        Problem(policy.file, policy.line, policy.id, "it is replaced by what it replaces, so neither would count")
        for policy in policies
        if policy.terms.replaces and policy.id not in policy.terms.replaces and policy.id in reached(policy.id)
    ]


def _doubles(policies: list[Policy]) -> list[Problem]:
    first: dict[str, Policy] = {}
    problems = []
    for policy in policies:
        other = first.setdefault(policy.id, policy)
        if other is not policy:
            text = f"this id is taken already, in {other.file}:{other.line}"
            problems.append(Problem(policy.file, policy.line, policy.id, text))
    return problems


def _read_file(path: Path, schema: cedarpy.Schema) -> tuple[list[Policy], list[Problem]]:
    try:
        text = path.read_text(encoding="utf-8")
        trees = json.loads(cedarpy.policies_to_json_str(text))
    except OSError as error:
        return [], [Problem(str(path), 1, "", f"cannot be read: {error.strerror}")]
    except (ValueError, RecursionError) as error:
        return [], [Problem(str(path), _line_of_error(str(error)), "", f"does not parse: {error}")]
    if trees.get("templates"):
        return [], [Problem(str(path), 1, "", "templates are not supported; write one policy for each link")]
    policies: list[Policy] = []
    problems: list[Problem] = []
    lines = _lines_of(text)
    for tree in trees["staticPolicies"].values():
        line = lines.get(tree.get("annotations", {}).get("id"), 1)
        policy, wrong = _policy(tree, path, line, schema)
        problems += wrong
        if policy and not wrong:
            policies.append(policy)
    return policies, problems


def _policy(tree: dict[str, Any], path: Path, line: int, schema: cedarpy.Schema) -> tuple[Policy | None, list[Problem]]:
    notes = tree.get("annotations", {})
    name, reason = notes.get("id") or "", notes.get("reason") or ""
    if not name:
        return None, [Problem(str(path), line, "", 'a policy needs @id("…"), so that verdicts can name it')]
    if not reason:
        return None, [Problem(str(path), line, name, 'a policy needs @reason("…"), which the agent\'s model will read')]
    try:
        terms = terms_of(name, tree["effect"] == "forbid", notes)
    except Wrong as wrong_note:
        return None, [Problem(str(path), line, name, str(wrong_note))]
    if silent := _never_said(tree):
        return None, [Problem(str(path), line, name, silent)]
    reads = reads_of(tree)
    policy = Policy(name, reason, tree["effect"] == "forbid", tree, reads, str(path), line, terms)
    if not reads:
        wrong = validate([policy], schema)
        more = f" (and {len(wrong) - 1} more)" if len(wrong) > 1 else ""
        return policy, [Problem(str(path), line, name, f"{wrong[0]}{more}")] if wrong else []
    if tree["action"] != _CALL_TOOL:
        wanted = 'reads context.arguments, so its scope must say action == Action::"call_tool"'
        return policy, [Problem(str(path), line, name, wanted)]
    return policy, []


def _never_said(tree: dict[str, Any]) -> str:
    """What a policy waits for that no question ever says: it would be silent without anybody noticing."""
    if pins := sorted(literals_beside(tree, "pin").difference(PINS)):
        return f"nothing is pinned as {pins[0]!r}; known are {', '.join(PINS)}"
    if counts := sorted(text for text in literals_beside(tree, "counts") if not THRESHOLD.fullmatch(text)):
        return f"nobody counts {counts[0]!r}; write it like calls_over_50"
    return ""


def validate(policies: Sequence[Policy], schema: cedarpy.Schema) -> list[str]:
    """What the schema has against these policies."""
    text = cedarpy.policies_from_json_str(policy_set(policies))
    return sorted(found.error for found in cedarpy.validate_policies(text, schema).errors)


def policy_set(policies: Sequence[Policy]) -> str:
    """Policies as one set in Cedar's JSON form, under their own ids."""
    trees = {policy.id: policy.tree for policy in policies}
    return json.dumps({"templates": {}, "staticPolicies": trees, "templateLinks": []})


def _lines_of(text: str) -> dict[str, int]:
    """Id → the line where it first stands."""
    found: dict[str, int] = {}
    line, end = 1, 0
    for note in _ID.finditer(text):
        line, end = line + text.count("\n", end, note.start()), note.start()
        found.setdefault(note[1], line)
    return found


def _line_of_error(text: str) -> int:
    found = re.search(r"line (\d+)", text)
    return int(found[1]) if found else 1
