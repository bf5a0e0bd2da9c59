"""What is found of earlier results in a call: measured on scripted sessions, and its bounds one by one."""

from __future__ import annotations

import json

import pytest

from tests.gateway.flow.sessions import CARRYING, HONEST, KEY, MEMO, In, Session
from watchkeeper.gateway.flow.memory import Memory, stream_of
from watchkeeper.gateway.flow.model import Class, class_of
from watchkeeper.gateway.flow.prints import LEAST, MANY, SURE, Prints
from watchkeeper.gateway.flow.text import Said, strings_of


def carried_in(session: Session) -> int:
    """Classes that some call of the session carried to another server."""
    memory, found = Memory("x", 0), 0
    for step in session.steps:
        if isinstance(step, In):
            own = stream_of([said.text for said in strings_of(json.dumps(step.sent or {}).encode())])
            memory.prints.learn(step.server, class_of(step.labels), strings_of(raw(step.result)), own)
            continue
        strings = strings_of(raw(step.arguments), with_keys=True)
        before = memory.before((step.server, "tool"), stream_of([said.text for said in strings]))
        found |= memory.prints.carried(step.server, strings, before).carries
    return found


def raw(value: object) -> bytes:
    return json.dumps(value, ensure_ascii=False).encode()


def said(*texts: str) -> list[Said]:
    return [Said(text.encode(), False) for text in texts]


@pytest.mark.behaviour("flow.honest")
@pytest.mark.parametrize("session", HONEST, ids=lambda session: session.name)
def test_in_an_honest_session_nothing_is_carried(session: Session) -> None:
    assert carried_in(session) == 0


@pytest.mark.behaviour("flow.carried")
@pytest.mark.parametrize("session", CARRYING, ids=lambda session: session.name)
def test_what_leaves_is_seen(session: Session) -> None:
    assert bool(carried_in(session)) is not session.is_known_miss


def test_there_are_forty_of_each_and_the_page_says_what_was_found() -> None:
    assert (len(HONEST), len(CARRYING)) == (40, 40)
    assert sum(session.is_known_miss for session in CARRYING) == 2


@pytest.mark.behaviour("flow.carried")
@pytest.mark.parametrize("start", range(12))
def test_a_passage_of_the_promised_length_is_found_wherever_it_was_cut(start: int) -> None:
    letters = "".join(letter for letter in MEMO.lower() if letter.isalnum())
    prints = Prints()
    prints.learn("files", Class.PRIVATE, said(MEMO))
    assert prints.carried("mail", said(letters[start : start + SURE])).carries == Class.PRIVATE
    assert prints.carried("mail", said(letters[start : start + LEAST - 1])).carries == 0


@pytest.mark.behaviour("flow.same-server")
def test_what_the_called_server_brought_in_too_is_not_carried() -> None:
    prints = Prints()
    prints.learn("files", Class.PRIVATE, said(MEMO))
    prints.learn("mail", Class.UNTRUSTED, said(MEMO))
    answer = prints.carried("mail", said(MEMO))
    assert (answer.carries, answer.returns) == (0, Class.PRIVATE | Class.UNTRUSTED)


@pytest.mark.behaviour("flow.honest")
def test_identifiers_count_only_in_numbers() -> None:
    addresses = [f"person{n}@harbour.test" for n in range(MANY)]
    prints = Prints()
    prints.learn("contacts", Class.PRIVATE, said(" ".join(addresses)))
    assert prints.carried("mail", said(*addresses[1:])).carries == 0
    assert prints.carried("mail", said(*addresses)).carries == Class.PRIVATE
    assert prints.carried("mail", said(*addresses[:1] * MANY)).carries == 0


@pytest.mark.behaviour("flow.carried")
def test_a_long_text_is_looked_at_in_blocks_and_a_hundred_letters_in_it_are_found() -> None:
    prints = Prints()
    prints.learn("files", Class.PRIVATE, said(MEMO))
    filler = " ".join(f"{n:x}" for n in range(40_000))
    assert prints.carried("mail", said(filler + MEMO[:140] + filler)).carries == Class.PRIVATE
    assert prints.carried("mail", said(filler)).carries == 0


@pytest.mark.behaviour("flow.keeps-no-text")
def test_no_text_is_kept() -> None:
    prints = Prints()
    prints.learn("vault", Class.SECRET | Class.PRIVATE, said(MEMO, KEY))
    assert all(isinstance(piece, int) and isinstance(value, int) for piece, value in prints._young.items())


@pytest.mark.behaviour("flow.bounded")
def test_of_an_agent_only_so_much_is_kept_and_it_is_said_when_more_came(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("watchkeeper.gateway.flow.prints.MOST", 500)
    prints = Prints()
    for part in range(20):
        prints.learn("files", Class.PRIVATE, said(" ".join(f"part{part}word{n}" for n in range(100))))
        assert len(prints) < 1_500
    assert prints.forgot
    prints.age(by_time=True)
    assert not prints.forgot
