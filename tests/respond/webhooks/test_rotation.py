"""A secret that is changed: both count while both are named, and one that was taken out signs for nobody."""

from __future__ import annotations

import base64
from collections.abc import Callable
from pathlib import Path
from typing import Any

import msgspec
import pytest

from tests.gateway.approvals.wanted import BOUNDS, wanted
from tests.respond.webhooks.conftest import Elsewhere
from watchkeeper.core.clock import SECOND, ManualClock
from watchkeeper.core.errors import Conflict, Misconfigured, Untrusted
from watchkeeper.core.fetch.client import Fetcher
from watchkeeper.core.fetch.settings import FetchSettings
from watchkeeper.core.secrets import Secret
from watchkeeper.events import Event, JournalReader
from watchkeeper.gateway.approvals.model import Requirement
from watchkeeper.respond.deadman.listening import Listening, Ping
from watchkeeper.respond.deadman.outbox import SwitchBox
from watchkeeper.respond.integrations.replies import Replies
from watchkeeper.respond.webhooks import Hearing, Hook, Outbox
from watchkeeper.respond.webhooks.outbox import BACKOFF, Wires
from watchkeeper.respond.webhooks.signing import keys_of, sign, verify

OLD, NEW = (f"whsec_{base64.b64encode(letter * 32).decode()}" for letter in (b"o", b"n"))
BOTH = f"{NEW}\n{OLD}\n"
DENY = b'{"approval": "ask-1", "choice": "deny", "reason": "no"}'
TAKEN = b'{"incident": "INC-2026-0001", "verb": "acknowledge"}'
Hear = Callable[[str], Callable[[dict[str, str]], object]]


class Nowhere:
    def find(self, event_id: str) -> None:
        return None


def keys(secret: str) -> tuple[bytes, ...]:
    return keys_of("s", Secret(secret))


def signed(secret: str, body: bytes, clock: ManualClock, message_id: str) -> dict[str, str]:
    seconds = clock.now() // SECOND
    return {
        "webhook-id": message_id,
        "webhook-timestamp": str(seconds),
        "webhook-signature": sign(keys(secret), message_id, seconds, body),
    }


def of_kind(folder: Path, kind: str) -> list[Event]:
    return [one.event for one in JournalReader(folder).read({}) if one.event and one.event.kind == kind]


class Door:
    """Where one kind of message comes in, by the secret that the settings name now."""

    def __init__(self, wires: Wires, what: str) -> None:
        self.wires = wires
        self.what = what
        self.body = DENY if what == "decision" else TAKEN

    def hear(self, settings: str, headers: dict[str, str]) -> Any:
        on = (self.wires.database, self.wires.journal, self.wires.clock)
        if self.what == "decision":
            hearing = Hearing(*on, [Hook("ops", "https://ops.example/in", Secret(settings))])
            said: Any = hearing.hear("ops", headers, self.body)[1]
            hearing.done("ops", headers)
            return said
        replies = Replies(*on, {"ops": Secret(settings)}, Nowhere())
        said = replies.hear("ops", headers, self.body)
        replies.done("ops", headers)
        return said


@pytest.fixture(params=["decision", "reply"])
def door(request: pytest.FixtureRequest, wires: Wires) -> Door:
    return Door(wires, request.param)


@pytest.mark.behaviour("webhooks.rotated")
def test_what_comes_in_may_be_signed_with_either_secret_while_both_are_named(door: Door, clock: ManualClock) -> None:
    for number, (settings, by) in enumerate(((OLD, OLD), (BOTH, OLD), (BOTH, NEW), (BOTH, BOTH), (NEW, BOTH))):
        assert door.hear(settings, signed(by, door.body, clock, f"msg_{number}"))


@pytest.mark.behaviour("webhooks.revoked")
def test_a_secret_that_was_taken_out_decides_nothing_and_that_is_recorded(
    door: Door, clock: ManualClock, tmp_path: Path
) -> None:
    assert door.hear(OLD, signed(OLD, door.body, clock, "msg_done"))
    for message_id in ("msg_new", "msg_done", "msg_new"):  # also what it signed before, and again
        with pytest.raises(Untrusted):
            door.hear(NEW, signed(OLD, door.body, clock, message_id))
    assert len(of_kind(tmp_path, f"respond.{door.what}.heard")) == 1
    refused = of_kind(tmp_path, f"respond.{door.what}.refused")
    assert [(one.outcome, one.body["reason"]) for one in refused] == [
        ("deny", "the signature is not the one of this webhook")
    ] * 3
    assert {"ops"} == {one.body.get("webhook") or one.body.get("integration") for one in refused}
    assert door.hear(NEW, signed(NEW, door.body, clock, "msg_new"))  # the forger has not used up its id


@pytest.mark.behaviour("webhooks.replay")
@pytest.mark.behaviour("webhooks.rotated")
def test_a_new_secret_makes_no_old_message_new_again(door: Door, clock: ManualClock) -> None:
    assert door.hear(OLD, signed(OLD, door.body, clock, "msg_1"))
    for settings, by in ((BOTH, OLD), (BOTH, NEW), (NEW, NEW)):
        with pytest.raises(Conflict):
            door.hear(settings, signed(by, door.body, clock, "msg_1"))


@pytest.mark.behaviour("webhooks.forged")
def test_refusals_beside_those_that_are_recorded_are_counted(wires: Wires, clock: ManualClock, tmp_path: Path) -> None:
    hearing = Hearing(wires.database, wires.journal, clock, [Hook("ops", "https://ops.example/in", Secret(NEW))])

    def forge() -> None:
        with pytest.raises(Untrusted):
            hearing.hear("ops", signed(OLD, DENY, clock, "msg_1"), DENY)

    for _ in range(40):
        forge()
    clock.advance(61 * SECOND)
    forge()
    clock.advance(-3600 * SECOND)  # a clock that was put back hides none
    forge()
    refused = of_kind(tmp_path, "respond.decision.refused")
    assert [one.body.get("passed_over") for one in refused] == [None] * 10 + [30, None]


@pytest.mark.behaviour("webhooks.rotated")
def test_what_goes_out_is_signed_with_the_new_secret_and_with_the_old_one_while_that_is_named(
    wires: Wires, elsewhere: Elsewhere, clock: ManualClock
) -> None:
    fetcher = Fetcher(FetchSettings(allow_hosts=("127.0.0.1",), seconds=5))
    wires.book.request(wanted("b-1", requirements=(Requirement("mine.pay", "responder", 1),)), BOUNDS)
    elsewhere.statuses = [503, 503, 200]
    for secret, pause in zip((OLD, BOTH, NEW), BACKOFF, strict=False):  # the same notice, sent again after each change
        Outbox(wires, [Hook("ops", elsewhere.url, Secret(secret))], fetcher, lambda: "").round()
        clock.advance(pause * SECOND)
    assert len(set(elsewhere.ids())) == 1
    told = [[by for by in (OLD, NEW) if is_signed(by, headers, body)] for headers, body in elsewhere.got]
    assert told == [[OLD], [OLD, NEW], [NEW]]
    assert elsewhere.got[1][0]["webhook-signature"].split()[0] == elsewhere_signature(elsewhere, 1, NEW)


def is_signed(secret: str, headers: dict[str, str], body: bytes) -> bool:
    stamp = headers["webhook-timestamp"]
    try:
        verify(keys(secret), headers["webhook-id"], stamp, headers["webhook-signature"], body, now=int(stamp))
    except Untrusted:
        return False
    return True


def elsewhere_signature(elsewhere: Elsewhere, at: int, secret: str) -> str:
    headers, body = elsewhere.got[at]
    return sign(keys(secret), headers["webhook-id"], int(headers["webhook-timestamp"]), body)


@pytest.mark.behaviour("webhooks.revoked")
def test_a_heartbeat_by_a_secret_that_was_taken_out_is_no_sign_of_life(tmp_path: Path, clock: ManualClock) -> None:
    box = SwitchBox(tmp_path / "listen.db")

    def ping(settings: str, by: str, counter: int) -> None:
        body = msgspec.json.encode(Ping("main", counter, clock.now() // SECOND))
        Listening({"main": keys(settings)}, box, clock).hear(signed(by, body, clock, f"p{counter}"), body)

    ping(BOTH, OLD, 1)
    with pytest.raises(Untrusted):
        ping(NEW, OLD, 2)
    ping(NEW, NEW, 2)


@pytest.mark.parametrize(
    ("secret", "why"),
    [(f"{NEW} {NEW}", "twice"), (f"{NEW} short", "24 to 64"), (" ".join([NEW, OLD, "a", "b"]), "4 secrets")],
)
def test_secrets_side_by_side_that_cannot_be_meant_are_told_without_themselves(secret: str, why: str) -> None:
    with pytest.raises(Misconfigured) as told:
        keys_of("approvals.webhooks.ops.secret", Secret(secret))
    assert why in told.value.reason
    assert not any(word in told.value.reason + told.value.hint for word in (NEW, OLD))
