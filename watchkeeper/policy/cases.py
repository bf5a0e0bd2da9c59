"""Tests that lie beside policies: `*.tests.yaml`, questions with the answers expected of them."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import msgspec
import yaml

from watchkeeper.core.errors import Misconfigured
from watchkeeper.policy.engine import PolicyEngine
from watchkeeper.policy.model import Effect, Question, Verdict
from watchkeeper.policy.sources import files_of

_SETS = ("groups", "findings", "labels", "flow", "counts", "times")


class Case(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """One question and its expected answer."""

    name: str
    effect: Effect
    rules: tuple[str, ...]
    ask: dict[str, Any] = {}
    """Members of a `Question`; `arguments` is written as YAML."""
    input_schema: dict[str, Any] | None = None


class _File(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    cases: tuple[Case, ...]
    ask: dict[str, Any] = {}


def read_cases(folders: Sequence[Path]) -> list[tuple[str, Case]]:
    """(file, case) of every `*.tests.yaml`, defaults filled in. Raises `Misconfigured`."""
    found: list[tuple[str, Case]] = []
    for path in (path for folder in folders for path in files_of(folder, ".tests.yaml")):
        found += ((str(path), case) for case in read_file(path))
    return found


def read_file(path: Path) -> list[Case]:
    """The cases of one file, defaults filled in. Raises `Misconfigured`."""
    try:
        file = msgspec.convert(yaml.safe_load(path.read_text(encoding="utf-8")), _File)
    except (OSError, UnicodeDecodeError, yaml.YAMLError, msgspec.ValidationError) as error:
        raise Misconfigured(f"{path}: {error}", hint="see docs/concepts/policy.md") from error
    return [msgspec.structs.replace(case, ask=file.ask | case.ask) for case in file.cases]


class Told(msgspec.Struct, frozen=True):
    """What came of a case."""

    verdict: Verdict
    difference: str
    """From the expected answer; empty when there is none."""


def run_case(engine: PolicyEngine, case: Case) -> str:
    """What differs from the expected answer; empty when nothing does. Raises `Misconfigured` for no question at all."""
    return tell(engine, case).difference


def tell(engine: PolicyEngine, case: Case) -> Told:
    """The verdict on a case, and what differs from the expected one. Raises `Misconfigured` for no question at all."""
    verdict = engine.decide(question_of(case), schema_of(case))
    if (verdict.effect, verdict.rules) == (case.effect, tuple(sorted(case.rules))):
        return Told(verdict, "")
    expected = f"expected {case.effect} by {list(case.rules)}"
    return Told(verdict, f"{expected}, got {verdict.effect} by {list(verdict.rules)}")


def question_of(case: Case) -> Question:
    """What a case asks. Raises `Misconfigured` for no question at all."""
    fields = dict(case.ask)
    if "arguments" in fields:
        fields["arguments"] = msgspec.json.encode(fields["arguments"])
    try:
        return Question(**msgspec.convert(fields, dict[str, Any]) | _tuples(fields))
    except TypeError as error:
        raise Misconfigured(f"the case {case.name!r} asks no question: {error}") from error


def schema_of(case: Case) -> bytes | None:
    """The input schema of the tool that a case is about."""
    return None if case.input_schema is None else msgspec.json.encode(case.input_schema)


def _tuples(fields: dict[str, Any]) -> dict[str, tuple[str, ...]]:
    return {name: tuple(fields[name]) for name in _SETS if name in fields}
