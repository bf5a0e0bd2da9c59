"""docs/guides/outside-verification.md, done as it says: the operator's commands and the auditor's, in order."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
import tomllib
from pathlib import Path

import msgspec
import pytest

from watchkeeper.app.settings import Settings
from watchkeeper.events import Journal, JournalReader, new_event

PAGE = Path(__file__).resolve().parents[2] / "docs" / "guides" / "outside-verification.md"


class Desk:
    """A folder in which both work, and a log that goes on being written."""

    def __init__(self, root: Path) -> None:
        self.root, self.data = root, root / "data"
        programs = root / "bin"
        programs.mkdir()
        for name, arguments in (("watchkeeper", "-m watchkeeper"), ("python3", "")):
            (programs / name).write_text(f'#!/bin/sh\nexec {sys.executable} -W ignore {arguments} "$@"\n')
            (programs / name).chmod(0o755)
        self.environment = {name: value for name, value in os.environ.items() if not name.startswith("WATCHKEEPER_")}
        self.environment |= {"PATH": f"{programs}:{self.environment['PATH']}", "DATA": str(self.data)}

    def record(self, count: int, kind: str = "gateway.request.decided") -> None:
        log = Journal.open(self.data, "gateway")
        for number in range(count):
            last = log.append(new_event(number, kind, actor="agent:ada", body={"number": number}))
        log.wait(last)
        log.close()

    def run(self, block: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            ["sh", "-ec", block], cwd=self.root, env=self.environment, capture_output=True, text=True, check=False
        )


@pytest.mark.slow
@pytest.mark.behaviour("docs.outside-verification")
def test_the_guide_works_and_its_auditor_notices_a_rewritten_past(tmp_path: Path) -> None:
    desk = Desk(tmp_path)
    desk.record(300)
    text = PAGE.read_text(encoding="utf-8")
    fenced = re.findall(r"^```([a-z]*)\n(.*?)^```$", text, re.MULTILINE | re.DOTALL)
    blocks = [body for language, body in fenced if language == "sh"]
    (settings,) = (body for language, body in fenced if language == "toml")
    (shown,) = (body for language, body in fenced if not language)
    assert msgspec.convert(tomllib.loads(settings), Settings).journal.tiles.listen == "127.0.0.1:7320"
    said = []
    for number, block in enumerate(blocks):
        if "kept-1.note --save kept-2" in block:
            desk.record(500)
            reader = JournalReader(desk.data)
            desk.environment["EVENT"] = next(r.event.id for r in reader.read({"gateway": 290}) if r.event)
            reader.close()
        done = desk.run(block)
        assert (done.returncode, done.stderr) == (0, ""), f"block {number}: {block}"
        said.append(done.stdout)
    words = [re.split(r"[ :]", line)[0] for line in said[3].splitlines()]
    assert words == [re.split(r"[ :]", line)[0] for line in shown.splitlines()]
    assert "begins with the tree of 301" in said[4]
    assert "inclusion" in said[6]
    assert "everything" in said[7]
    # and what it is for
    shutil.rmtree(desk.data / "journal" / "gateway")
    shutil.rmtree(desk.data / "run")
    shutil.rmtree(desk.root / "public")
    desk.record(900, "gateway.message.decided")
    done = desk.run(blocks[4])
    assert (done.returncode, "REFUSED" in done.stderr) == (1, True)
