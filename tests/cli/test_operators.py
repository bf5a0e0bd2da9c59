"""`watchkeeper operators` on a folder where no service runs, and deciding by a token."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from tests.gateway.approvals.wanted import BOUNDS, wanted
from watchkeeper.app.platform import Platform, opened
from watchkeeper.cli import main
from watchkeeper.events import JournalReader
from watchkeeper.gateway.approvals import State
from watchkeeper.gateway.approvals.model import Requirement

pytestmark = pytest.mark.behaviour("operators.command-line")


@pytest.fixture
def platform(tmp_path: Path) -> Iterator[Platform]:
    with opened(tmp_path, "gateway") as platform:
        yield platform


def run(folder: Path, *words: str, env: dict[str, str] | None = None) -> Result:
    return CliRunner(env=env).invoke(main, [*words, "--data", str(folder)])


def token_of(folder: Path, name: str, *scopes: str) -> Path:
    words = [word for scope in scopes for word in ("--scope", scope)]
    told = run(folder, "operators", "token", name, *words)
    assert told.exit_code == 0, told.output
    (token,) = re.findall(r"wkop_\S+", told.output)
    path = folder / f"{name}.token"
    path.write_text(token)
    path.chmod(0o600)
    return path


def asked(platform: Platform, binding: str, role: str) -> str:
    return platform.approvals.request(wanted(binding, requirements=(Requirement("p", role, 1),)), BOUNDS).id


def test_operators_are_invited_listed_given_roles_and_revoked(platform: Platform, tmp_path: Path) -> None:
    assert "Whoever may use the data folder is an admin" in run(tmp_path, "operators", "list").output
    told = run(tmp_path, "operators", "invite", "ada", "--role", "analyst")
    assert (told.exit_code, "no console runs" in told.output) == (0, True)
    assert run(tmp_path, "operators", "role", "ada", "responder").exit_code == 0
    (row,) = json.loads(run(tmp_path, "operators", "list", "--json").output)
    assert (row["name"], row["role"], row["revoked_at"]) == ("ada", "responder", 0)
    assert run(tmp_path, "operators", "revoke", "ada").exit_code == 0
    assert "revoked" in run(tmp_path, "operators", "list").output
    assert run(tmp_path, "operators", "revoke", "ada").exit_code == 66


def test_a_token_decides_under_its_owners_name_within_role_and_scopes(platform: Platform, tmp_path: Path) -> None:
    run(tmp_path, "operators", "invite", "ada", "--role", "responder")
    deciding, reading = token_of(tmp_path, "ada", "approvals:decide"), tmp_path / "reading"
    of_responder, of_admin = asked(platform, "b-1", "responder"), asked(platform, "b-2", "admin")

    done = run(tmp_path, "approvals", "approve", of_responder, "--token-file", str(deciding), "--json")
    vote = json.loads(done.output)["votes"][0]
    assert (vote["operator"], vote["role"]) == ("operator:ada", "responder")
    above = run(tmp_path, "approvals", "approve", of_admin, "--token-file", str(deciding))
    assert above.exit_code == 77
    assert platform.approvals.show(of_admin).state is State.PENDING

    token_of(tmp_path, "ada", "approvals:read").rename(reading)
    assert run(tmp_path, "approvals", "show", of_admin, "--token-file", str(reading)).exit_code == 0
    only_reads = run(tmp_path, "approvals", "deny", of_admin, "--token-file", str(reading))
    assert (only_reads.exit_code, "not for deciding" in only_reads.output) == (77, True)
    facts = [record.event for record in JournalReader(tmp_path).read({}) if record.event]
    refused = [fact for fact in facts if fact.kind == "operators.act.refused"]
    assert [(fact.actor, fact.body["act"]) for fact in refused] == [("operator:ada", "decide_approvals")] * 2
    assert "operators.scope-of-deciding" in refused[1].body["rules"]


def test_a_token_manages_operators_only_with_that_scope_and_never_gains_more(
    platform: Platform, tmp_path: Path
) -> None:
    run(tmp_path, "operators", "invite", "ada", "--role", "admin")
    deciding = str(token_of(tmp_path, "ada", "approvals:decide"))
    assert run(tmp_path, "operators", "invite", "eve", "--role", "admin", "--token-file", deciding).exit_code == 77
    managing = str(token_of(tmp_path, "ada", "operators:manage"))
    words = ("operators", "token", "ada", "--token-file", managing, "--scope")
    assert run(tmp_path, *words, "approvals:decide").exit_code == 77
    assert run(tmp_path, *words, "operators:manage").exit_code == 0
    assert [person.name for person in platform.roster.list()] == ["ada"]


def test_a_token_comes_from_the_environment_too_and_one_that_ended_is_told(platform: Platform, tmp_path: Path) -> None:
    run(tmp_path, "operators", "invite", "ada", "--role", "viewer")
    path = token_of(tmp_path, "ada", "operators:read")
    env = {"WATCHKEEPER_OPERATOR_TOKEN": f"file:{path}"}
    assert run(tmp_path, "operators", "list", env=env).exit_code == 77  # a viewer, whatever the scope
    assert run(tmp_path, "operators", "role", "ada", "auditor").exit_code == 0
    assert run(tmp_path, "operators", "list", env=env).exit_code == 0
    (row,) = json.loads(run(tmp_path, "operators", "tokens", "--json").output)
    assert row["used_at"] > 0
    assert run(tmp_path, "operators", "revoke-token", row["id"]).exit_code == 0
    assert "revoked" in run(tmp_path, "operators", "tokens").output
    ended = run(tmp_path, "operators", "list", env=env)
    assert (ended.exit_code, "no longer" in ended.output) == (77, True)


def test_an_agents_token_approves_nothing(platform: Platform, tmp_path: Path) -> None:
    path = tmp_path / "agent.token"
    path.write_text(platform.clients.mint("bot", "operator:root"))
    path.chmod(0o600)
    one = asked(platform, "b-1", "responder")
    assert run(tmp_path, "approvals", "approve", one, "--token-file", str(path)).exit_code == 77
    assert platform.approvals.show(one).state is State.PENDING


def test_what_is_no_span_of_time_is_refused(platform: Platform, tmp_path: Path) -> None:
    run(tmp_path, "operators", "invite", "ada", "--role", "viewer")
    told = run(tmp_path, "operators", "token", "ada", "--scope", "approvals:read", "--expires", "never")
    assert (told.exit_code, "30d" in told.output) == (65, True)
