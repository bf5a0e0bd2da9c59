"""A file or an argument that is nested without end is bad input, and no fault of ours."""

from __future__ import annotations

from pathlib import Path

import pytest
from click.testing import CliRunner

from watchkeeper.cli import main

DEEP = '{"it": ' + "[" * 300_000 + "]" * 300_000 + "}"


@pytest.mark.parametrize(
    "words",
    [
        ("playbooks", "dry-run", "rug_pull", "--alerts", "{file}"),
        ("policy", "explain", "--principal", "a", "--server", "s", "--arguments", "@{file}"),
        ("scan", "--cases", "{file}"),
    ],
    ids=["alerts", "arguments", "cases"],
)
@pytest.mark.behaviour("cli.deep-input")
def test_what_is_nested_without_end_is_refused(tmp_path: Path, words: tuple[str, ...]) -> None:
    file = tmp_path / "deep.json"
    file.write_text(DEEP)
    told = CliRunner().invoke(main, [word.format(file=file) for word in words])
    assert told.exit_code == 65, (told.output, told.exception)
    assert isinstance(told.exception, SystemExit)
