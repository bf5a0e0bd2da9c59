"""What the command line says when something is missing, wrong or out of reach: a reason, a hint, an exit code."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from click.testing import Result

Command = Callable[..., Result]

NEEDS_A_FOLDER = [
    ["clients", "list"],
    ["clients", "add", "x"],
    ["clients", "revoke", "x"],
    ["pins", "list"],
    ["pins", "diff", "a", "b"],
    ["pins", "approve", "a", "--all"],
    ["incidents", "list"],
    ["incidents", "show", "INC-2026-0001"],
    ["incidents", "close", "INC-2026-0001", "--reason", "r"],
    ["quarantine", "list"],
    ["quarantine", "lift", "x", "--reason", "r"],
    ["events", "search"],
    ["events", "show", "x"],
    ["journal", "prove", "x"],
    ["console", "link"],
]


@pytest.mark.behaviour("cli.nothing-ran-yet")
@pytest.mark.parametrize("words", NEEDS_A_FOLDER, ids=" ".join)
def test_where_nothing_ran_a_command_says_so_and_makes_nothing(run: Command, tmp_path: Path, words: list[str]) -> None:
    folder = tmp_path / "never"
    result = run(*words, "--data", folder)
    assert result.exit_code == 66
    assert str(folder) in result.stderr
    assert "watchkeeper up" in result.stderr
    assert result.stdout == ""
    assert not folder.exists()


@pytest.mark.behaviour("cli.errors-as-json")
def test_with_json_an_error_is_json_on_standard_error(run: Command, tmp_path: Path) -> None:
    result = run("incidents", "list", "--data", tmp_path / "never", "--json")
    error = json.loads(result.stderr)["error"]
    assert (result.exit_code, error["code"], result.stdout) == (66, "not_found", "")
    assert error["reason"]
    assert error["hint"]


@pytest.mark.behaviour("cli.wrong-input-is-told")
@pytest.mark.parametrize(
    ("words", "code", "told"),
    [
        (["nonsense"], 2, "No such command"),
        (["pins", "approve", "a"], 2, "--all"),
        (["pins", "approve", "a", "b", "--all"], 2, "--all"),
        (["quarantine", "lift", "x"], 2, "--reason"),
        (["events", "search", "--limit", "0"], 2, "--limit"),
        (["events", "search", "--outcome", "maybe"], 2, "--outcome"),
        (["events", "search", "--since", "yesterday"], 65, "yesterday"),
        (["events", "search", "--since", "1h", "--until", "2h"], 65, "ends before it begins"),
        (["events", "search", "--kind", "A b"], 65, "not a kind"),
        (["events", "show", "nope"], 66, "nope"),
        (["journal", "prove", "nope"], 66, "nope"),
        (["incidents", "list", "--state", "bogus"], 65, "bogus"),
        (["incidents", "show", "nope"], 66, "nope"),
        (["pins", "diff", "nope", "nope"], 66, "nope"),
        (["pins", "approve", "nope", "--all"], 66, "nope"),
        (["quarantine", "lift", "nope", "--reason", "r"], 66, "nope"),
        (["clients", "revoke", "nope"], 66, "nope"),
        (["clients", "add", "a name!"], 65, "a name!"),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, list) else None,
)
def test_wrong_input_is_told_with_its_exit_code(
    run: Command, empty: Path, words: list[str], code: int, told: str
) -> None:
    result = run(*words, *([] if words == ["nonsense"] else ["--data", empty]))
    assert (result.exit_code, result.stdout) == (code, "")
    assert told in result.stderr


@pytest.mark.behaviour("cli.data-folder-that-is-none")
@pytest.mark.parametrize("words", [["pins", "list"], ["events", "search"], ["up"], ["config", "check"]], ids=" ".join)
def test_a_data_folder_that_is_a_file_is_told(
    run: Command, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, words: list[str]
) -> None:
    file = tmp_path / "file"
    file.write_text("")
    monkeypatch.setenv("WATCHKEEPER_DATA", str(file))
    result = run(*words)
    assert result.exit_code == 78
    assert f"{file} is not a folder" in result.stderr
    assert run(*words, "--data", file).exit_code == 2


def test_a_data_folder_below_a_file_is_told(run: Command, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    result = run("up", "--data", tmp_path / "file" / "data")
    assert result.exit_code == 75
    assert "cannot make" in result.stderr


@pytest.mark.behaviour("cli.no-traceback-for-files")
def test_a_proof_that_cannot_be_written_is_told(run: Command, estate: Path, tmp_path: Path) -> None:
    event = json.loads(run("events", "search", "--data", estate, "--json", "--outcome", "deny").stdout)
    result = run("journal", "prove", event["id"], "--data", estate, "--out", tmp_path / "missing" / "proof.json")
    assert result.exit_code == 75
    assert "cannot write" in result.stderr


@pytest.mark.behaviour("cli.out-of-reach")
@pytest.mark.parametrize("words", [["config", "check"], ["up"], ["pins", "list"], ["events", "search"]], ids=" ".join)
def test_a_data_folder_out_of_reach_is_told(run: Command, tmp_path: Path, words: list[str]) -> None:
    loop = tmp_path / "loop"
    loop.symlink_to(loop)
    for folder in (loop / "data", tmp_path / ("x" * 300)):
        result = run(*words, "--data", folder)
        assert result.exit_code == 78
        assert "cannot read" in result.stderr


@pytest.mark.behaviour("cli.reader-that-leaves")
def test_a_pipe_that_closes_early_makes_no_noise() -> None:
    code = "import sys; sys.stdin.read(1)"
    shown = subprocess.Popen(
        [sys.executable, "-m", "watchkeeper", "journal", "verifier"], stdout=subprocess.PIPE, stderr=subprocess.PIPE
    )
    assert shown.stdout is not None
    subprocess.run([sys.executable, "-c", code], stdin=shown.stdout, check=True)
    _, noise = shown.communicate(timeout=60)
    assert b"Traceback" not in noise
