"""Each verb that gives the gateway an order: acted, proven by the live guard, taken back, told to a person, and found
again by the life that follows a killed one."""

from __future__ import annotations

import asyncio
import signal
from collections.abc import Awaitable, Callable
from typing import Any

import msgspec
import pytest

from tests.gateway.measures.house import WEB, House, text
from tests.respond.actions.conftest import Guarded
from tests.respond.lives import live
from watchkeeper.core.errors import Invalid, Unavailable
from watchkeeper.policy.model import Effect
from watchkeeper.respond import IncidentState
from watchkeeper.respond.actions.flows import DenyEgress, TaintSource
from watchkeeper.respond.actions.servers import BlockServer, BlockVersion, SetReadOnly
from watchkeeper.respond.actions.tools import BlockToolHash
from watchkeeper.respond.interface import ActionContext, Outcome, Proof
from watchkeeper.respond.model import ACTOR

Tried = Callable[[House], Awaitable[bool]]
"""Whether what the verb is to stop gets through now."""


async def server_is_reached(house: House) -> bool:
    return house.calls("get_note").verdict.effect is Effect.ALLOW


async def definition_is_used(house: House) -> bool:
    return "put_note" in await house.lists() and house.calls("put_note").verdict.effect is Effect.ALLOW


async def server_writes(house: House) -> bool:
    assert house.calls("get_note").verdict.effect is Effect.ALLOW, "reading goes on"
    return house.calls("put_note").verdict.effect is Effect.ALLOW


async def reader_acts(house: House) -> bool:
    house.gets("get_note", text("do as I say"))
    assert house.calls("put_page", WEB, principal="agent:other").verdict.effect is Effect.ALLOW, "who read nothing acts"
    return house.calls("put_page", WEB).verdict.effect is Effect.ALLOW


async def host_is_sent_to(house: House) -> bool:
    assert house.calls("get_note", see="https://good.example/").verdict.effect is Effect.ALLOW, "other hosts are free"
    return house.calls("get_note", see="https://evil.example/").verdict.effect is Effect.ALLOW


VERBS: list[tuple[Any, dict[str, str], str, Tried, str]] = [
    (BlockServer(), {"server": "notes"}, "notes", server_is_reached, "Stop the server notes"),
    (BlockVersion(), {"server": "notes", "version": "<2"}, "notes@<2", server_is_reached, "while it is <2"),
    (BlockToolHash(), {"server": "notes", "tool": "put_note"}, "sha256:", definition_is_used, "whose definition is"),
    (SetReadOnly(), {"server": "notes", "tool": "get_note"}, "notes", server_writes, "every right to write"),
    (TaintSource(), {"server": "notes", "source": "get_note"}, "notes/get_note", reader_acts, "Have a person look"),
    (DenyEgress(), {"host": "evil.example"}, "evil.example", host_is_sent_to, "at the firewall"),
]
EACH = pytest.mark.parametrize(
    ("action", "given", "target", "gets_through", "told"), VERBS, ids=[v[0].name for v in VERBS]
)


async def prepared(guarded: Guarded, action: Any, given: dict[str, str]) -> Any:
    """The verb's parameters, once the server was greeted, listed and approved."""
    house = guarded.house
    await house.greets("1.2.3")
    await house.lists()
    house.approve("get_note", "put_note")
    await asyncio.to_thread(house.control.refresh)
    more = {"fingerprint": house.pins.get("notes", "put_note").pinned} if isinstance(action, BlockToolHash) else {}
    return action.Parameters(**given, **more, reason="a test")


async def done(what: Callable[[Any, ActionContext], Any], parameters: Any, step: ActionContext) -> Any:
    """As the runner does it: in another thread, while the gateway serves."""
    return await asyncio.to_thread(what, parameters, step)


@pytest.mark.behaviour("respond.order-verbs-act")
@EACH
async def test_a_verb_acts_proves_it_at_the_live_guard_and_takes_it_back(
    guarded: Guarded, action: Any, given: dict[str, str], target: str, gets_through: Tried, told: str
) -> None:
    parameters, step = await prepared(guarded, action, given), guarded.step()
    assert await gets_through(guarded.house)
    outcome: Outcome = await done(action.run, parameters, step)
    assert outcome.evidence["target"].startswith(target)
    (order,) = guarded.estate.orders.in_force()
    assert (order.id, order.issued_by, order.run) == (outcome.evidence["order"], ACTOR, "run")
    assert order.asked_by == ("playbook:p", "operator:ada")
    proof: Proof = await done(action.verify, parameters, step)
    assert proof.verified, proof.detail
    assert not await gets_through(guarded.house)
    assert (await done(action.run, parameters, step)).evidence["order"] == order.id, "a second life finds it"
    await done(action.undo, parameters, step)
    assert await gets_through(guarded.house)
    assert guarded.estate.orders.in_force() == ()
    unproven: Proof = await done(action.verify, parameters, step)
    assert (unproven.verified, unproven.detail["reason"]) == (False, "the order is not in force")
    assert told in action.by_hand(parameters)


@EACH
async def test_a_verb_leaves_what_somebody_else_ordered_and_does_nothing_past_its_deadline(
    guarded: Guarded, action: Any, given: dict[str, str], target: str, gets_through: Tried, told: str
) -> None:
    parameters = await prepared(guarded, action, given)
    with pytest.raises(Unavailable):
        await done(action.run, parameters, guarded.step(has_time=False))
    assert guarded.estate.orders.all() == ()
    by_hand = guarded.estate.orders.issue(
        action.kind, action.target(parameters), reason="r", by="operator:ada", key="by hand"
    )
    found: Outcome = await done(action.run, parameters, guarded.step())
    assert found.evidence["order"] == by_hand.id
    proof: Proof = await done(action.verify, parameters, guarded.step())
    assert proof.verified, proof.detail
    await done(action.undo, parameters, guarded.step())
    assert [order.id for order in guarded.estate.orders.in_force()] == [by_hand.id]
    assert not await gets_through(guarded.house)


BAD = [
    (BlockServer(), {"server": "a/b"}),
    (BlockVersion(), {"server": "notes", "version": ">=newest"}),
    (BlockToolHash(), {"fingerprint": "md5:1"}),
    (SetReadOnly(), {"server": ""}),
    (TaintSource(), {"server": "no server", "source": "x"}),
    (DenyEgress(), {"host": "*"}),
]


@pytest.mark.parametrize(("action", "given"), BAD, ids=[action.name for action, _ in BAD])
async def test_a_verb_with_a_target_of_the_wrong_form_says_the_right_one_and_orders_nothing(
    guarded: Guarded, action: Any, given: dict[str, str]
) -> None:
    with pytest.raises(Invalid) as raised:
        await done(action.run, action.Parameters(**given, reason="r"), guarded.step())
    assert raised.value.hint.startswith("write ")
    assert guarded.estate.orders.all() == ()


BOOK = """
id: verb
version: 1
title: One verb
when: 'true'
severity: low
blast_radius: {{{touches}: 1}}
steps:
  - id: act
    action: {verb}
    with: {given}
    deadline: 30s
"""


@pytest.mark.slow
@pytest.mark.timeout(240)
@pytest.mark.behaviour("respond.killed-run-finishes")
@EACH
async def test_a_life_killed_between_the_order_and_its_push_is_finished_by_the_next(
    guarded: Guarded, action: Any, given: dict[str, str], target: str, gets_through: Tried, told: str
) -> None:
    parameters, estate = await prepared(guarded, action, given), guarded.estate
    books = estate.data / "books"
    books.mkdir()
    words = msgspec.json.encode(parameters).decode()
    (books / "verb.yaml").write_text(BOOK.format(touches=action.touches, verb=action.name, given=words))
    estate.raise_alert(playbook="verb", server="notes", target="put_note")
    killed = await asyncio.to_thread(live, estate, f"{action.kind.value} issued", playbooks=str(books))
    assert killed.returncode == -signal.SIGKILL, killed.stderr
    (order,) = estate.orders.in_force()
    last = await asyncio.to_thread(live, estate, playbooks=str(books))
    assert last.returncode == 0, last.stderr
    assert [one.id for one in estate.orders.all()] == [order.id]
    assert [event.target for event in estate.events("gateway.order.issued")] == [order.target]
    assert len(estate.events("respond.containment.verified")) == 1
    assert not await gets_through(guarded.house)
    (incident,) = estate.service().incidents.list()
    assert incident.state is IncidentState.CONTAINED
