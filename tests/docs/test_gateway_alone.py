"""The program of docs/guides/gateway-alone.md does what the page says."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

from tests.app.mcp_server import small_server

PAGE = Path(__file__).resolve().parents[2] / "docs" / "guides" / "gateway-alone.md"


def test_the_program_of_the_page_calls_through_a_gateway_of_its_own(tmp_path: Path) -> None:
    (program,) = re.findall(r"^```python\n(.*?)^```", PAGE.read_text(encoding="utf-8"), re.MULTILINE | re.DOTALL)
    command = tmp_path / "watchkeeper"
    command.write_text(f'#!/bin/sh\nexec {sys.executable} -m watchkeeper "$@"\n')
    command.chmod(0o755)
    environment = {name: value for name, value in os.environ.items() if not name.startswith("WATCHKEEPER_")}
    with small_server() as server:
        environment |= {"SERVER": server.url, "PATH": f"{tmp_path}:{environment['PATH']}"}
        done = subprocess.run(
            [sys.executable, "-W", "ignore", "-c", program],
            env=environment,
            capture_output=True,
            text=True,
            timeout=100,
            check=False,
        )
    assert (done.returncode, done.stdout) == (0, "['echo', 'slow']\n"), done.stderr
