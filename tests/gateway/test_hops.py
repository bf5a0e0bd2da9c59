"""Nothing reaches us through ourselves for ever."""

from __future__ import annotations

from collections.abc import Awaitable, Callable

import pytest

from tests.gateway.conftest import TOKEN, House, call, plain
from watchkeeper.gateway.hops import MOST_HOPS, circle, hop_of, via

MakeHouse = Callable[..., Awaitable[House]]
OK = b'{"jsonrpc":"2.0","id":1,"result":{}}'


@pytest.mark.behaviour("loops.circle-refused")
async def test_a_gateway_whose_server_leads_back_to_it_ends_the_circle(make_house: MakeHouse) -> None:
    """A → B → A: two gateways, each the other's server."""
    a = await make_house(hop="wk-a")
    b = await make_house(hop="wk-b", url=f"http://127.0.0.1:{a.port}/mcp", headers={"Authorization": TOKEN.decode()})
    a.server.answer = forward_to(b)
    got = await b.post(call("ping"))
    assert got.status == 508
    assert got.json["error"]["code"] == 50800
    assert "has passed this gateway before" in got.json["error"]["message"]
    assert len(a.server.got) == 1
    assert any(event.body.get("status") == 508 for event in b.events())


def forward_to(house: House):
    """A server that is nothing but a proxy to a gateway."""

    async def answer(got, reader, writer) -> None:
        passed = [("Via", value) for name, value in got.headers if name.lower() == "via"]
        said = await house.post(got.body, *passed)
        await plain(said.body, status=f"{said.status} As Said")(got, reader, writer)

    return answer


@pytest.mark.behaviour("loops.via")
async def test_what_is_forwarded_says_where_it_has_passed_and_keeps_what_others_said(make_house: MakeHouse) -> None:
    house = await make_house(hop="wk-a")
    assert (await house.post(call(), ("Via", "1.1 front"), ("Via", "1.1 middle (nginx), 2 inner"))).body == OK
    passed = [value for name, value in house.server.got[0].headers if name.lower() == "via"]
    assert passed == ["1.1 front", "1.1 middle (nginx), 2 inner", "1.1 wk-a"]


async def test_another_route_of_ours_is_no_circle(make_house: MakeHouse) -> None:
    house = await make_house(hop=hop_of("host", "/data", "one"))
    other = hop_of("host", "/data", "two")
    assert (await house.post(call(), ("Via", f"1.1 {other}"))).body == OK


@pytest.mark.parametrize(
    ("headers", "is_circle"),
    [
        ([(b"Via", b"1.1 wk-a")], True),
        ([(b"via", b"1.1 x , 1.1 wk-a (us)"), (b"Via", b"1.0 y")], True),
        ([(b"Via", b"1.1 wk-ab"), (b"X", b"wk-a")], False),
        ([(b"Via", b"1.1 x," * MOST_HOPS + b"1.1 y")], True),
        ([(b"Via", b",".join([b"1.1 x"] * MOST_HOPS))], False),
    ],
)
def test_a_circle_is_told_from_a_chain(headers: list[tuple[bytes, bytes]], is_circle: bool) -> None:
    assert bool(circle(headers, b"wk-a")) is is_circle


def test_a_route_without_a_name_says_nothing() -> None:
    assert via("") == b""
    assert circle([(b"Via", b"1.1 ")], b"") == ""
