"""`watchkeeper journal tiles`: static files, written again and again."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from click.testing import CliRunner

from watchkeeper.cli import main
from watchkeeper.events import Journal, new_event


def record(data_dir: Path, count: int) -> None:
    log = Journal.open(data_dir, "gateway")
    for number in range(count):
        last = log.append(new_event(number, "gateway.request.decided", actor="agent:ada"))
    log.wait(last)
    log.close()


@pytest.mark.behaviour("journal.tiles-exported")
def test_a_log_is_written_as_files_and_what_is_new_is_added(tmp_path: Path) -> None:
    data, folder = tmp_path / "data", tmp_path / "tiles"
    command = ["tiles", "--export", str(folder), "--data", str(data), "--json"]
    record(data, 255)
    first = json.loads(CliRunner().invoke(main, ["journal", *command]).output)
    assert first == [{"writer": "gateway", "size": 256, "folder": str(folder / "gateway")}]
    before = (folder / "gateway" / "tile" / "0" / "000").stat()
    record(data, 9)
    assert json.loads(CliRunner().invoke(main, ["journal", *command]).output)[0]["size"] == 266
    files = sorted(str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_file())
    assert files == [
        "gateway/checkpoint",
        "gateway/public.vkey",
        "gateway/tile/0/000",
        "gateway/tile/0/001.p/10",
        "gateway/tile/1/000.p/1",
        "gateway/tile/entries/000",
        "gateway/tile/entries/001.p/10",
    ]
    after = (folder / "gateway" / "tile" / "0" / "000").stat()
    assert (after.st_ino, after.st_mtime_ns) == (before.st_ino, before.st_mtime_ns)


def test_where_nothing_was_recorded_it_says_so(tmp_path: Path) -> None:
    done = CliRunner().invoke(
        main, ["journal", "tiles", "--export", str(tmp_path / "t"), "--data", str(tmp_path / "none")]
    )
    assert done.exit_code == 66
