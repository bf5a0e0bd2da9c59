"""What a hold stops and what it leaves."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest

from watchkeeper.core.errors import Invalid
from watchkeeper.gateway.containment import Order, OrderKind, OrdersInForce
from watchkeeper.gateway.holds import Reference, Subject, held_by, kept_by, session_digest, subject_of, task_digest
from watchkeeper.gateway.measures.targets import checked
from watchkeeper.protocol.message import Message, parse_message

AGENT, SERVER, SESSION = "agent:ada", "files", "a-session"


def said(method: str, **params: Any) -> Message:
    return parse_message(msgspec.json.encode({"jsonrpc": "2.0", "id": 1, "method": method, "params": params}))


CALL = said("tools/call", name="read", arguments={})


def orders(*subjects: str, kind: OrderKind = OrderKind.QUARANTINE_SESSION) -> OrdersInForce:
    return OrdersInForce([Order(text, kind, text, "because", "operator:eve", 1, 1) for text in subjects], 1)


def is_held(given: OrdersInForce, message: Message = CALL, **at: str) -> bool:
    place = {"principal": AGENT, "server": SERVER, "session": SESSION} | at
    return bool(held_by(given, place["principal"], place["server"], place["session"], message))


@pytest.mark.behaviour("custody.held-session-keeps-its-state")
def test_a_held_session_is_stopped_where_it_would_act_and_nowhere_else() -> None:
    given = orders(subject_of(SERVER, session=SESSION).text)
    assert given.has_holds
    assert not is_held(given, session="another")
    assert not is_held(given, server="mail")
    acting = ("tools/call", "resources/read", "prompts/get", "tasks/result", "tasks/cancel")
    names = {"name": "x", "uri": "x", "taskId": "x", "arguments": {}}
    assert all(is_held(given, said(method, **names)) for method in acting)
    assert is_held(given, parse_message(b'{"jsonrpc":"2.0","id":1,"result":{}}'))
    reading = ("ping", "tools/list", "prompts/list", "resources/list", "tasks/get", "notifications/cancelled")
    assert not any(is_held(given, said(method, **names)) for method in reading)
    assert is_held(given, session=Reference(session_digest(SESSION)))
    assert kept_by(given, AGENT, SERVER, SESSION)
    assert not kept_by(given, AGENT, SERVER, "another")


@pytest.mark.behaviour("custody.modern-principal-is-held")
def test_a_principal_is_held_at_one_server_or_at_all() -> None:
    one, everywhere = orders("files/principal:ada"), orders("*/principal:ada")
    assert is_held(one, session="")
    assert not is_held(one, server="mail", session="")
    assert is_held(everywhere, server="mail", session="")
    assert not is_held(everywhere, principal="agent:bob")


@pytest.mark.behaviour("custody.held-session-keeps-its-state")
def test_a_held_task_can_be_looked_at_and_nothing_else() -> None:
    given = orders(subject_of(SERVER, task="t-1").text)
    assert is_held(given, said("tasks/update", taskId="t-1"), session="")
    assert is_held(given, said("tasks/result", taskId="t-1"), session="")
    assert not is_held(given, said("tasks/get", taskId="t-1"), session="")
    assert not is_held(given, said("tasks/result", taskId="t-2"), session="")
    assert not is_held(given)


@pytest.mark.behaviour("custody.drained-and-serving-again")
def test_a_drained_server_keeps_newcomers_out_and_lets_sessions_go_on() -> None:
    given = orders(SERVER, kind=OrderKind.DRAIN_TRANSPORT)
    assert is_held(given, said("initialize", protocolVersion="2025-11-25"), session="")
    assert is_held(given, session="")
    assert not is_held(given)
    assert not is_held(given, server="mail", session="")


def test_a_subject_is_read_as_it_was_written() -> None:
    for subject in (
        subject_of(SERVER, session=SESSION),
        subject_of(SERVER, task="t-1"),
        subject_of(principal="agent:https%3A//idp/ada:1"),
        subject_of(SERVER, principal="ada"),
    ):
        assert Subject.of(subject.text) == subject
    assert subject_of(SERVER, session=session_digest(SESSION)) == subject_of(SERVER, session=SESSION)
    assert subject_of(SERVER, task=task_digest(SERVER, "t-1")) == subject_of(SERVER, task="t-1")


@pytest.mark.parametrize("text", ["", "files", "files/", "files/tool", "files/session:", "*/session:1", "files/host:1"])
def test_what_names_nobody_is_no_subject(text: str) -> None:
    with pytest.raises(Invalid) as raised:
        Subject.of(text)
    assert raised.value.hint


@pytest.mark.parametrize("named", [{}, {"session": "s", "principal": "ada"}, {"session": "s"}, {"task": "t"}])
def test_a_subject_is_one_thing_and_a_session_is_some_servers(named: dict[str, str]) -> None:
    with pytest.raises(Invalid):
        subject_of(**named)


@pytest.mark.behaviour("containment.one-spelling-of-a-client")
@pytest.mark.parametrize("kind", [OrderKind.QUARANTINE_PRINCIPAL, OrderKind.QUARANTINE_SESSION])
def test_a_client_is_the_same_with_and_without_its_prefix_and_is_shown_with_it(kind: OrderKind) -> None:
    plain, full = (
        ("ada", "agent:ada")
        if kind is OrderKind.QUARANTINE_PRINCIPAL
        else (
            "files/principal:ada",
            "files/principal:agent:ada",
        )
    )
    assert [checked(kind, text) for text in (plain, full)] == [full, full]
    issuer = full.replace("ada", "https://id.example/ada")
    assert checked(kind, issuer) == issuer
    for kept in (plain, full):  # an order given by an earlier version is kept without the prefix
        force = OrdersInForce([Order("o", kind, kept, "r", "operator:ada", 1, 1)], 1)
        assert [order.id for text in (plain, full) for order in force.find(kind, text)] == ["o", "o"]
        found = force.all_denying("agent:ada", "files") + held_by(force, "agent:ada", "files", "", CALL)
        assert [order.id for order in found] == ["o"]
