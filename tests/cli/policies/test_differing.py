"""`policy diff`: the answer, the case that replays, and the exit code for a build."""

from __future__ import annotations

import builtins
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from click.testing import Result

Command = Callable[..., Result]
POLICY = '@id("own.main") @reason("r") forbid (principal, action == Action::"call_tool", resource == Tool::"git/push")'


@pytest.fixture
def folders(tmp_path: Path) -> tuple[Path, Path]:
    old, new = tmp_path / "old", tmp_path / "new"
    for folder, pattern in ((old, "main*"), (new, "main")):
        folder.mkdir()
        condition = f'context.arguments has branch && context.arguments.branch like "{pattern}"'
        (folder / "own.cedar").write_text(f"{POLICY} when {{ {condition} }};")
    return old, new


@pytest.mark.behaviour("policy.diff-widening")
def test_a_narrower_pattern_is_told_with_a_case_that_replays(
    run: Command, folders: tuple[Path, Path], tmp_path: Path
) -> None:
    old, new = folders
    result = run("policy", "diff", old, new, "--write", old / "found.tests.yaml", "--data", tmp_path / "data")
    assert result.exit_code == 1
    assert "own.main (edited): deny → allow, call_tool git/push" in result.stdout
    assert "Answer: newly allowed." in result.stdout
    assert run("policy", "test", old).exit_code == 0
    (new / "found.tests.yaml").write_text((old / "found.tests.yaml").read_text())
    assert run("policy", "test", new).exit_code == 1
    told = json.loads(run("policy", "diff", old, new, "--json", "--data", tmp_path / "data").stdout)
    assert (told["answer"], told["newly_denied"], told["inconclusive"]) == ("newly allowed", [], [])
    back = run("policy", "diff", new, old, "--data", tmp_path / "data")
    assert (back.exit_code, "Answer: nothing newly allowed." in back.stdout) == (0, True)
    assert run("policy", "diff", new, old, "--fail-on", "newly-denied", "--data", tmp_path / "data").exit_code == 1


def test_without_the_solver_the_command_says_what_to_install(
    run: Command, folders: tuple[Path, Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    real = builtins.__import__

    def without(name: str, *args: Any) -> Any:
        if name == "watchkeeper.policy.diff.search":
            raise ModuleNotFoundError(name)
        return real(name, *args)

    monkeypatch.setattr(builtins, "__import__", without)
    result = run("policy", "diff", *folders)
    assert result.exit_code == 75
    assert "watchkeeper[analysis]" in result.stderr
