"""A session told: who asked, what the verdict was, what came back, who decided; and by what it was found."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from watchkeeper.core.errors import NotFound
from watchkeeper.events.lake.reader import LakeReader
from watchkeeper.events.lake.search import Search
from watchkeeper.events.model import Event, new_event
from watchkeeper.events.search.conversation import left_out, told
from watchkeeper.events.search.gathering import PAUSE, gather

T = 1_790_000_000_000_000
SECOND = 1_000_000
TRACE = "0af7651916cd43dd8448eb211c80319c"


def call(at: int, outcome: str = "allow", **fields: object) -> Event:
    body = {"method": "tools/call", "duration_us": 2000, "rules": ["site.rule"], "reason": "because"}
    body |= fields.pop("body", {})  # type: ignore[arg-type]
    known = {"actor": "agent:ada", "server": "git", "target": "git_log", "claimed": "cli"}
    return new_event(T + at, "gateway.request.decided", outcome=outcome, body=body, **(known | fields))


@pytest.mark.behaviour("conversation.turns")
def test_an_exchange_is_a_request_a_verdict_and_an_answer() -> None:
    asked = call(
        SECOND,
        body={
            "arguments": '{"path":"."}',
            "result": '{"text":"log"}',
            "answer": {"outcome": "deny", "rules": ["no-secrets"], "reason": "a secret"},
        },
    )
    turns = told([asked])
    assert [(turn.who, turn.role, turn.words) for turn in turns] == [
        ("agent:ada", "asks", "tools/call git_log of git"),
        ("watchkeeper", "rules", "the request is allowed: because"),
        ("git", "answers", "with a result after 2 ms"),
        ("watchkeeper", "rules", "the answer is denied: a secret"),
    ]
    assert (turns[0].detail, turns[2].detail) == ('{"path":"."}', '{"text":"log"}')
    assert (turns[1].rules, turns[3].rules) == (("site.rule",), ("no-secrets",))
    assert {turn.event for turn in turns} == {asked.id}


@pytest.mark.behaviour("conversation.shadow")
def test_in_shadow_mode_it_is_said_that_nothing_was_stopped() -> None:
    turns = told([call(0, "deny", labels=("shadow",))])
    assert "would have been denied (shadow mode: it was let through)" in turns[1].words


@pytest.mark.behaviour("conversation.left-out")
def test_what_the_capture_policy_left_out_is_said() -> None:
    capture = {
        "arguments": {"mode": "metadata", "kept": 0, "of": 91, "why": ["secret"]},
        "result": {"mode": "redacted", "kept": 512, "of": 2048, "masked": 2},
    }
    asked, _, answered = told([call(0, body={"capture": capture, "result": "res…"})])
    assert asked.detail == "[not kept by policy (metadata, secret, 91 bytes)]"
    assert answered.detail == "res…\n[512 of 2,048 bytes kept by policy (redacted, 2 masked)]"
    longer = {"arguments": {"mode": "redacted", "kept": 286, "of": 282, "masked": 1}}
    assert left_out(call(0, body={"capture": longer})) == (
        ("arguments", "286 bytes kept in place of 282 by policy (redacted, 1 masked)"),
    )
    assert (left_out(call(0)), left_out(call(0, body={"capture": [1]}))) == ((), ())


def test_a_body_of_any_shape_is_told() -> None:
    odd = {"method": 7, "answer": "x", "rules": {"a": 1}, "reason": ["r"], "duration_us": "long", "ending": 3}
    for kind in (
        "gateway.request.decided",
        "gateway.message.decided",
        "gateway.approval.x",
        "detect.alert.raised",
        "k",
    ):
        assert told([new_event(T, kind, body=odd)])


def estate() -> list[Event]:
    """Two runs of one client with a pause between, another client, an alert, an approval."""
    first = [call(at * SECOND) for at in range(3)]
    later = [call(PAUSE + at * SECOND) for at in range(5, 7)]
    other = call(SECOND, actor="agent:bob")
    alert = new_event(
        T + 4 * SECOND,
        "detect.alert.raised",
        actor="system:watch",
        server="git",
        body={"event": first[1].id, "principal": "agent:ada", "summary": "an alert", "rule": "r"},
    )
    foreign = new_event(
        T + 4 * SECOND, "detect.alert.raised", body={"event": other.id, "principal": "agent:bob", "title": "not ours"}
    )
    approval = new_event(
        T + 3 * SECOND,
        "gateway.approval.decided",
        actor="operator:eve",
        server="git",
        target="git_log",
        outcome="allow",
        body={"principal": "agent:ada", "approval": "ask-1"},
    )
    return [*first, *later, other, alert, foreign, approval]


@pytest.mark.behaviour("conversation.guess-is-said")
@pytest.mark.parametrize("in_lake", [True, False])
def test_without_session_and_trace_a_pause_ends_it_and_it_is_called_a_guess(
    tmp_path: Path, record: Callable[..., None], in_lake: bool
) -> None:
    events = estate()
    record(tmp_path, events)
    if in_lake:
        with LakeReader(tmp_path) as lake:
            lake.fill()
    whole = gather(Search(tmp_path), events[1].id, T)
    assert (whole.by, whole.requests, whole.actors, whole.servers) == ("gap", 3, ("agent:ada",), ("git",))
    assert whole.how.startswith("a guess")
    assert [turn.words for turn in whole.turns if turn.role in ("alerts", "decides")] == [
        "approves git/git_log",
        "an alert",
    ]
    assert gather(Search(tmp_path), events[6].id, T).requests == 3, "an alert leads to what it is about"


@pytest.mark.behaviour("conversation.keys")
def test_a_trace_and_a_session_keep_their_events_together(tmp_path: Path, record: Callable[..., None]) -> None:
    traced = [call(at, trace=f"{TRACE}-{at:016x}", server=f"s{at}") for at in range(1, 4)]
    held = [call(at, body={"session": "5e55"}) for at in range(10, 12)]
    record(tmp_path, [*traced, *held, call(20, body={"arguments": '{"session":"5e55"}'})])
    search = Search(tmp_path)
    for key in (TRACE, f"{TRACE}-{1:016x}", traced[0].id):
        whole = gather(search, key, T + SECOND)
        assert (whole.by, whole.requests, whole.servers) == ("trace", 3, ("s1", "s2", "s3"))
    for key in ("5e55", held[0].id):
        assert (gather(search, key, T + SECOND).by, gather(search, key, T + SECOND).requests) == ("session", 2)


@pytest.mark.behaviour("conversation.tenants-apart")
def test_another_tenants_conversation_is_not_found(tmp_path: Path, record: Callable[..., None]) -> None:
    mine = call(0, tenant="a")
    record(tmp_path, [mine])
    with pytest.raises(NotFound):
        gather(Search(tmp_path), mine.id, T, "b")
    with pytest.raises(NotFound):
        gather(Search(tmp_path), "nothing", T)
    assert gather(Search(tmp_path), mine.id, T, "a").requests == 1
