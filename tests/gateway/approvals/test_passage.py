"""A call that a policy leaves to a person, through a real gateway: held, decided, let through once, or told."""

from __future__ import annotations

import asyncio

import msgspec
import pytest

from tests.gateway.approvals.conftest import OTHER_PAY, POLICY, Office, Open
from tests.gateway.conftest import WAIT, Got, call, mirrors, post
from watchkeeper.app.desk import Desk
from watchkeeper.gateway.approvals import Choice, State
from watchkeeper.gateway.identity import Terms
from watchkeeper.gateway.limits.settings import LimitSettings
from watchkeeper.gateway.orders import OrderKind
from watchkeeper.policy import PolicyEngine
from watchkeeper.protocol.errors import DENIED_BY_POLICY, NOT_APPROVED


def text(got: Got) -> str:
    assert got.status == 200, got.body
    return str(got.json["result"]["content"][0]["text"])


def is_refused(got: Got) -> bool:
    return got.json["result"].get("isError") is True


async def settled(task: asyncio.Task[Got]) -> Got:
    return await asyncio.wait_for(task, WAIT)


@pytest.mark.behaviour("approvals.held")
@pytest.mark.parametrize("modern", [True, False])
async def test_a_call_is_held_until_a_person_approves_and_exactly_its_bytes_pass_once(
    office: Office, modern: bool
) -> None:
    session = "" if modern else await office.begin()
    first = asyncio.create_task(office.pay(modern=modern, session=session))
    (waiting,) = await office.waiting()
    assert office.calls() == []
    await office.decide(waiting["id"])
    assert text(await settled(first)) == "paid"
    (sent,) = office.calls()
    assert msgspec.json.decode(sent)["params"]["arguments"] == {"to": "ada", "sum": 10}
    assert office.listed()[0]["state"] == "consumed"
    second = asyncio.create_task(office.pay(modern=modern, session=session, id=2))
    (again,) = await office.waiting()
    assert again["id"] != waiting["id"]
    await office.decide(again["id"], Choice.DENY, reason="once is enough")
    refused = await settled(second)
    assert is_refused(refused)
    assert "once is enough" in text(refused)
    assert len(office.calls()) == 1


@pytest.mark.behaviour("approvals.held")
@pytest.mark.parametrize("modern", [True, False])
async def test_a_call_through_an_endpoint_is_held_for_its_server(office: Office, modern: bool) -> None:
    office.door = "all"
    session = "" if modern else await office.begin()
    first = asyncio.create_task(office.pay(modern=modern, session=session, tool="bank__pay"))
    (waiting,) = await office.waiting()
    assert (waiting["server"], waiting["target"], waiting["principal"]) == ("bank", "pay", "agent:claude")
    await office.decide(waiting["id"])
    assert text(await settled(first)) == "paid"
    assert len(office.calls()) == 1


@pytest.mark.behaviour("approvals.told")
async def test_after_the_wait_the_model_is_told_what_waits_and_a_retry_passes_once(open_office: Open) -> None:
    office = await open_office(wait_seconds=0.05)
    told = await office.pay(modern=True)
    (waiting,) = office.listed("pending")
    assert is_refused(told)
    assert told.json["result"]["resultType"] == "complete"
    for part in (waiting["id"], "pending until", "exactly the same arguments", "Do not try to do it in another way"):
        assert part in text(told)
    await office.decide(waiting["id"])
    assert text(await office.pay(modern=True, id=9)) == "paid"
    assert waiting["id"] not in text(await office.pay(modern=True, id=10))
    assert len(office.calls()) == 1


@pytest.mark.behaviour("approvals.bound")
async def test_a_changed_argument_is_asked_for_anew(open_office: Open) -> None:
    office = await open_office(wait_seconds=0)
    await office.pay(to="ada", sum=10)
    await office.decide(office.listed("pending")[0]["id"])
    assert is_refused(await office.pay(to="eve", sum=10))
    assert is_refused(await office.pay(to="ada", sum=10_000))
    assert office.calls() == []
    assert text(await office.pay(sum=10, to="ada")) == "paid"


@pytest.mark.behaviour("approvals.told")
@pytest.mark.parametrize("choice", Choice)
async def test_what_is_no_tool_call_is_refused_with_an_error_that_its_client_can_act_on(
    office: Office, choice: Choice
) -> None:
    body = call("resources/read", modern=True, uri="file:///a")
    reading = asyncio.create_task(office.send(body, *mirrors("resources/read", "file:///a")))
    (waiting,) = await office.waiting()
    await office.decide(waiting["id"], choice)
    got = (await settled(reading)).json
    if choice is Choice.APPROVE:
        assert got["result"] == {"contents": []}
    else:
        assert got["error"]["code"] == DENIED_BY_POLICY
        assert f"approval:{waiting['id']}" in got["error"]["data"]["rules"]


@pytest.mark.behaviour("approvals.told")
async def test_an_error_for_what_is_pending_has_a_code_of_its_own(open_office: Open) -> None:
    office = await open_office(wait_seconds=0)
    got = await office.send(
        call("resources/read", modern=True, uri="file:///a"), *mirrors("resources/read", "file:///a")
    )
    assert got.json["error"]["code"] == NOT_APPROVED


@pytest.mark.behaviour("approvals.client-left")
@pytest.mark.parametrize("door", ["bank", "all"])
@pytest.mark.parametrize("modern", [True, False])
async def test_a_client_that_leaves_ends_the_wait_and_not_the_request(office: Office, door: str, modern: bool) -> None:
    office.door, tool = door, "pay" if door == "bank" else "bank__pay"
    session = "" if modern else await office.begin()
    _, writer = await asyncio.open_connection("127.0.0.1", office.port)
    body = call(modern=modern, name=tool, arguments={"to": "ada", "sum": 10})
    headers = mirrors(name=tool) if modern else [("Mcp-Session-Id", session)]
    writer.write(post(body, *headers, port=office.port, token=office.token))
    (waiting,) = await office.waiting()
    writer.close()
    async with asyncio.timeout(WAIT):
        while office.fitted.desk.waits.ids():
            await asyncio.sleep(0.005)
    await office.decide(waiting["id"])
    assert office.calls() == []
    ended = [event.body.get("ending") for event in office.events("gateway.request.decided") if event.target == "pay"]
    assert ended == ["cancelled"]
    assert text(await office.pay(modern=modern, session=session, id=5, tool=tool)) == "paid"


@pytest.mark.behaviour("approvals.client-left")
async def test_a_cancelled_request_of_the_older_era_is_not_carried_out_later(office: Office) -> None:
    session = await office.begin()
    held = asyncio.create_task(office.pay(session=session, id=7))
    (waiting,) = await office.waiting()
    note = msgspec.json.encode({"jsonrpc": "2.0", "method": "notifications/cancelled", "params": {"requestId": 7}})
    await office.send(note, ("Mcp-Session-Id", session))
    assert is_refused(await settled(held))
    await office.decide(waiting["id"])
    assert office.calls() == []


@pytest.mark.behaviour("approvals.once")
async def test_of_two_calls_that_wait_for_one_approval_one_passes(office: Office) -> None:
    both = [asyncio.create_task(office.pay(modern=True, id=number)) for number in (1, 2)]
    async with asyncio.timeout(WAIT):
        while not (rows := office.listed("pending")) or rows[0]["count"] < 2:
            await asyncio.sleep(0.005)
    assert len(rows) == 1
    await office.decide(rows[0]["id"])
    answers = [text(await settled(one)) for one in both]
    assert sorted(answer == "paid" for answer in answers) == [False, True]
    assert len(office.calls()) == 1
    assert any("good for one" in answer for answer in answers)


@pytest.mark.behaviour("approvals.judged-anew")
async def test_an_order_that_came_meanwhile_stops_what_was_approved(office: Office) -> None:
    held = asyncio.create_task(office.pay(modern=True))
    (waiting,) = await office.waiting()
    orders = office.platform.orders
    await asyncio.to_thread(
        lambda: orders.issue(OrderKind.QUARANTINE_PRINCIPAL, "claude", reason="r", by="operator:ada", key="k")
    )
    await asyncio.to_thread(orders.push)
    await office.decide(waiting["id"])
    got = await settled(held)
    assert is_refused(got)
    assert "containment order" in text(got)
    assert office.calls() == []
    assert office.listed()[0]["state"] == "granted"


@pytest.mark.behaviour("approvals.judged-anew")
async def test_who_lacks_a_scope_is_told_so_and_nobody_is_asked(open_office: Open) -> None:
    office = await open_office(terms=Terms(scopes=("read",)), tool_scopes={"pay": ("pay:write",)})
    assert "lacks the scope pay:write" in text(await office.pay(modern=True))
    assert office.listed() == []


@pytest.mark.behaviour("approvals.judged-anew")
async def test_what_is_beyond_a_limit_does_not_use_its_grant_up(open_office: Open) -> None:
    office = await open_office(wait_seconds=0, limits={"few": LimitSettings(calls=1, seconds=3600)})
    await office.pay(modern=True)
    (waiting,) = office.listed("pending")
    await office.decide(waiting["id"])
    assert text(await office.pay(modern=True, tool="other")) == "paid"
    assert "A limit is reached" in text(await office.pay(modern=True))
    assert office.listed()[0]["state"] == "granted"
    assert len(office.calls()) == 1


@pytest.mark.behaviour("approvals.voided")
async def test_a_revoked_client_leaves_no_approval_to_whoever_gets_its_name(office: Office) -> None:
    held = asyncio.create_task(office.pay(modern=True))
    await office.waiting()
    acts = Desk(office.platform).acts
    await asyncio.to_thread(acts["clients.revoke"], {"name": "claude", "by": "operator:ada"})
    assert "is void: the client was revoked" in text(await settled(held))
    assert office.calls() == []


@pytest.mark.behaviour("approvals.voided")
async def test_other_policies_void_what_waits_and_what_was_granted(open_office: Open) -> None:
    office = await open_office()
    held = asyncio.create_task(office.pay(modern=True))
    (waiting,) = await office.waiting()
    fitted = office.fitted
    fitted.guard.follow(PolicyEngine.load())
    fitted.desk.follow(fitted.desk.settings, "another version")
    got = await settled(held)
    assert "is void: other policies are in force" in text(got)
    (row,) = office.listed()
    assert (row["id"], row["state"]) == (waiting["id"], State.VOIDED)
    assert office.calls() == []


@pytest.mark.behaviour("approvals.voided")
async def test_a_changed_definition_voids_what_was_granted(open_office: Open) -> None:
    office = await open_office(wait_seconds=0)
    await office.pay(modern=True)
    await office.decide(office.listed("pending")[0]["id"])
    office.tools = OTHER_PAY
    await office.send(call("tools/list", modern=True), *mirrors("tools/list", None))
    await asyncio.to_thread(office.fitted.desk.look)
    assert [row["state"] for row in office.listed()] == ["voided"]
    platform = office.platform
    await asyncio.to_thread(lambda: platform.pins.approve("bank", "tool", "pay", "operator:ada"))
    assert "pending" in text(await office.pay(modern=True))
    assert office.calls() == []


MASKED = """
@id("mine.mask") @reason("Mail addresses were replaced.") @effect("modify") @transform("redact") @classes("email")
forbid (principal, action == Action::"call_tool", resource);
"""


@pytest.mark.behaviour("approvals.held")
async def test_what_another_policy_wants_replaced_is_replaced_in_what_a_person_approved(open_office: Open) -> None:
    office = await open_office(policy=POLICY + MASKED)
    held = asyncio.create_task(office.pay(modern=True, to="ada@example.com"))
    (waiting,) = await office.waiting()
    await office.decide(waiting["id"])
    assert text(await settled(held)) == "paid"
    (sent,) = office.calls()
    assert b"ada@example.com" not in sent
    (decided,) = [event for event in office.events("gateway.request.decided") if event.target == "pay"]
    assert (decided.outcome, f"approval:{waiting['id']}" in decided.body["rules"]) == ("modify", True)


@pytest.mark.behaviour("approvals.shadow")
async def test_a_shadow_route_holds_nothing_and_records_what_it_would_have(open_office: Open) -> None:
    office = await open_office(shadow=True)
    assert text(await office.pay(modern=True)) == "paid"
    (decided,) = [event for event in office.events("gateway.request.decided") if event.target == "pay"]
    assert (decided.outcome, decided.labels, decided.body["rules"]) == ("ask", ("shadow",), ["mine.pay"])
    assert office.listed() == []


@pytest.mark.behaviour("approvals.bounded")
async def test_one_request_too_many_is_denied_and_recorded(open_office: Open) -> None:
    office = await open_office(wait_seconds=0, most_per_principal=2)
    for number in range(2):
        await office.pay(modern=True, sum=number)
    assert is_refused(await office.pay(modern=True, sum=3))
    decided = [event for event in office.events("gateway.request.decided") if event.target == "pay"][-1]
    assert (decided.outcome, decided.body["rules"]) == ("deny", ["mine.pay", "approval.too-many"])
    assert len(office.listed()) == 2


@pytest.mark.behaviour("approvals.shown-whole")
async def test_what_cannot_be_shown_to_a_person_as_a_whole_is_denied(open_office: Open) -> None:
    office = await open_office(wait_seconds=0)
    got = await office.pay(modern=True, padding="x" * 40_000, to="eve")
    assert "cannot be shown" in text(got)
    assert office.listed() == []


@pytest.mark.behaviour("approvals.shown-whole")
async def test_no_secret_is_kept_or_shown(open_office: Open) -> None:
    policy = '@id("p") @reason("r") @effect("ask") forbid (principal, action == Action::"call_tool", resource);'
    office = await open_office(wait_seconds=0, policy=policy)
    secret = "AKIA" + "Q3EGRZ7YXM2NKDVW"
    await office.pay(modern=True, key=secret)
    state = (office.platform.data_dir / "state.db").read_bytes()
    assert secret.encode() not in state
    assert not any(secret in str(event.body) for event in office.events("gateway."))


@pytest.mark.behaviour("approvals.recorded")
async def test_each_step_is_a_fact_that_names_its_approval(office: Office) -> None:
    held = asyncio.create_task(office.pay(modern=True))
    (waiting,) = await office.waiting()
    await office.decide(waiting["id"], reason="fine")
    await settled(held)
    facts = office.events("gateway.approval")
    assert [event.kind.rpartition(".")[2] for event in facts] == ["requested", "decided", "consumed"]
    assert {event.body["approval"] for event in facts} == {waiting["id"]}
    assert [event.actor for event in facts] == ["agent:claude", "operator:ada", "agent:claude"]
    (decided,) = [event for event in office.events("gateway.request.decided") if event.target == "pay"]
    assert decided.outcome == "allow"
    assert decided.body["rules"] == ["mine.pay", f"approval:{waiting['id']}"]
    assert decided.body["correlation"] == facts[2].body["correlation"]
    assert decided.body["held_us"] > 0


@pytest.mark.behaviour("approvals.drain")
async def test_a_gateway_that_stops_lets_nobody_wait(office: Office) -> None:
    held = asyncio.create_task(office.pay(modern=True))
    (waiting,) = await office.waiting()
    await office.fitted.gateway.drain(5)
    assert waiting["id"] in text(await settled(held))


@pytest.mark.behaviour("approvals.requests-only")
async def test_a_notification_for_which_a_person_would_be_asked_is_denied(open_office: Open) -> None:
    policy = '@id("p") @reason("r") @effect("ask") forbid (principal, action == Action::"other", resource);'
    office = await open_office(policy=policy)
    got = await office.send(msgspec.json.encode({"jsonrpc": "2.0", "method": "notifications/vendor"}))
    assert got.status == 403
    assert office.listed() == []
