"""No secret enters the journal, whichever part of whichever event it is in."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from watchkeeper.events import Event, Journal, JournalReader, new_event
from watchkeeper.events.censor import SHORTEST, Censor
from watchkeeper.events.lake.reader import LakeReader
from watchkeeper.events.lake.search import Search
from watchkeeper.events.model import encode
from watchkeeper.inspection import Inspection, Surface
from watchkeeper.inspection.model import SECRET
from watchkeeper.inspection.secrets import Secrets
from watchkeeper.inspection.strings import members_of

T = 1_790_000_000_000_000
RULES = Secrets().rules
INSPECT = Inspection([Secrets()]).inspect


def written_out(text: str) -> bytes:
    """`{x*3}` as `xxx`."""
    return re.sub(r"\{([^{}*]*)\*(\d+)\}", lambda found: found[1] * int(found[2]), text).encode()


def secrets() -> Iterator[tuple[str, str, str, str]]:
    """(rule, key, the string it lies in, the secret itself) of every example of every rule."""
    for rule in RULES:
        for example in rule.tests.match:
            data = written_out(example)
            members = {one.pointer: one for one in members_of(data) or [] if not one.is_key}
            for finding in INSPECT(Surface.ARGUMENTS, data):
                member = members.get(finding.path)
                if finding.label != SECRET or member is None or not finding.end:
                    continue
                secret = member.value.encode()[finding.start : finding.end].decode()
                yield rule.id, member.key, member.value, secret


ALL = sorted(set(secrets()))


WHOLE = frozenset({"secrets.seed-phrase"})
"""Rules that speak of a string as a whole: beside other words they find nothing, in a message neither."""


def planted(rule: str, key: str, text: str) -> Iterator[Event]:
    """The same text in every place of events that others' words reach; one that is known by its name, with its name."""
    inside: dict[str, Any] = {key: text} if key else {"k": text}
    if not any(one.label == SECRET for one in INSPECT(Surface.ARGUMENTS, json.dumps(text).encode())):
        text = f'{key}="{text}"'
    yield new_event(T, "gateway.request.refused", body={"reason": text, **inside})
    yield new_event(T, "gateway.message.decided", target=text, body={"method": text})
    yield new_event(T, "registry.definition.seen", target=text, body={"canonical": json.dumps(inside)})
    yield new_event(T, "gateway.session.opened", claimed=text)
    yield new_event(T, "gateway.approval.decided", body={"reason": text, "deep": [[{"a": {"b": [inside]}}]]})
    yield new_event(T, "respond.step.completed", body={"evidence": {"a": json.dumps({"b": json.dumps(inside)})}})
    yield new_event(T, "policy.made.up", labels=(text,), body={"result": text})
    if rule not in WHOLE:
        yield new_event(T, "gateway.upstream.failed", body={"error": {text: 1}, "url": f"https://x/?q={text}"})
        yield new_event(T, "gateway.approval.requested", body={"arguments": json.dumps([inside])})


def test_there_are_examples_of_every_rule() -> None:
    whole = {rule for rule, _, _, _ in ALL}
    assert {rule.id for rule in RULES} - whole <= {"secrets.private-key"} or whole == {rule.id for rule in RULES}
    assert min(len(text) for _, _, text, _ in ALL) >= SHORTEST, "a shorter one would pass as harmless"


@pytest.mark.behaviour("capture.never-secrets")
def test_no_kind_of_secret_is_stored_wherever_it_is(tmp_path: Path) -> None:
    journal = Journal.open(tmp_path, "gateway")
    journal.censor = Censor()
    count = 0
    try:
        for rule, key, text, _ in ALL:
            for event in planted(rule, key, text):
                last = journal.append(event)
                count += 1
        journal.wait(last)
    finally:
        journal.close()
    stored = b"\n".join(record.record for record in JournalReader(tmp_path).read({}, limit=100_000))
    with LakeReader(tmp_path) as lake:
        lake.fill()
    found = Search(tmp_path).events(unbounded=True, limit=10_000)
    assert len(found) == count + 1, "every event is there, without its secret"
    shown = b"\n".join(encode(event) for event in found)
    missing = [rule for rule, _, _, secret in ALL if _is_in(secret, stored) or _is_in(secret, shown)]
    assert missing == []


def _is_in(secret: str, text: bytes) -> bool:
    spellings = {secret, json.dumps(secret)[1:-1], json.dumps(json.dumps(secret)[1:-1])[1:-1]}
    return any(one.encode() in text for one in spellings)


@pytest.mark.behaviour("capture.left-out-is-said")
def test_what_was_masked_is_said_and_the_rest_stays() -> None:
    _, _, text, secret = next(one for one in ALL if one[0] == "secrets.github-token")
    event = new_event(T, "gateway.request.refused", actor="agent:a", target="x", body={"reason": text, "n": 1.5})
    masked = Censor()(event)
    assert masked.body["reason"] == text.replace(secret, "[secrets.github-token]")
    assert masked.labels == ("masked",)
    assert (masked.id, masked.actor, masked.target, masked.body["n"]) == (event.id, "agent:a", "x", 1.5)


@pytest.mark.behaviour("capture.never-secrets")
def test_where_it_cannot_be_cut_out_the_whole_body_is_withheld() -> None:
    _, _, text, _ = next(one for one in ALL if one[0] == "secrets.github-token")
    masked = Censor()(new_event(T, "gateway.upstream.failed", server="s", target="t", body={text: 1}))
    assert (masked.server, masked.target, masked.body, masked.labels) == ("s", "", {}, ("withheld",))


def test_an_event_without_a_secret_is_the_same_object() -> None:
    censor = Censor()
    event = new_event(T, "gateway.request.refused", body={"reason": "no such tool", "sha256": "ab" * 32})
    assert censor(event) is event
    assert censor.is_harmless("0191d7a4-1111-7000-8000-0123456789ab")
    assert censor.is_harmless("a name of a client")
    assert not censor.is_harmless(next(text for rule, _, text, _ in ALL if rule == "secrets.github-token"))
