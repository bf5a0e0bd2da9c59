"""The outbox: everybody who is to be told is told, at least once, under one id, and nobody else."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from tests.gateway.approvals.wanted import BOUNDS, wanted
from tests.respond.webhooks.conftest import KEYS, SECRET, Elsewhere
from watchkeeper.core.clock import SECOND, ManualClock
from watchkeeper.core.errors import Unavailable
from watchkeeper.core.fetch.client import Fetcher
from watchkeeper.core.fetch.settings import FetchSettings
from watchkeeper.core.secrets import Secret
from watchkeeper.events import Event, JournalReader
from watchkeeper.gateway.approvals import Choice
from watchkeeper.gateway.approvals.model import Requirement
from watchkeeper.respond.webhooks import Hook, Outbox
from watchkeeper.respond.webhooks.outbox import BACKOFF, Wires
from watchkeeper.respond.webhooks.signing import verify


def outbox(wires: Wires, url: str, allow: tuple[str, ...] = ("127.0.0.1",), **fields: Any) -> Outbox:
    hook = Hook("ops", url, Secret(SECRET), **fields)
    return Outbox(
        wires, [hook], Fetcher(FetchSettings(allow_hosts=allow, seconds=5)), lambda: "https://console.example"
    )


def ask(wires: Wires, binding: str = "b-1", policy: str = "mine.pay", role: str = "responder", **fields: Any) -> str:
    demands = (Requirement(policy, role, 1),)
    return wires.book.request(wanted(binding, requirements=demands, **fields), BOUNDS).id


@pytest.mark.behaviour("webhooks.told")
def test_a_pending_call_is_told_once_signed_and_without_its_parameters(
    wires: Wires, elsewhere: Elsewhere, clock: ManualClock
) -> None:
    approval = ask(wires, target="pay\u202e", arguments='{"arguments":{"iban":"DE00"}}')
    out = outbox(wires, elsewhere.url, role="responder")
    assert out.round() == 1
    assert out.round() == 0
    ((headers, body),) = elsewhere.got
    signed = headers["webhook-timestamp"], headers["webhook-signature"]
    verify(KEYS, headers["webhook-id"], *signed, body, now=clock.now() // SECOND)
    (told,) = elsewhere.bodies()
    data = told["data"]
    assert (told["type"], data["id"], data["target"]) == ("approval.requested", approval, "pay⟨U+202E⟩")
    assert data["link"] == f"https://console.example/approvals/{approval}"
    assert data["decide"] == "https://console.example/hooks/approvals/ops"
    assert "DE00" not in body.decode()
    assert SECRET.removeprefix("whsec_") not in repr(elsewhere.got)


def test_the_parameters_go_along_where_the_settings_say_so(wires: Wires, elsewhere: Elsewhere) -> None:
    ask(wires)
    outbox(wires, elsewhere.url, arguments=True).round()
    (told,) = elsewhere.bodies()
    assert told["data"]["arguments"] == '{"name":"pay","arguments":{"to":"ada"}}'
    assert "decide" not in told["data"]


@pytest.mark.behaviour("webhooks.retried")
def test_what_is_not_taken_is_sent_again_later_each_time_under_the_same_id(
    wires: Wires, elsewhere: Elsewhere, clock: ManualClock, tmp_path: Path
) -> None:
    ask(wires)
    elsewhere.statuses = [500, 302, 500, 204]
    out = outbox(wires, elsewhere.url)
    for pause in (*BACKOFF[:3], 0):
        out.round()
        clock.advance((pause - 1) * SECOND)
        assert out.round() == 0
        clock.advance(SECOND)
    assert len(elsewhere.got) == 4
    assert len(set(elsewhere.ids())) == 1
    assert out.round() == 0
    facts = [record.event for record in JournalReader(tmp_path).read({}) if record.event]
    told = [fact.kind for fact in facts if fact.kind.startswith("respond.notification")]
    assert told == ["respond.notification.failed", "respond.notification.sent"]


@pytest.mark.behaviour("webhooks.durable")
def test_a_crash_after_the_sending_sends_it_again_under_the_same_id(wires: Wires, elsewhere: Elsewhere) -> None:
    class Crashes:
        def record(self, event: Event) -> None:
            raise Unavailable("the process died here")

    ask(wires)
    broken = Wires(wires.database, Crashes(), wires.clock, wires.book)  # type: ignore[arg-type]
    with pytest.raises(Unavailable):
        outbox(broken, elsewhere.url).round()
    assert outbox(wires, elsewhere.url).round() == 1
    assert len(elsewhere.got) == 2
    assert len(set(elsewhere.ids())) == 1


@pytest.mark.behaviour("webhooks.durable")
def test_what_was_asked_while_nobody_ran_is_told_afterwards_and_what_was_decided_is_not(
    wires: Wires, elsewhere: Elsewhere, clock: ManualClock
) -> None:
    first, second = ask(wires, "b-1"), ask(wires, "b-2")
    elsewhere.statuses = [503, 503, 200]
    outbox(wires, elsewhere.url).round()
    wires.book.decide(first, by="operator:ada", choice=Choice.DENY)
    clock.advance(BACKOFF[0] * SECOND)
    assert outbox(wires, elsewhere.url).round() == 1
    assert elsewhere.bodies()[-1]["data"]["id"] == second
    assert len(elsewhere.got) == 3


@pytest.mark.behaviour("webhooks.serves")
@pytest.mark.parametrize(
    ("serves", "told"),
    [
        ({}, 3),
        ({"policies": ("mine.pay",)}, 1),
        ({"policies": ("mine.*",)}, 2),
        ({"roles": ("admin",)}, 1),
        ({"policies": ("mine.*",), "roles": ("admin",)}, 1),
        ({"policies": ("their.*",), "roles": ("admin",)}, 0),
    ],
    ids=str,
)
def test_a_system_is_told_of_what_the_settings_say(
    wires: Wires, elsewhere: Elsewhere, serves: dict[str, Any], told: int
) -> None:
    ask(wires, "b-1", "mine.pay")
    ask(wires, "b-2", "mine.delete", "admin")
    ask(wires, "b-3", "their.send")
    assert outbox(wires, elsewhere.url, **serves).round() == told
    assert len(elsewhere.got) == told


@pytest.mark.behaviour("webhooks.private-hosts")
def test_a_private_host_that_the_settings_do_not_allow_is_never_asked(wires: Wires, elsewhere: Elsewhere) -> None:
    ask(wires)
    assert outbox(wires, elsewhere.url, allow=()).round() == 0
    assert outbox(wires, elsewhere.url.replace("http:", "https:"), allow=()).round() == 0
    assert elsewhere.got == []
