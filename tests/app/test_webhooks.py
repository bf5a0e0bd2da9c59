"""Decisions of another system, over real HTTP: whose they are, what they count for, and from end to end."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractContextManager
from dataclasses import replace
from pathlib import Path
from typing import Any

import httpx
import pytest

from tests.app.conftest import FREE, Running, command
from tests.app.gateway_process import Client, until
from tests.app.mcp_server import small_server
from tests.gateway.approvals.wanted import BOUNDS, wanted
from tests.respond.webhooks.conftest import KEYS, SECRET, another_system
from tests.web.conftest import Desk, clock, desk, serve_console
from watchkeeper.app.inbox import InboxView
from watchkeeper.app.platform import Platform, opened
from watchkeeper.app.settings import Loaded, Settings
from watchkeeper.app.webhooks import HookDoor, hooks_of
from watchkeeper.core.clock import SECOND
from watchkeeper.core.errors import Misconfigured
from watchkeeper.core.secrets import Secret
from watchkeeper.events import JournalReader
from watchkeeper.gateway.approvals import ApprovalSettings, State
from watchkeeper.gateway.approvals.channels import WebhookSettings
from watchkeeper.gateway.approvals.model import Requirement
from watchkeeper.respond.webhooks import Hook
from watchkeeper.respond.webhooks.signing import sign

PAGE = Path(__file__).resolve().parents[2] / "docs" / "guides" / "approvals-elsewhere.md"
"""Its program is the other system's part."""
__all__ = ["clock", "desk", "serve_console"]


@pytest.fixture
def platform(tmp_path: Path) -> Iterator[Platform]:
    with opened(tmp_path, "gateway") as platform:
        yield platform


@pytest.fixture
def client(
    serve_console: Callable[..., AbstractContextManager[Any]], desk: Desk, platform: Platform
) -> Iterator[httpx.Client]:
    secret, url = Secret(SECRET), "https://ops.example/in"
    hooks = [
        Hook("ops", url, secret, policies=("mine.*",), role="responder"),
        Hook("told", url, secret),
    ]
    inbox = InboxView(platform)
    services = replace(desk.services(), inbox=inbox, hooks=HookDoor(platform, inbox, hooks))
    with serve_console(services) as running, running.client() as client:
        yield client


def ask(
    platform: Platform, binding: str = "b-1", role: str = "responder", policy: str = "mine.pay", quorum: int = 1
) -> str:
    demands = (Requirement(policy, role, quorum),)
    return platform.approvals.request(wanted(binding, requirements=demands), BOUNDS).id


def signed(body: bytes, message_id: str, seconds: int, keys: tuple[bytes, ...] = KEYS) -> dict[str, str]:
    signature = sign(keys, message_id, seconds, body)
    return {"webhook-id": message_id, "webhook-timestamp": str(seconds), "webhook-signature": signature}


def send(
    client: httpx.Client, platform: Platform, approval: str, message_id: str = "msg_1", hook: str = "ops", **said: str
) -> httpx.Response:
    body = json.dumps({"approval": approval, "choice": "approve", **said}).encode()
    headers = signed(body, message_id, platform.clock.now() // SECOND)
    return client.post(f"/hooks/approvals/{hook}", content=body, headers=headers)


@pytest.mark.behaviour("webhooks.decides")
def test_a_signed_decision_acts_as_its_webhook_and_keeps_whom_it_names_as_a_claim(
    client: httpx.Client, platform: Platform
) -> None:
    one = ask(platform)
    done = send(client, platform, one, reason="looks right", by="ada@example.org\u202e")
    assert (done.status_code, done.json()) == (200, {"approval": one, "state": "granted"})
    (vote,) = platform.approvals.show(one).votes
    assert (vote.operator, vote.role, vote.reason) == ("webhook:ops", "responder", "looks right")
    assert vote.claimed == "ada@example.org⟨U+202E⟩"
    facts = {record.event.kind: record.event for record in JournalReader(platform.data_dir).read({}) if record.event}
    assert facts["gateway.approval.decided"].actor == "webhook:ops"
    assert facts["gateway.approval.decided"].body["claimed"] == vote.claimed
    assert facts["respond.decision.heard"].body["approval"] == one


@pytest.mark.behaviour("webhooks.one-voice")
def test_whoever_it_names_a_webhook_is_one_voice_of_a_quorum(client: httpx.Client, platform: Platform) -> None:
    one = ask(platform, quorum=2)
    assert send(client, platform, one, "msg_1", by="ada").json()["state"] == "pending"
    assert send(client, platform, one, "msg_2", by="bob").status_code == 409
    assert platform.approvals.show(one).state is State.PENDING
    platform.approvals.decide(one, by="operator:eve", choice=platform.approvals.show(one).votes[0].choice)
    assert platform.approvals.show(one).state is State.GRANTED


@pytest.mark.behaviour("webhooks.replay")
def test_a_message_counts_once(client: httpx.Client, platform: Platform) -> None:
    one, other = ask(platform, "b-1"), ask(platform, "b-2")
    assert send(client, platform, one, "msg_1").status_code == 200
    again = send(client, platform, one, "msg_1")
    assert (again.status_code, "taken already" in again.json()["detail"]) == (409, True)
    assert send(client, platform, other, "msg_1").status_code == 409
    assert platform.approvals.show(other).state is State.PENDING


@pytest.mark.behaviour("webhooks.forged")
def test_what_its_webhook_has_not_signed_decides_nothing(client: httpx.Client, platform: Platform) -> None:
    one, now = ask(platform), platform.clock.now() // SECOND
    body = json.dumps({"approval": one, "choice": "approve"}).encode()
    attempts = [
        ("ops", body, {}),
        ("ops", body, signed(body, "msg_1", now, (b"x" * 32,))),
        ("ops", body, signed(body + b" ", "msg_1", now)),
        ("ops", body, signed(body, "msg_1", now - 301)),
        ("ops", body, signed(body, "msg_1", now + 400)),
        ("nobody", body, signed(body, "msg_1", now)),
        ("nobody", body, signed(body, "msg_1", now, (b"\0" * 32,))),
        ("ops", body, {"Authorization": f"Bearer {platform.clients.mint('claude', 'operator:root')}"}),
    ]
    for hook, content, headers in attempts:
        answer = client.post(f"/hooks/approvals/{hook}", content=content, headers=headers)
        assert answer.status_code == 401, headers
        assert answer.headers["content-type"] == "application/problem+json"
    assert platform.approvals.show(one).state is State.PENDING
    facts = [record.event for record in JournalReader(platform.data_dir).read({}) if record.event]
    assert len([fact for fact in facts if fact.kind == "respond.decision.refused"]) == len(attempts)


@pytest.mark.behaviour("webhooks.bounded")
def test_a_webhook_decides_only_what_it_serves_and_what_its_role_may(client: httpx.Client, platform: Platform) -> None:
    theirs, above, mine = ask(platform, "b-1", policy="their.send"), ask(platform, "b-2", "admin"), ask(platform, "b-3")
    assert send(client, platform, theirs, "msg_1").status_code == 403
    assert send(client, platform, above, "msg_2").status_code == 403
    assert send(client, platform, mine, "msg_3", hook="told").status_code == 403
    assert send(client, platform, "ask-0000000000", "msg_4").status_code == 404
    assert send(client, platform, mine, "msg_5", choice="perhaps").status_code == 400
    assert send(client, platform, mine, "msg_6", more="x").status_code == 400
    assert {platform.approvals.show(one).state for one in (theirs, above, mine)} == {State.PENDING}


@pytest.mark.behaviour("webhooks.settings")
@pytest.mark.parametrize(
    ("field", "value", "told"),
    [
        ("url", "ftp://ops.example", "url"),
        ("url", "http://ops.example/in", "url"),
        ("url", "https://10.0.0.1/in", "url"),
        ("secret", SECRET, "secret"),
        ("secret", "env:NO_SUCH_VARIABLE_HERE", "secret"),
        ("role", "viewer", "role"),
        ("roles", ("root",), "roles"),
    ],
)
def test_settings_that_cannot_work_are_told_before_anything_starts(
    tmp_path: Path, field: str, value: Any, told: str
) -> None:
    secret = tmp_path / "secret"
    secret.write_text(SECRET)
    secret.chmod(0o600)
    fields: dict[str, Any] = {"url": "https://ops.example/in", "secret": f"file:{secret}"}

    def loaded(**fields: Any) -> Loaded:
        return Loaded(Settings(approvals=ApprovalSettings(webhooks={"ops": WebhookSettings(**fields)})), tmp_path)

    assert [hook.name for hook in hooks_of(loaded(**fields))] == ["ops"]
    with pytest.raises(Misconfigured) as error:
        hooks_of(loaded(**fields | {field: value}))
    assert f"approvals.webhooks.ops.{told}" in error.value.reason
    assert SECRET not in error.value.reason


POLICY = """
@id("mine.ask-before-echo") @reason("A person decides about every echo.")
@effect("ask") @role("responder") @expires("15m")
forbid (principal, action == Action::"call_tool", resource == Tool::"small/echo");
"""


@pytest.mark.slow
@pytest.mark.timeout(240)
@pytest.mark.behaviour("webhooks.end-to-end")
def test_another_system_is_told_of_a_held_call_and_lets_it_pass(tmp_path: Path) -> None:
    (tmp_path / "policies").mkdir()
    (tmp_path / "policies" / "ask.cedar").write_text(POLICY)
    secret = tmp_path / "secret"
    secret.write_text(SECRET)
    secret.chmod(0o600)
    (text,) = re.findall(r"^```python\n(.*?)^```", PAGE.read_text(encoding="utf-8"), re.MULTILINE | re.DOTALL)
    program: dict[str, Any] = {}
    exec(compile(text, str(PAGE), "exec"), program)
    decide = program["decide"]
    with small_server() as server, another_system() as elsewhere, ThreadPoolExecutor(1) as pool:
        settings = f"""{FREE}
[policy]
folders = [{json.dumps(str(tmp_path / "policies"))}]
[fetch]
allow_hosts = ["127.0.0.1"]
[approvals]
wait_seconds = 60
[approvals.webhooks.ops]
url = "{elsewhere.url}"
secret = "file:{secret}"
role = "responder"
[servers.small]
url = "{server.url}"
"""
        running = Running(tmp_path, settings=settings)
        try:
            running.until("Ctrl-C drains")
            entry = running.clients()["small"]
            agent = Client(str(entry["url"]), dict(entry["headers"])["Authorization"].removeprefix("Bearer "))
            held = pool.submit(agent.call)
            until(lambda: bool(elsewhere.got), within=60)
            headers, body = elsewhere.got[0]
            assert program["is_ours"](SECRET, headers, body)
            assert not program["is_ours"](SECRET, headers, body + b" ")
            data = json.loads(body)["data"]
            assert not held.done()
            answer = decide(data["decide"], SECRET, {"approval": data["id"], "choice": "approve", "by": "ada"})
            assert answer == {"approval": data["id"], "state": "granted"}
            assert held.result(60).json["result"].get("isError") is None
            agent.close()
        finally:
            running.stop()
    done = command("approvals", "show", data["id"], "--data", str(running.data))
    assert "webhook:ops (responder, naming ada (not verified)) approve" in done.stdout
