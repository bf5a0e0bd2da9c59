from __future__ import annotations

import json
import sys
from pathlib import Path

import pytest

from tests.app.mcp_server import small_server
from tests.app.scan.conftest import HARMLESS, POISONED, Scan, command, reading, write

confined = pytest.mark.skipif(sys.platform != "linux", reason="servers are confined on Linux only")


def entry(nature: str, **more: object) -> dict[str, object]:
    words = command(nature)
    return {"command": words[0], "args": words[1:], **more}


@confined
@pytest.mark.behaviour("scan.started-servers")
@pytest.mark.parametrize(("nature", "code"), [("honest", 0), ("poisoned", 1), ("instructs", 1), ("twice", 1)])
def test_a_server_is_started_listed_and_judged(scan: Scan, nature: str, code: int) -> None:
    found = scan("--json", *reading(), "--", *command(nature))
    assert found.exit_code == code, found.output
    report = json.loads(found.stdout)
    assert report["complete"]
    loud = [one["name"] for one in report["definitions"] if one["verdict"] in ("suspicious", "harmful")]
    expected = {"honest": [], "poisoned": ["add"], "instructs": ["instructions"], "twice": ["get_forecast"] * 2}
    assert loud == expected[nature]


@confined
@pytest.mark.behaviour("scan.partial-is-told")
@pytest.mark.parametrize(
    ("nature", "why"),
    [("ends", "exit code 3"), ("silent", "within 2 seconds"), ("refuses_prompts", "prompts/list")],
)
def test_what_could_not_be_seen_is_told_and_never_reads_as_clean(scan: Scan, nature: str, why: str) -> None:
    found = scan("--timeout", "2" if nature == "silent" else "30", *reading(), "--", *command(nature))
    assert found.exit_code == 2, found.output
    assert "COULD NOT BE LOOKED AT COMPLETELY" in found.stdout
    assert why in found.stdout


@confined
@pytest.mark.behaviour("scan.partial-is-told")
def test_a_server_without_templates_is_looked_at_completely(scan: Scan) -> None:
    found = scan("--json", *reading(), "--", *command("no_templates"))
    assert found.exit_code == 0, found.output
    assert [one["kind"] for one in json.loads(found.stdout)["definitions"]] == ["tool", "resource"]


@confined
@pytest.mark.behaviour("scan.no-secrets-given")
def test_a_server_gets_placeholders_and_the_secrets_only_when_asked(
    scan: Scan, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("OUR_SECRET", "never")
    monkeypatch.setenv("GIVEN", "yes")
    path = write(tmp_path / "mcp.json", {"mcpServers": {"s": entry("environment", env={"TOKEN": "open-sesame"})}})
    target = write(tmp_path / "told.txt", "")

    def told(*more: str) -> str:
        found = scan("--sarif", target, "--json", "--fail-on", "never", *reading(), *more, path)
        assert found.exit_code == 0, found.output
        return found.stdout

    # the description is in no output of a clean tool, so its fingerprint tells whether it is another one
    plain, with_secrets, with_variable = told(), told("--with-secrets"), told("--env", "GIVEN")
    prints = [json.loads(text)["definitions"][0]["fingerprint"] for text in (plain, with_secrets, with_variable)]
    assert len(set(prints)) == 3
    assert "open-sesame" not in plain + with_secrets


@confined
@pytest.mark.behaviour("scan.client-files")
def test_every_server_of_a_clients_file_is_looked_at_beside_the_others(scan: Scan, tmp_path: Path) -> None:
    tree = {
        "mcpServers": {
            "good": entry("honest"),
            "bad": entry("poisoned"),
            "off": entry("poisoned", disabled=True),
            "torn": {"command": 7},
        }
    }
    found = scan("--json", *reading(), write(tmp_path / "mcp.json", tree))
    assert found.exit_code == 2, found.output
    report = json.loads(found.stdout)
    assert {one["name"]: one["status"] for one in report["sources"]} == {
        "good": "seen",
        "bad": "seen",
        "off": "skipped",
        "torn": "incomplete",
    }
    assert [(o["server"], o["name"]) for o in report["definitions"] if o["verdict"] == "harmful"] == [("bad", "add")]
    same = [o for o in report["definitions"] if any(r["rule"] == "names.same" for r in o["reasons"])]
    assert [(o["server"], o["verdict"]) for o in same] == [("bad", "note")]


@pytest.mark.behaviour("scan.urls")
def test_a_server_at_a_url_is_looked_at(scan: Scan) -> None:
    with small_server() as keeper:
        found = scan("--json", "--fail-on", "never", keeper.url)
    assert found.exit_code == 0, found.output
    assert [one["name"] for one in json.loads(found.stdout)["definitions"]] == ["echo", "slow"]
    assert "tools/call" not in keeper.methods()


@pytest.mark.behaviour("scan.urls")
@pytest.mark.parametrize("url", ["http://169.254.169.254/mcp", "http://10.0.0.1/mcp", "https://[fe80::1]/mcp"])
def test_a_file_cannot_lead_the_scanner_into_the_own_network(scan: Scan, tmp_path: Path, url: str) -> None:
    found = scan("--json", write(tmp_path / "mcp.json", {"mcpServers": {"s": {"url": url}}}))
    assert found.exit_code == 2
    (source,) = json.loads(found.stdout)["sources"]
    assert "not public" in source["reason"] or "not https" in source["reason"]


@pytest.mark.behaviour("scan.known-clients")
def test_known_finds_the_files_and_tells_of_one_that_cannot_be_read(scan: Scan, tmp_path: Path) -> None:
    nothing = scan("--known")
    assert nothing.exit_code == 0
    assert "no servers were found" in nothing.stdout
    write(tmp_path / "home" / ".cursor" / "mcp.json", "{ torn")
    write(tmp_path / "home" / ".kiro" / "settings" / "mcp.json", {"mcpServers": {}})
    found = scan("--known")
    assert found.exit_code == 2
    assert "COULD NOT BE LOOKED AT COMPLETELY" in found.stdout


@pytest.mark.behaviour("scan.table")
def test_the_table_shows_what_told_and_obeys_no_server(scan: Scan, tmp_path: Path) -> None:
    hostile = {**POISONED, "name": "add\x1b[31m\u202e", "description": POISONED["description"] + "\x1b[2J"}
    path = write(tmp_path / "tools.json", [HARMLESS, hostile])
    found = scan(path, "--verbose")
    assert found.exit_code == 1
    assert "harmful" in found.stdout
    assert "Ignore all previous instructions" in found.stdout
    assert "\x1b" not in found.stdout
    assert "\u202e" not in found.stdout
    assert "2 definitions of 1 sources: 1 harmful, 1 clean" in found.stdout


@pytest.mark.behaviour("scan.fail-on")
@pytest.mark.parametrize(("level", "code"), [("note", 1), ("suspicious", 1), ("harmful", 1), ("never", 0)])
def test_the_exit_code_follows_the_level(scan: Scan, tmp_path: Path, level: str, code: int) -> None:
    assert scan("--fail-on", level, write(tmp_path / "tools.json", [POISONED])).exit_code == code


@pytest.mark.behaviour("scan.table")
def test_without_a_target_it_says_what_one_is(scan: Scan) -> None:
    found = scan()
    assert found.exit_code == 2
    assert "watchkeeper scan --known" in found.output


@pytest.mark.behaviour("scan.capabilities")
def test_what_a_tool_can_do_is_a_label_and_no_alarm(scan: Scan, tmp_path: Path) -> None:
    tool = {"name": "delete_file", "description": "Deletes a file.", "inputSchema": {"type": "object"}}
    found = scan("--json", write(tmp_path / "tools.json", [tool]))
    assert found.exit_code == 0, found.output
    (one,) = json.loads(found.stdout)["definitions"]
    assert one["verdict"] == "clean"
    assert "destroys" in one["can"]
