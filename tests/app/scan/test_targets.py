from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from tests.app.scan.conftest import HARMLESS, POISONED, write
from watchkeeper.app.scan.model import Shown, Source
from watchkeeper.app.scan.targets import sources_for
from watchkeeper.core.errors import Invalid

TOOLS = [HARMLESS, POISONED]
PROMPT = {"name": "p", "description": "d"}


@pytest.mark.behaviour("scan.list-files")
@pytest.mark.parametrize(
    ("tree", "expected"),
    [
        (TOOLS, ["get_forecast", "add"]),
        ({"tools": TOOLS}, ["get_forecast", "add"]),
        ({"jsonrpc": "2.0", "id": 1, "result": {"tools": TOOLS}}, ["get_forecast", "add"]),
        ({"tools": TOOLS, "prompts": [PROMPT], "instructions": "i"}, ["get_forecast", "add", "p", "instructions"]),
        ([{"result": {"tools": [HARMLESS]}}, {"result": {"prompts": [PROMPT]}}], ["get_forecast", "p"]),
        ({"resources": [{"uri": "a://b"}], "resourceTemplates": [{"uriTemplate": "a://{x}"}]}, ["a://b", "a://{x}"]),
        ([], []),
    ],
)
def test_a_file_of_lists_is_read_in_each_of_its_shapes(tmp_path: Path, tree: Any, expected: list[str]) -> None:
    (found,) = sources_for([str(write(tmp_path / "mine.json", tree))], [])
    assert isinstance(found, Shown)
    assert found.source.name == "mine"
    assert [definition.name for definition in found.definitions] == expected


@pytest.mark.behaviour("scan.targets")
def test_urls_commands_and_what_stands_behind_the_dashes_are_servers(tmp_path: Path) -> None:
    script = write(tmp_path / "run", "#!/bin/sh\n")
    found = sources_for(["https://h.test/mcp", "npx -y 'a server'", str(script)], ["python", "-m", "x", "--json"])
    servers = [one.server for one in found if isinstance(one, Source) and one.server]
    assert [server.url or server.command for server in servers] == [
        "https://h.test/mcp",
        ("npx", "-y", "a server"),
        (str(script),),
        ("python", "-m", "x", "--json"),
    ]


@pytest.mark.behaviour("scan.bad-targets-named")
@pytest.mark.parametrize(
    ("name", "tree"), [("x.json", {"a": 1}), ("y.json", "{"), ("z.json", "[1, 2]"), ("t.json", '"text"')]
)
def test_a_file_that_is_neither_is_refused(tmp_path: Path, name: str, tree: Any) -> None:
    with pytest.raises(Invalid):
        sources_for([str(write(tmp_path / name, tree))], [])


@pytest.mark.behaviour("scan.bad-targets-named")
@pytest.mark.parametrize("target", ["nowhere.json", "'unfinished", ""])
def test_what_cannot_be_meant_is_refused(target: str) -> None:
    with pytest.raises(Invalid):
        sources_for([target], [])
