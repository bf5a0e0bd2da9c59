"""`config check` and `policy check`: what cannot work is told before anything starts."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from click.testing import Result

Command = Callable[..., Result]

FLAWS = [
    ("[gateway\n", "is not TOML"),
    ("gateway = 3\n", "gateway: expected a table, got a whole number"),
    ('[gateway]\nport = "x"\n', "gateway.port: expected a whole number, got text"),
    ("[servers.ok]\nurl='http://x/'\n[servers.bad]\ncommand='x'\n", "servers.bad.command: expected a list, got text"),
    ("[server.time]\n", "no setting server"),
    ('[servers.a]\ncommand = ["no-such-program-here"]\n', "servers.a.command: there is no program"),
    ('[servers.a]\ncommand = [""]\n', "servers.a.command"),
    (f'[servers.a]\ncommand = ["{sys.executable}"]\ncwd = "/no/such/folder"\n', "servers.a.cwd"),
    ('[policy]\nfolders = ["/no/such/folder"]\n', "policy.folders: there is no folder"),
    ('[detect]\nrules = "/no/such/folder"\n', "detect.rules: there is no folder"),
    ('[detect]\nplaceholders = "/no/such/folder"\n', "detect.placeholders: there is no folder"),
    ('[respond]\nplaybooks = "/no/such/folder"\n', "respond.playbooks: there is no folder"),
    ("[gateway]\nport = 7300\n", "port 7300"),
    (
        '[gateway]\ntls_certificate = "/no/such.pem"\ntls_key = "/no/such.key"\n',
        "gateway.tls_certificate: /no/such.pem",
    ),
    ('[servers.a]\nurl = "https://a.example/mcp"\ntls_ca = "/no/such.pem"\n', "servers.a.tls_ca: /no/such.pem"),
    ("[issuers.corp]\n", "issuers.corp.url is missing"),
    ('[issuers.corp]\nurl = "http://login.example.com"\n', "issuers.corp.url: http://login.example.com/ is not https"),
    ('[issuers.corp]\nurl = "https://10.0.0.1"\n', "issuers.corp.url: https://10.0.0.1/ leads to an address"),
    ('[issuers.corp]\nurl = "https://a.example"\nalgorithms = ["HS256"]\n', "issuers.corp.algorithms: HS256"),
    ('[issuers.one]\nurl = "https://a.example"\n[issuers.two]\nurl = "https://a.example"\n', "two issuers"),
]


def written(folder: Path, text: str) -> Path:
    path = folder / "watchkeeper.toml"
    path.write_text(text, encoding="utf-8")
    return path


@pytest.mark.behaviour("cli.config-check-finds-flaws")
@pytest.mark.parametrize(("text", "told"), FLAWS, ids=[told for _, told in FLAWS])
def test_settings_that_cannot_work_are_told(run: Command, tmp_path: Path, text: str, told: str) -> None:
    result = run("config", "check", "--config", written(tmp_path, text))
    assert (result.exit_code, result.stdout) == (78, "")
    assert told in result.stderr
    assert "what to do" in result.stderr


@pytest.mark.parametrize(("setting", "file"), [("detect", "a.yml"), ("respond", "a.yaml")])
def test_a_rule_or_playbook_that_cannot_be_read_is_told(run: Command, tmp_path: Path, setting: str, file: str) -> None:
    (tmp_path / file).write_text("nothing: of use\n")
    name = {"detect": "rules", "respond": "playbooks"}[setting]
    result = run("config", "check", "--config", written(tmp_path, f'[{setting}]\n{name} = "{tmp_path}"\n'))
    assert result.exit_code == 78
    assert file in result.stderr


def test_settings_that_work_are_told_with_their_servers(run: Command, tmp_path: Path) -> None:
    path = written(tmp_path, f'[servers.a]\ncommand = ["{sys.executable}"]\n')
    assert "can work" in run("config", "check", "--config", path).stdout
    told = json.loads(run("config", "check", "--config", path, "--json").stdout)
    assert told == {"ok": True, "file": str(path), "servers": ["a"], "endpoints": []}


def test_a_wrong_variable_is_told(run: Command, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("WATCHKEEPER_GATEWAY_PORT", "many")
    result = run("config", "check")
    assert result.exit_code == 78
    assert "gateway.port" in result.stderr


def test_secrets_in_settings_are_not_shown(run: Command, tmp_path: Path) -> None:
    path = written(tmp_path, '[servers.a]\nurl = "http://127.0.0.1:1/"\nheaders = { Authorization = "sesame" }\n')
    for form in ([], ["--json"]):
        shown = run("config", "show", "--config", path, *form)
        assert shown.exit_code == 0
        assert "sesame" not in shown.stdout
        assert "Authorization" in shown.stdout


@pytest.mark.behaviour("cli.policy-check")
def test_policies_are_checked_and_their_tests_run(run: Command, tmp_path: Path) -> None:
    assert "tests hold" in run("policy", "check").stdout
    (tmp_path / "own.cedar").write_text("permit (principal, action, nonsense);\n")
    wrong = run("policy", "check", tmp_path)
    assert wrong.exit_code == 1
    assert "own.cedar:1" in wrong.stdout
    told = json.loads(run("policy", "check", tmp_path, "--json").stdout)
    assert (told["ok"], len(told["problems"])) == (False, 1)


@pytest.mark.behaviour("policy.windows")
def test_a_policy_about_a_window_that_the_settings_do_not_name_is_told(run: Command, tmp_path: Path) -> None:
    text = '@id("own") @reason("r") forbid (principal, action, resource) when { context.times.contains("night") };'
    (tmp_path / "own.cedar").write_text(text)
    settings = f'[policy]\nfolders = ["{tmp_path}"]\n'
    for command in (("policy", "check"), ("config", "check")):
        wrong = run(*command, "--config", written(tmp_path, settings))
        assert wrong.exit_code != 0
        assert "night" in wrong.stdout + wrong.stderr
        right = settings + '[policy.windows]\nnight = ["mon-sun 22:00-06:00 Europe/Berlin"]\n'
        assert run(*command, "--config", written(tmp_path, right)).exit_code == 0


def test_a_policy_whose_test_fails_is_told(run: Command, tmp_path: Path) -> None:
    case = '{name: "a guess", effect: deny, rules: [nobody.said-so], ask: {principal: "agent:a", action: call_tool, '
    case += "server: s, target: t, groups: [], pin: approved, findings: []}}"
    (tmp_path / "own.tests.yaml").write_text(f"cases: [{case}]\n")
    result = run("policy", "check", tmp_path)
    assert result.exit_code == 1
    assert "a guess: expected" in result.stdout
    assert run("policy", "check", tmp_path / "missing").exit_code == 2


@pytest.mark.behaviour("cli.status")
def test_status_says_what_is_stopped(run: Command, empty: Path) -> None:
    result = run("status", "--data", empty)
    assert result.exit_code == 1
    assert result.stdout.count("stopped") == 4
    told = json.loads(run("status", "--data", empty, "--json").stdout)
    assert {row["service"]: row["state"] for row in told["services"]} == dict.fromkeys(
        ["gateway", "watch", "console"], "stopped"
    )
