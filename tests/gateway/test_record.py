"""What is remembered of an exchange, and what is not."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from watchkeeper.core.clock import ManualClock
from watchkeeper.events import Event, Journal
from watchkeeper.gateway.model import Request, Route, Ruling
from watchkeeper.gateway.record import Call, Chronicle
from watchkeeper.inspection.model import Finding
from watchkeeper.policy.model import Effect, Verdict
from watchkeeper.protocol.message import parse_message

ROUTE = Route(name="files")
ALLOWED = Ruling(Verdict(Effect.ALLOW))


@pytest.mark.behaviour("gateway.listings-recorded-once")
@pytest.mark.parametrize(
    ("method", "answer", "kept"),
    [
        ("tools/list", b'{"jsonrpc":"2.0","id":1,"result":{"tools":[]}}', None),
        ("initialize", b'{"jsonrpc":"2.0","id":1,"result":{"instructions":""}}', None),
        ("tools/list", b'{"jsonrpc":"2.0","id":1,"error":{"code":1,"message":"no"}}', '{"code":1,"message":"no"}'),
        ("ping", b'{"jsonrpc":"2.0","id":1,"result":{}}', "{}"),
    ],
)
def test_what_a_listing_shows_is_left_to_the_registry(
    journal: Journal, clock: ManualClock, recorded: Callable[[], list[Event]], method: str, answer: bytes, kept: str
) -> None:
    message = parse_message(b'{"jsonrpc":"2.0","id":1,"method":"%s"}' % method.encode())
    request = Request(verb="POST", headers=[], body=message.raw, principal="agent:claude")
    call = Call(ROUTE, request, message, "modern", 0, ALLOWED, answer=parse_message(answer), answered=ALLOWED)
    journal.wait(Chronicle(ROUTE, journal, clock).decided(call))
    assert recorded()[-1].body.get("result") == kept


@pytest.mark.behaviour("policy.shadow")
def test_what_policies_in_shadow_mode_would_have_done_is_recorded(
    journal: Journal, clock: ManualClock, recorded: Callable[[], list[Event]]
) -> None:
    message = parse_message(b'{"jsonrpc":"2.0","id":1,"method":"ping"}')
    request = Request(verb="POST", headers=[], body=message.raw, principal="agent:claude")
    shadowed = Ruling(Verdict(Effect.ALLOW, shadowed=("mine",), would=Effect.ASK))
    call = Call(ROUTE, request, message, "modern", 0, shadowed, answered=shadowed)
    chronicle = Chronicle(ROUTE, journal, clock)
    chronicle.decided(call)
    journal.wait(chronicle.server_message("agent:claude", "modern", message, shadowed))
    for event in recorded()[-2:]:
        assert (event.outcome, event.body["would"], event.body["shadowed"]) == ("allow", "ask", ["mine"])
    assert recorded()[-2].body["answer"]["would"] == "ask"


@pytest.mark.behaviour("detect.each-side-is-told")
def test_an_event_says_which_side_something_was_noticed_on(
    journal: Journal, clock: ManualClock, recorded: Callable[[], list[Event]]
) -> None:
    message = parse_message(b'{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":"a"}}')
    request = Request(verb="POST", headers=[], body=message.raw, principal="agent:claude")
    card, mail = (Finding("personal", f"personal.{one}", "personal_data", 1) for one in ("payment-card", "email"))
    asked, silent = Ruling(Verdict(Effect.ALLOW), (mail, card, mail)), Ruling(Verdict(Effect.ALLOW))
    chronicle = Chronicle(ROUTE, journal, clock)
    for ruling, answered in ((asked, Ruling(Verdict(Effect.ALLOW), (card,))), (silent, asked), (asked, silent)):
        chronicle.decided(Call(ROUTE, request, message, "modern", 0, ruling, answer=message, answered=answered))
    journal.wait(chronicle.decided(Call(ROUTE, request, message, "modern", 0, ALLOWED)))
    both = ["personal.email", "personal.payment-card"]
    assert [(one.body.get("noticed"), one.body.get("answer", {}).get("noticed")) for one in recorded()[-4:]] == [
        (both, ["personal.payment-card"]),
        (None, both),
        (both, None),
        (None, None),
    ]
