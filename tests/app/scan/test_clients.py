from __future__ import annotations

from pathlib import Path

import pytest

from tests.app.scan.conftest import write
from watchkeeper.app.scan.clients import files_here, known_clients, servers_in
from watchkeeper.core.errors import Invalid

ENTRY = {"command": "npx", "args": ["-y", "a-server"], "env": {"TOKEN": "t"}}
NPX = ("npx", "-y", "a-server")


@pytest.mark.behaviour("scan.client-files")
@pytest.mark.parametrize(
    ("name", "text", "names"),
    [
        ("claude_desktop_config.json", {"mcpServers": {"files": ENTRY}}, ["files"]),
        (".claude.json", {"mcpServers": {}, "projects": {"/p": {"mcpServers": {"files": ENTRY}}}}, ["files"]),
        ("mcp.json", {"servers": {"files": ENTRY | {"type": "stdio"}}}, ["files"]),
        ("settings.json", {"mcp": {"servers": {"files": ENTRY}}, "editor.tabSize": 4}, ["files"]),
        ("zed.json", {"context_servers": {"files": {"command": {"path": "npx", "args": [*NPX[1:]]}}}}, ["files"]),
        ("opencode.json", {"mcp": {"files": {"type": "local", "command": ["npx", "-y", "a-server"]}}}, ["files"]),
        ("config.toml", '[mcp_servers.files]\ncommand = "npx"\nargs = ["-y", "a-server"]\n', ["files"]),
        ("config.yaml", "mcpServers:\n  - name: files\n    command: npx\n    args: [-y, a-server]\n", ["files"]),
        ("goose.yaml", "extensions:\n  files:\n    type: stdio\n    cmd: npx\n    args: [-y, a-server]\n", ["files"]),
        ("amp.json", {"amp.mcpServers": {"files": ENTRY}}, ["files"]),
        (".mcp.json", {"files": ENTRY}, ["files"]),
        ("one-line.json", {"mcpServers": {"files": {"command": "npx -y a-server"}}}, ["files"]),
    ],
)  # fmt: skip
def test_servers_are_found_in_the_files_of_clients(tmp_path: Path, name: str, text: object, names: list[str]) -> None:
    found = servers_in(write(tmp_path / name, text))
    assert found is not None
    assert [source.name for source in found] == names
    assert [source.server.command for source in found if source.server] == [NPX]


@pytest.mark.behaviour("scan.client-files")
def test_comments_and_trailing_commas_are_read_and_text_that_looks_like_them_is_kept(tmp_path: Path) -> None:
    text = """{ // ours
      "servers": { /* one, */
        "web": {"type": "http", "url": "https://h.test/mcp", "headers": {"X": "a,] // b"},},
      },
    }"""
    (source,) = servers_in(write(tmp_path / "mcp.json", text)) or []
    assert source.server is not None
    assert (source.server.url, source.server.headers) == ("https://h.test/mcp", {"X": "a,] // b"})
    assert (source.pointer, source.line) == ("/servers/web", 3)


@pytest.mark.behaviour("scan.client-files")
@pytest.mark.parametrize("key", ["url", "serverUrl", "httpUrl", "uri"])
def test_a_url_is_found_by_whatever_name_the_client_gives_it(tmp_path: Path, key: str) -> None:
    (source,) = servers_in(write(tmp_path / "mcp.json", {"mcpServers": {"a b/c": {key: "https://h.test/mcp"}}})) or []
    assert source.server is not None
    assert (source.name, source.server.url) == ("a-b-c", "https://h.test/mcp")


@pytest.mark.behaviour("scan.nothing-left-out")
def test_an_entry_that_makes_no_sense_is_broken_and_one_that_is_off_is_skipped(tmp_path: Path) -> None:
    tree = {"mcpServers": {"a": {"command": 7}, "b": {**ENTRY, "disabled": True}, "c": {"command": "x", "args": [1]}}}
    a, b, c = servers_in(write(tmp_path / "mcp.json", tree)) or []
    assert a.broken
    assert not a.server
    assert b.skipped
    assert not b.broken
    assert "words" in c.broken


@pytest.mark.behaviour("scan.client-files")
def test_other_files_are_not_taken_for_a_clients(tmp_path: Path) -> None:
    assert servers_in(write(tmp_path / "package.json", {"name": "x", "scripts": {"test": "y"}})) is None
    assert servers_in(write(tmp_path / "empty.json", {"mcpServers": {}})) == []
    with pytest.raises(Invalid):
        servers_in(write(tmp_path / "torn.json", '{"mcpServers": {'))


@pytest.mark.behaviour("scan.known-clients")
def test_the_files_of_known_clients_are_found_where_they_lie(tmp_path: Path) -> None:
    home, here = tmp_path / "ho[m]e", tmp_path / "here"
    made = [
        write(home / ".cursor" / "mcp.json", {}),
        write(home / ".config" / "Code" / "User" / "profiles" / "x" / "mcp.json", {}),
        write(home / ".claude" / "plugins" / "cache" / "a" / "b" / ".mcp.json", {}),
        write(here / ".vscode" / "mcp.json", {}),
    ]
    write(home / "Library" / "Application Support" / "Claude" / "claude_desktop_config.json", {})
    assert sorted(files_here(home, here, {}, "linux")) == sorted(made)
    mac = files_here(home, here, {}, "darwin")
    assert any("claude_desktop_config" in path.name for path in mac)
    managed = write(tmp_path / "pd" / "opencode" / "opencode.json", {})
    assert managed in files_here(home, here, {"ProgramData": str(tmp_path / "pd")}, "win32")


@pytest.mark.behaviour("scan.known-clients")
def test_each_known_client_has_files_and_pointers() -> None:
    clients = known_clients()
    assert {"claude-desktop", "cursor", "vscode", "windsurf", "claude-code", "zed"} <= {one.client for one in clients}
    for client in clients:
        assert client.files
        assert all(file.servers and all(pointer.startswith("/") for pointer in file.servers) for file in client.files)
