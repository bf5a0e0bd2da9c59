"""`watchkeeper ingest`: a file by hand, what became of it, and the watch's sources."""

from __future__ import annotations

import gzip
import json
from pathlib import Path

import pytest
from click.testing import CliRunner

from watchkeeper.cli import main
from watchkeeper.events.lake.search import Search

KEY = "AKIA" + "QXT7ZM4KWPLR2VNC"
LOG = (
    "2025-07-03T16:56:34.1Z\tinfo\trequest mcp.method.name=tools/call mcp.target=files"
    " gen_ai.tool.name=read jwt.sub=ada\n"
    "2025-07-03T16:56:35.1Z\tinfo\trequest mcp.method.name=tools/call mcp.target=files gen_ai.tool.name=send"
    f' gen_ai.tool.call.arguments="{{\\"key\\":\\"{KEY}\\"}}"\n'
    "2025-07-03T16:56:36.1Z\tinfo\tproxy started\nsomething else\n"
)


def run(*arguments: str | Path) -> tuple[int, str]:
    done = CliRunner().invoke(main, ["ingest", *(str(one) for one in arguments)])
    return done.exit_code, done.output


@pytest.mark.behaviour("ingest.once")
def test_a_file_is_taken_in_once_plain_or_packed(tmp_path: Path) -> None:
    (tmp_path / "agw.log.gz").write_bytes(gzip.compress(LOG.encode()))
    (tmp_path / "agw.log").write_text(LOG)
    data = tmp_path / "data"
    code, told = run("file", tmp_path / "agw.log.gz", "--format", "agentgateway", "--data", data, "--json")
    tally = json.loads(told)["tally"]
    assert (code, tally["taken"], tally["flagged"], tally["passed_over"]) == (0, 2, 1, 1)
    assert sum(tally["refused"].values()) == 1
    _, again = run("file", tmp_path / "agw.log", "--format", "agentgateway", "--data", data, "--json")
    assert (json.loads(again)["tally"]["taken"], json.loads(again)["tally"]["doubled"]) == (0, 2)
    found = Search(data).events(unbounded=True, kind="gateway.request.observed")
    assert sorted(event.target for event in found) == ["read", "send"]
    assert KEY not in str(found)


def test_a_dry_run_shows_and_records_nothing(tmp_path: Path) -> None:
    (tmp_path / "agw.log").write_text(LOG)
    code, told = run("file", tmp_path / "agw.log", "--format", "agentgateway", "--data", tmp_path / "d", "--dry-run")
    assert (code, "2 would be recorded" in told, "gateway.request.observed" in told) == (0, True, True)
    assert not (tmp_path / "d").exists()


@pytest.mark.parametrize(
    ("content", "arguments", "code", "told"),
    [
        ("garbage\n", ["--format", "agentgateway"], 65, "nothing of"),
        ("{}", ["--format", "jsonl"], 65, "mapping"),
        ("{}", ["--format", "ocsf", "--mapping", "x.yaml"], 65, "takes no mapping"),
        (None, ["--format", "ocsf"], 66, "there is no file"),
        ("{}", ["--format", "syslog"], 2, "syslog"),
    ],
)
def test_bad_input_is_told(tmp_path: Path, content: str | None, arguments: list[str], code: int, told: str) -> None:
    path = tmp_path / "log"
    if content is not None:
        path.write_text(content)
    ended = run("file", path, *arguments, "--data", tmp_path / "data")
    assert ended[0] == code
    assert told in ended[1]


def test_a_file_that_is_cut_off_keeps_what_was_read(tmp_path: Path) -> None:
    (tmp_path / "a.gz").write_bytes(gzip.compress(LOG.encode() * 50)[:-8])
    code, told = run("file", tmp_path / "a.gz", "--format", "agentgateway", "--data", tmp_path / "data")
    assert (code, "does not unpack" in told) == (65, True)


def test_formats_mapping_check_and_status_teach(tmp_path: Path) -> None:
    assert "agentgateway" in run("formats")[1]
    mapping = tmp_path / "m.yaml"
    mapping.write_text("title: t\nfields: {target: tool}\ntests: [{line: {tool: a}, gives: {target: a}}]\n")
    assert run("check", mapping) == (0, f"{mapping} is a mapping, and its tests pass.\n")
    mapping.write_text("title: t\nfields: {tool: tool}\n")
    assert run("check", mapping)[0] == 65
    assert run("status", "--data", tmp_path)[0] == 66
